import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How a service of exchange rates behaves. */
export type Behaviour = (request: IncomingMessage, response: ServerResponse) => void;

/** A service of exchange rates on this machine, that behaves as the test wants. */
export interface TestRateService {
  url: string;
  /** Requests that have reached it. */
  requests: { path: string; authorization: string | undefined }[];
  behaviour: Behaviour;
  close: () => Promise<void>;
}

/** Today, as rates are dated. */
export const today = (): string => new Date().toISOString().slice(0, 10);

/** Good rates, as the European Central Bank's are in JSON. */
export const goodRates = () => ({ amount: 1, base: 'EUR', date: today(), rates: { USD: 1.25, INR: 100, JPY: 160, KWD: 0.4, CHF: 0.95 } });

export const sends =
  (body: unknown, status = 200, headers: Record<string, string> = {}): Behaviour =>
  (_request, response) =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(typeof body === 'string' ? body : JSON.stringify(body));

/** Answers well. */
export const answersWell: Behaviour = (request, response) => sends(goodRates())(request, response);

/** Takes the request, and never says a word. */
export const hangs: Behaviour = () => undefined;

/** Starts the body, and never ends it. */
export const hangsHalfway: Behaviour = (_request, response) => void response.writeHead(200, { 'content-type': 'application/json' }).write('{"base":');

export const resets: Behaviour = (request) => void request.socket.resetAndDestroy();

/** Sends more and more, without an end. */
export const floods: Behaviour = (_request, response) => {
  const more = (): void => {
    while (!response.destroyed && response.write(' '.repeat(65_536))) continue;
    if (!response.destroyed) response.once('drain', more);
  };
  response.writeHead(200, { 'content-type': 'application/json' });
  more();
};

export async function startRateService(behaviour: Behaviour = answersWell): Promise<TestRateService> {
  const service: TestRateService = { url: '', requests: [], behaviour, close: () => Promise.resolve() };
  const server = createServer((request, response) => {
    response.on('error', () => undefined);
    service.requests.push({ path: request.url ?? '', authorization: request.headers.authorization });
    service.behaviour(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  service.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/latest`;
  service.close = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return service;
}
