import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BreachedPasswords } from '../../../src/integrations/breached-passwords/breached-passwords.js';
import { createLogger } from '../../../src/telemetry/logger.js';

const password = 'correct horse battery';
const hash = createHash('sha1').update(password).digest('hex').toUpperCase();
const padding = `${'0'.repeat(34)}1:0`;

let respond: (request: IncomingMessage, response: ServerResponse) => void;
const requests: IncomingMessage[] = [];
const service = createServer((request, response) => {
  requests.push(request);
  respond(request, response);
});
const log = createLogger('silent');
const warnings = jest.spyOn(log, 'warn');

beforeAll(() => once(service.listen(0, '127.0.0.1'), 'listening'));
afterAll(() => {
  service.closeAllConnections();
  service.close();
});
afterEach(() => {
  requests.length = 0;
  warnings.mockClear();
});

const isBreached = (): Promise<boolean> => {
  const { port } = service.address() as AddressInfo;
  return new BreachedPasswords(`http://127.0.0.1:${port}/range/`, log).isBreached(password);
};

const sends = (...lines: string[]): void => {
  respond = (_request, response) => void response.end(lines.join('\r\n'));
};

describe('BreachedPasswords', () => {
  it('sends five characters of the hash with padding, and finds the rest', async () => {
    sends(padding, `${hash.slice(5)}:42`);
    expect(await isBreached()).toBe(true);
    expect(requests.map(({ url, headers }) => [url, headers['add-padding']])).toEqual([
      [`/range/${hash.slice(0, 5)}`, 'true'],
    ]);
  });

  it('does not find other hashes, or padding with the count 0', async () => {
    sends(padding, `${hash.slice(5, -1)}:7`, `${hash.slice(5)}:0`);
    expect(await isBreached()).toBe(false);
    expect(warnings).not.toHaveBeenCalled();
  });

  it.each<[string, (request: IncomingMessage, response: ServerResponse) => void]>([
    ['an error', (_request, response) => void response.writeHead(503).end(`${hash.slice(5)}:42`)],
    ['a redirect', (_request, response) => void response.writeHead(302, { location: '/range/other' }).end()],
    ['no response in time', () => undefined],
    ['a lost connection', (request) => void request.socket.destroy()],
    ['a response without end', (_request, response) => void response.write('A'.repeat(2_000_000))],
  ])('accepts the password after %s, and logs it without the password', async (_name, behaviour) => {
    respond = behaviour;
    expect(await isBreached()).toBe(false);
    expect(warnings).toHaveBeenCalledTimes(1);
    expect(JSON.stringify(warnings.mock.calls)).not.toContain(hash.slice(5));
    expect(JSON.stringify(warnings.mock.calls)).not.toContain(password);
  });
});
