import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startGateway as startProcess, type GatewayProcess } from '../../bench/load/gateway.ts';
import { hostileRequests, secret } from '../../bench/load/hostile-requests.ts';
import { startGateway, type AnyData, type TestGateway } from '../support/gateway.js';

const size = 1_000_000;
const factor = 4;
const maxResponseBytes = 64 * 1024;

/** Quadratic work takes 16 times as long for four times the size. The rest is noise of a busy machine. */
const maxRatio = 10;

/** Shorter times are mostly those of the connection. */
const shortestMs = 8;

let open: TestGateway;
let closed: TestGateway;
beforeAll(async () => {
  [open, closed] = await Promise.all([startGateway(), startGateway({ INTROSPECTION: 'false', TRUST_PROXY: '1' })]);
});
afterAll(() => Promise.all([open.close(), closed.close()]));

async function send(gateway: TestGateway, body: string): Promise<{ text: string; ms: number }> {
  const started = performance.now();
  const response = await fetch(gateway.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  const text = await response.text();
  return { text, ms: performance.now() - started };
}

/** The shortest of several times. */
async function timeOf(gateway: TestGateway, body: string): Promise<number> {
  let shortest = Infinity;
  for (let attempt = 0; attempt < 4; attempt += 1) shortest = Math.min(shortest, (await send(gateway, body)).ms);
  return shortest;
}

/** The time of the whole body relative to that of a quarter of it: the smallest of several ratios, up to the first that is linear. */
async function ratioOf(gateway: TestGateway, body: string, quarter: string): Promise<number> {
  let smallest = Infinity;
  for (let attempt = 0; attempt < 5 && smallest >= maxRatio; attempt += 1) {
    const whole = await timeOf(gateway, body);
    smallest = Math.min(smallest, whole / Math.max(shortestMs, await timeOf(gateway, quarter)));
  }
  return smallest;
}

describe.each([
  ['open', () => open],
  ['closed', () => closed],
])('with %s introspection', (_state, gateway) => {
  const smaller = hostileRequests(size / factor);
  it.each(hostileRequests(size).map(({ name, body }, index) => [name, body, smaller[index]?.body ?? '']))(
    '%s: takes linear time, and the response is small',
    async (_name, body, quarter) => {
      const { text } = await send(gateway(), body);
      expect(Buffer.byteLength(text)).toBeLessThan(maxResponseBytes);
      expect(text).not.toContain(secret);
      const { errors = [] } = JSON.parse(text) as { errors?: AnyData[] };
      expect(errors.length).toBeLessThanOrEqual(10);
      for (const { message, extensions, locations = [] } of errors) {
        expect(message.length).toBeLessThanOrEqual(300);
        expect(extensions.code).not.toBe('INTERNAL_SERVER_ERROR');
        expect(locations.length).toBeLessThanOrEqual(10);
      }
      expect(await ratioOf(gateway(), body, quarter)).toBeLessThan(maxRatio);
    },
    120_000,
  );
});

it.each([
  'accept',
  'authorization',
  'content-type',
  'if-none-match',
  'forwarded',
  'x-forwarded-for',
  'x-request-id',
  'accept-encoding',
])(
  'reads the header %s in linear time',
  async (name) => {
    const query = '?query=%7B__typename%7D';
    for (const part of [' ', ',', ';', '"', '\\\\"', 'a;q=', ',for="', '; charset=']) {
      const timeWith = async (length: number): Promise<number> => {
        const value = `x${part.repeat(length / part.length)}x`;
        let shortest = Infinity;
        for (let attempt = 0; attempt < 4; attempt += 1) {
          const started = performance.now();
          const sent = { 'apollo-require-preflight': 'true', [name]: value };
          const response = await fetch(`${closed.url}${query}`, { headers: sent });
          expect(response.status).toBeLessThan(500);
          await response.text();
          shortest = Math.min(shortest, performance.now() - started);
        }
        return shortest;
      };
      expect((await timeWith(12_000)) / Math.max(shortestMs, await timeWith(3_000))).toBeLessThan(maxRatio);
    }
  },
  60_000,
);

it('keeps resident memory below its limit by every kind of request, and while 40 connections do not read', async () => {
  const gateway: GatewayProcess = await startProcess();
  try {
    const kinds = hostileRequests(size).map(({ body }) => body);
    const bodies = kinds.slice(0, 4);
    for (const body of bodies) await fetch(gateway.url, { method: 'POST', headers, body });
    const before = await gateway.inspect({ kind: 'memory' });
    for (const body of kinds) await (await fetch(gateway.url, { method: 'POST', headers, body })).text();
    const afterKinds = await gateway.inspect({ kind: 'memory' });
    expect((afterKinds.rss - before.rss) / 2 ** 20).toBeLessThan(100);
    // Their bodies are never read.
    const responses = await Promise.all(
      Array.from({ length: 40 }, (_none, index) =>
        fetch(gateway.url, { method: 'POST', headers, body: bodies[index % bodies.length] ?? '' }),
      ),
    );
    const after = await gateway.inspect({ kind: 'memory' });
    for (const { body } of responses) await body?.cancel();
    expect((after.rss - before.rss) / 2 ** 20).toBeLessThan(100);
  } finally {
    await gateway.stop();
  }
}, 120_000);

const headers = { 'content-type': 'application/json' };
