import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import fastify, { type FastifyInstance } from 'fastify';
import * as zlib from 'node:zlib';

const compressions = { sync: 0, async: 0 };
jest.unstable_mockModule('node:zlib', () => ({
  ...zlib,
  brotliCompressSync: (...args: Parameters<typeof zlib.brotliCompressSync>) => {
    compressions.sync += 1;
    return zlib.brotliCompressSync(...args);
  },
  brotliCompress: (...args: Parameters<typeof zlib.brotliCompress>) => {
    compressions.async += 1;
    zlib.brotliCompress(...args);
  },
  createBrotliCompress: (...args: Parameters<typeof zlib.createBrotliCompress>) => {
    compressions.async += 1;
    return zlib.createBrotliCompress(...args);
  },
}));

/** Texts that compress by about three quarters. */
const textOf = (characters: number, seed = 1): string =>
  Array.from({ length: characters / 20 }, (_, index) => `{"id":"employee_${(index * seed * 7919) % 100_000}"}`).join();

let server: FastifyInstance;
beforeAll(async () => {
  const { addCompression } = await import('../../../src/http/hooks/compression.js');
  server = fastify();
  addCompression(server);
  server.get<{ Params: { size: string; seed: string } }>('/:kind/:size/:seed', (request, reply) => {
    const { kind, size, seed } = request.params as { kind: string; size: string; seed: string };
    if (kind === 'cached') void reply.header('age', '1');
    return reply.type('application/json; charset=utf-8').send(textOf(Number(size), Number(seed)));
  });
});
beforeEach(() => void Object.assign(compressions, { sync: 0, async: 0 }));
afterAll(() => server.close());

const get = async (path: string, accepted = 'br') => {
  const { rawPayload, headers } = await server.inject({ url: path, headers: { 'accept-encoding': accepted } });
  return { body: rawPayload, encoding: headers['content-encoding'], headers };
};

it.each([
  ['small', 10_000, { sync: 1, async: 0 }],
  ['large', 200_000, { sync: 0, async: 1 }],
])('compresses a %s cached response once, and others each time', async (_size, characters, once) => {
  const first = await get(`/cached/${characters}/1`);
  const again = await get(`/cached/${characters}/1`);
  expect(compressions).toEqual(once);
  expect([first.encoding, again.encoding]).toEqual(['br', 'br']);
  expect(again.body.equals(first.body)).toBe(true);
  expect(zlib.brotliDecompressSync(again.body).toString()).toBe(textOf(characters));
  expect(again.headers['content-length']).toBe(String(again.body.length));
  await get(`/computed/${characters}/1`);
  await get(`/computed/${characters}/1`);
  expect(compressions).toEqual({ sync: 3 * once.sync, async: 3 * once.async });
});

it('keeps each text and each encoding apart', async () => {
  for (const seed of [2, 3, 2, 3]) {
    const [br, gzip] = [await get(`/cached/4000/${seed}`), await get(`/cached/4000/${seed}`, 'gzip')];
    expect(zlib.brotliDecompressSync(br.body).toString()).toBe(textOf(4000, seed));
    expect(zlib.gunzipSync(gzip.body).toString()).toBe(textOf(4000, seed));
  }
  expect(compressions).toEqual({ sync: 2, async: 0 });
});

it('keeps a bounded number of bytes', async () => {
  // 24 bodies of about 600 KB; the oldest are evicted.
  const { randomBytes } = await import('node:crypto');
  const { addCompression, maxCompressedBytes } = await import('../../../src/http/hooks/compression.js');
  const texts = Array.from({ length: 24 }, () => randomBytes(600_000).toString('base64'));
  const other = fastify();
  addCompression(other);
  other.get<{ Params: { index: string } }>('/:index', ({ params }, reply) =>
    reply.type('application/json').header('age', '0').send(texts[Number(params.index)]),
  );
  const load = (index: number) => other.inject({ url: `/${index}`, headers: { 'accept-encoding': 'br' } });
  let bytes = 0;
  for (const index of texts.keys()) bytes += (await load(index)).rawPayload.length;
  expect(bytes).toBeGreaterThan(maxCompressedBytes * 1.5);
  compressions.async = 0;
  await load(23);
  expect(compressions.async).toBe(0);
  await load(0);
  expect(compressions.async).toBe(1);
  await other.close();
});

it.each([
  ['gzip, deflate, br, zstd', 'br'],
  ['br;q=0.5, gzip', 'gzip'],
  ['BR', 'br'],
  ['*', 'br'],
  ['identity, br;q=0.5', undefined],
  ['br;q=0, gzip;q=0', undefined],
  ['zstd', undefined],
  ['', undefined],
  [`${'x,'.repeat(8000)}gzip`, 'gzip'],
])('accepts %j', async (accepted, encoding) => {
  expect((await get('/computed/2000/1', accepted)).encoding).toBe(encoding);
});
