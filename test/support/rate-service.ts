import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How the service responds to a request. */
export type Behaviour = (request: IncomingMessage, response: ServerResponse) => void;

/** A local exchange rate service with configurable behaviour. */
export interface TestRateService {
  url: string;
  /** Requests received. */
  requests: { path: string; authorization: string | undefined }[];
  behaviour: Behaviour;
  close: () => Promise<void>;
}

/** Today's date as YYYY-MM-DD. */
export const today = (): string => new Date().toISOString().slice(0, 10);

/** Valid rates in the format of the European Central Bank. */
export const goodRates = () => ({
  amount: 1,
  base: 'EUR',
  date: today(),
  rates: { USD: 1.25, INR: 100, JPY: 160, KWD: 0.4, CHF: 0.95 },
});

export const sends =
  (body: unknown, status = 200, headers: Record<string, string> = {}): Behaviour =>
  (_request, response) =>
    void response
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(typeof body === 'string' ? body : JSON.stringify(body));

export const respondsWell: Behaviour = (request, response) => sends(goodRates())(request, response);

/** Never responds. */
export const hangs: Behaviour = () => undefined;

/** Starts a body and never ends it. */
export const hangsHalfway: Behaviour = (_request, response) =>
  void response.writeHead(200, { 'content-type': 'application/json' }).write('{"base":');

export const resets: Behaviour = (request) => void request.socket.resetAndDestroy();

/** Sends an endless body. */
export const floods: Behaviour = (_request, response) => {
  const more = (): void => {
    while (!response.destroyed && response.write(' '.repeat(65_536))) continue;
    if (!response.destroyed) response.once('drain', more);
  };
  response.writeHead(200, { 'content-type': 'application/json' });
  more();
};

export async function startRateService(behaviour: Behaviour = respondsWell): Promise<TestRateService> {
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
