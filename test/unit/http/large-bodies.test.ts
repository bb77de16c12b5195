import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import fastify, { type FastifyInstance } from 'fastify';
import { addCompression } from '../../../src/http/hooks/compression.js';
import { addLargeBodies } from '../../../src/http/hooks/large-bodies.js';
import { ResponseBuffers } from '../../../src/http/hooks/response-buffers.js';
import { etagOf } from '../../../src/http/routes/etag.js';
import { charactersPerSlice, slicesOf } from '../../../src/http/text-slices.js';
import { createLogger } from '../../../src/telemetry/logger.js';
import { waitUntil } from '../../support/wait-until.js';

/** A text whose slices would end within its characters of four bytes, and with a half of one. */
const large = `x${'\u{1f697}'.repeat(charactersPerSlice)}\ud83d${'é'.repeat(1000)}\ude97`;
const bytes = Buffer.from(large);
/** More than the operating system buffers of a connection on this host. */
const huge = 'y'.repeat(24 * 1024 * 1024);

const buffers = new ResponseBuffers({ maxBytes: 1024 ** 3 }, createLogger('silent'));
let server: FastifyInstance;
let url: string;
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
beforeAll(async () => {
  server = fastify();
  buffers.follow(server);
  addCompression(server);
  addLargeBodies(server);
  server.get<{ Params: { kind: string } }>('/:kind', ({ params: { kind } }, reply) => {
    if (kind === 'cached') void reply.header('age', '1');
    return reply.type('application/json').send(kind === 'huge' ? huge : large);
  });
  await server.listen({ port: 0, host: '127.0.0.1' });
  url = `http://127.0.0.1:${(server.server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  agent.destroy();
  await server.close();
});

async function load(path: string, method = 'GET', encoding = 'identity') {
  const sent = request(url + path, { method, agent, headers: { 'accept-encoding': encoding } }).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const port = response.socket.localPort;
  return { body: await buffer(response), headers: response.headers, port };
}

describe('a large response', () => {
  it('has its bytes and their number, and the connection serves the next request', async () => {
    const first = await load('/computed');
    expect(first.body.equals(bytes)).toBe(true);
    expect(first.headers).toMatchObject({ 'content-length': String(bytes.length) });
    expect(first.headers).not.toHaveProperty('transfer-encoding');
    const second = await load('/computed');
    expect(second.body.equals(bytes)).toBe(true);
    expect(second.port).toBe(first.port);
  });

  it('has its length and no body for HEAD', async () => {
    const { body, headers } = await load('/computed', 'HEAD');
    expect(body).toHaveLength(0);
    expect(headers).toMatchObject({ 'content-length': String(bytes.length) });
  });

  it.each([
    ['gzip', gunzipSync],
    ['br', brotliDecompressSync],
  ])('is compressed with %s, with the length of what is sent', async (encoding, decompress) => {
    for (const path of ['/computed', '/cached', '/cached']) {
      const { body, headers } = await load(path, 'GET', encoding);
      expect(headers).toMatchObject({ 'content-encoding': encoding, 'content-length': String(body.length) });
      expect(decompress(body).equals(bytes)).toBe(true);
    }
  });

  it('counts as waiting until its reader has taken it or disconnects', async () => {
    const sent = request(`${url}/huge`).end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    await waitUntil(() => buffers.bytes === huge.length);
    response.destroy();
    await waitUntil(() => buffers.bytes === 0);
  });

  it('has the entity tag of its bytes', async () => {
    expect(await etagOf(large)).toBe(`W/"${createHash('sha256').update(bytes).digest('base64url')}"`);
  });
});

it('slices of random texts have the bytes of the whole', () => {
  const character = fc.constantFrom('a', 'é', '\u{1f697}', '\ud83d', '\ude97');
  fc.assert(
    fc.property(fc.array(character, { minLength: 1, maxLength: 6 }), fc.nat(3), (period, shift) => {
      const text = 'a'.repeat(charactersPerSlice - shift) + period.join('').repeat(2);
      const slices = [...slicesOf(text)];
      expect(slices.join('')).toBe(text);
      const encoded = Buffer.concat(slices.map((slice) => Buffer.from(slice)));
      expect(encoded.equals(Buffer.from(text))).toBe(true);
    }),
  );
});
