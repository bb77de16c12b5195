import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, describe, expect, it } from '@jest/globals';
import fastify, { type FastifyInstance } from 'fastify';
import { ResponseBuffers, type ResponseBufferOptions } from '../../../src/http/hooks/response-buffers.js';
import { createLogger } from '../../../src/telemetry/logger.js';
import { waitUntil } from '../../support/wait-until.js';

/** More than the operating system buffers of a connection on this host. */
const large = 24 * 1024 * 1024;

const lines: string[] = [];
const sockets: Socket[] = [];
let server: FastifyInstance;
let buffers: ResponseBuffers;
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server.close();
  lines.splice(0);
});

/** Starts a server with a large response at `/large`, an endless one at `/stream` and a small one at `/small`. */
async function start(options: Partial<ResponseBufferOptions>): Promise<void> {
  const log = createLogger('info', { write: (line) => void lines.push(line) });
  buffers = new ResponseBuffers({ maxBytes: 10 * large, sweepMs: 20, ...options }, log);
  server = fastify();
  server.decorateRequest('client');
  server.addHook('onRequest', (request, _reply, done) => {
    request.client = { address: '192.0.2.1', protocol: 'http', host: '' };
    done();
  });
  buffers.follow(server);
  server.get('/large', (_request, reply) => reply.send('x'.repeat(large)));
  server.get('/small', (_request, reply) => reply.send('small'));
  server.get('/stream', (_request, reply) =>
    reply.send(
      Readable.from(
        (async function* () {
          for (;;) yield await Promise.resolve('y'.repeat(65_536));
        })(),
      ),
    ),
  );
  await server.listen({ port: 0, host: '127.0.0.1' });
}

/** Sends requests over one connection, and reads nothing of the responses. */
async function request(...paths: string[]): Promise<Socket> {
  const { port } = server.server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1').pause();
  socket.on('error', () => {});
  sockets.push(socket);
  await once(socket, 'connect');
  socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`).join(''));
  return socket;
}

const isCut = async (socket: Socket): Promise<boolean> => {
  const closed = once(socket, 'close').then(() => true);
  socket.resume();
  return closed;
};

describe('a slow reader', () => {
  it('that reads nothing is cut, counted and logged', async () => {
    await start({ stallMs: 300 });
    const socket = await request('/large');
    await waitUntil(() => buffers.bytes === large);
    await waitUntil(() => buffers.cut.slow_reader === 1);
    expect(buffers.bytes).toBe(0);
    expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
      { msg: 'slow reader disconnected', reason: 'slow_reader', address: '192.0.2.1', bytes: large },
    ]);
    expect(await isCut(socket)).toBe(true);
  });

  it('that reads less than the minimum is cut', async () => {
    await start({ stallMs: 400, minBytesPerSecond: 1024 * 1024 * 1024 });
    const socket = await request('/large');
    const reading = setInterval(() => socket.read(), 10);
    await waitUntil(() => buffers.cut.slow_reader === 1);
    clearInterval(reading);
  });

  it('of a stream is cut', async () => {
    await start({ stallMs: 300 });
    await request('/stream');
    await waitUntil(() => buffers.cut.slow_reader === 1);
    await waitUntil(() => buffers.bytes === 0);
  });
});

it('leaves readers that are fast enough alone', async () => {
  await start({ stallMs: 2000 });
  const { port } = server.server.address() as AddressInfo;
  for (const path of ['large', 'small', 'large']) {
    const response = await fetch(`http://127.0.0.1:${port}/${path}`);
    expect((await response.text()).length).toBe(path === 'large' ? large : 5);
  }
  await waitUntil(() => buffers.bytes === 0);
  expect(buffers.cut).toEqual({ slow_reader: 0, connection_limit: 0, process_limit: 0 });
});

it('cuts the response that waits longest beyond the limit of the process', async () => {
  await start({ maxBytes: 2 * large });
  const first = await request('/large');
  const others: Socket[] = [];
  await waitUntil(() => buffers.bytes === large);
  for (const count of [1, 2]) {
    others.push(await request('/large'));
    if (count === 1) await waitUntil(() => buffers.bytes === 2 * large);
  }
  await waitUntil(() => buffers.cut.process_limit === 1);
  expect(buffers.bytes).toBe(2 * large);
  expect(await isCut(first)).toBe(true);
  expect(others.map(({ destroyed }) => destroyed)).toEqual([false, false]);
});

it('cuts a connection that requests more without reading', async () => {
  await start({ maxBytesPerConnection: large });
  const socket = await request('/large', '/large');
  await waitUntil(() => buffers.cut.connection_limit === 1);
  expect(buffers.bytes).toBe(0);
  expect(await isCut(socket)).toBe(true);
});
