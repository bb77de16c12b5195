import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hashOf } from '../../src/persisted-documents/document-request.js';
import { bundledModels } from '../support/bundled-models.js';
import { send } from '../support/documents.js';
import { codesOf, startGateway, type TestGateway } from '../support/gateway.js';
import { describeWithRedis } from '../support/describe-with-redis.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { waitUntil } from '../support/wait-until.js';

const automatic = (text: string) => ({ extensions: { persistedQuery: { version: 1, sha256Hash: hashOf(text) } } });
const models = (names: string) => `query Models { models { ${names} } }`;

describe('an automatic persisted query', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(() => gateway.close());

  it.each(['POST', 'GET'] as const)(
    'is unknown at first, then registered with its text, then found by its hash, by %s',
    async (by) => {
      const text = models(`name ${by === 'GET' ? 'title' : 'description'}`);
      expect(codesOf(await send(gateway, automatic(text), { by, caller: 'user' }))).toEqual([
        'PERSISTED_QUERY_NOT_FOUND',
      ]);
      expect(
        (await send(gateway, { query: text, ...automatic(text) }, { by, caller: 'user' })).data.models,
      ).toHaveLength(bundledModels.length);
      expect((await send(gateway, automatic(text), { by, caller: 'user' })).data.models).toHaveLength(
        bundledModels.length,
      );
      // The same document is also found by documentId.
      expect(
        (await send(gateway, { documentId: `sha256:${hashOf(text)}` }, { by, caller: 'user' })).data.models,
      ).toHaveLength(bundledModels.length);
    },
  );

  it('is not stored if the hash does not match the text', async () => {
    const [requested, sent] = [models('name version: name'), models('name other: name')];
    const response = await send(gateway, { query: sent, ...automatic(requested) }, { caller: 'user' });
    expect([response.status, codesOf(response)]).toEqual([400, ['BAD_REQUEST']]);
    for (const text of [requested, sent])
      expect(codesOf(await send(gateway, automatic(text)))).toEqual(['PERSISTED_QUERY_NOT_FOUND']);
  });

  it('is not stored if the text is sent without its hash', async () => {
    const text = models('plain: name');
    await send(gateway, { query: text }, { caller: 'user' });
    expect(codesOf(await send(gateway, automatic(text)))).toEqual(['PERSISTED_QUERY_NOT_FOUND']);
  });

  it.each([
    ['has a syntax error', 'query { models { name }'],
    ['does not match the schema', 'query { models { nothing } }'],
    ['exceeds a limit', `query { models { name ${Array.from({ length: 21 }, (_, at) => `a${at}: name`).join(' ')} } }`],
    ['has variables of the wrong type', 'query ($first: Int!) { employees(first: $first) { nodes { id } } }'],
    ['is a mutation by GET', 'mutation { logout { remainingCount } }', 'GET'],
  ] as [string, string, ('GET' | 'POST')?][])('is not stored if it %s', async (_what, text, by = 'POST') => {
    const response = await send(gateway, { query: text, ...automatic(text) }, { by, caller: 'user' });
    expect(response.errors.length).toBeGreaterThan(0);
    expect(response.data ?? null).toBeNull();
    expect(codesOf(await send(gateway, automatic(text), { caller: 'user' }))).toEqual(['PERSISTED_QUERY_NOT_FOUND']);
  });

  it('is stored if it was executed without access to its data', async () => {
    const text = 'query { me { id } }';
    expect(codesOf(await send(gateway, { query: text, ...automatic(text) }))).toEqual(['UNAUTHENTICATED']);
    expect((await send(gateway, automatic(text), { caller: 'user' })).errors).toEqual([]);
  });

  it('is executed but not stored past 1 MB per hour of the caller, which others do not share', async () => {
    const padded = (at: number): string => `{ models { name } } # ${String(at).padEnd(19_900, 'x')}`;
    for (let at = 0; at < 51; at += 1) {
      const text = padded(at);
      expect((await send(gateway, { query: text, ...automatic(text) }, { caller: 'manager' })).errors).toEqual([]);
    }
    expect((await send(gateway, automatic(padded(0)), { caller: 'manager' })).errors).toEqual([]);
    expect(codesOf(await send(gateway, automatic(padded(50)), { caller: 'manager' }))).toEqual([
      'PERSISTED_QUERY_NOT_FOUND',
    ]);
    expect((await send(gateway, { query: padded(50), ...automatic(padded(50)) }, { caller: 'user' })).errors).toEqual(
      [],
    );
    expect((await send(gateway, automatic(padded(50)), { caller: 'manager' })).errors).toEqual([]);
  });

  it('is executed but not stored if it is longer than 20 KB', async () => {
    const text = `${models('name')} #${'x'.repeat(20_000)}`;
    expect((await send(gateway, { query: text, ...automatic(text) }, { caller: 'user' })).errors).toEqual([]);
    expect(codesOf(await send(gateway, automatic(text)))).toEqual(['PERSISTED_QUERY_NOT_FOUND']);
  });

  it('is authorized for each caller that sends the hash', async () => {
    const text = '{ users(first: 1) { nodes { email } } }';
    expect((await send(gateway, { query: text, ...automatic(text) }, { caller: 'admin' })).errors).toEqual([]);
    expect(codesOf(await send(gateway, automatic(text), { caller: 'user' }))).toEqual(['FORBIDDEN']);
    expect(codesOf(await send(gateway, automatic(text)))).toEqual(['UNAUTHENTICATED']);
  });
});

describe('AUTOMATIC_PERSISTED_QUERIES=false', () => {
  it('returns PERSISTED_QUERY_NOT_SUPPORTED for a hash and executes a text with its hash', async () => {
    const gateway = await startGateway({ AUTOMATIC_PERSISTED_QUERIES: 'false' });
    try {
      const text = models('name');
      const response = await send(gateway, automatic(text), { caller: 'user' });
      expect([response.status, codesOf(response), response.errors[0]?.message]).toEqual([
        200,
        ['PERSISTED_QUERY_NOT_SUPPORTED'],
        'PersistedQueryNotSupported',
      ]);
      expect((await send(gateway, { query: text, ...automatic(text) }, { caller: 'user' })).errors).toEqual([]);
      expect(codesOf(await send(gateway, automatic(text)))).toEqual(['PERSISTED_QUERY_NOT_SUPPORTED']);
      expect(codesOf(await send(gateway, { documentId: `sha256:${hashOf(text)}` }))).toEqual([
        'PERSISTED_QUERY_NOT_FOUND',
      ]);
    } finally {
      await gateway.close();
    }
  });
});

describeWithRedis('two gateways that share a Redis', () => {
  let redis: TestRedis;
  let one: TestGateway;
  let other: TestGateway;
  beforeAll(async () => {
    redis = await startRedis();
    one = await startGateway({ REDIS_URL: redis.url });
    other = await startGateway({ REDIS_URL: redis.url, DATABASE_URL: one.databaseUrl });
  });
  afterAll(async () => {
    await other.close();
    await one.close();
    await redis.stop();
  });

  /** Registers a text at one gateway until the other knows it: writes to Redis are not awaited. */
  const shared = (text: string) =>
    waitUntil(async () => {
      await send(one, { query: text, ...automatic(text) }, { caller: 'user' });
      return codesOf(await send(other, automatic(text), { caller: 'user' })).length === 0;
    });

  it('share automatic persisted queries', async () => {
    await shared(models('name'));
  });

  it('keep serving known documents while Redis is unavailable', async () => {
    const [known, fresh] = [models('name title'), models('name offline: title')];
    await shared(known);
    await redis.kill();
    expect((await send(other, automatic(known), { caller: 'user' })).errors).toEqual([]);
    expect((await send(other, { query: fresh, ...automatic(fresh) }, { caller: 'user' })).errors).toEqual([]);
    expect((await send(other, automatic(fresh), { caller: 'user' })).errors).toEqual([]);
    expect(codesOf(await send(one, automatic(fresh)))).toEqual(['PERSISTED_QUERY_NOT_FOUND']);
    await redis.restart();
    await shared(models('name back: title'));
  });
});
