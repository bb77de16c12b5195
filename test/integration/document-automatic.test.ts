import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hashOf } from '../../src/documents/document-id.js';
import { send } from '../kit/documents.js';
import { codesOf, startGateway, type TestGateway } from '../kit/gateway.js';
import { reasonToSkipRedis, startRedis, type TestRedis } from '../kit/redis.js';
import { until } from '../kit/until.js';

const automatic = (text: string) => ({ extensions: { persistedQuery: { version: 1, sha256Hash: hashOf(text) } } });
const models = (names: string) => `query Models { models { ${names} } }`;

describe('an automatic persisted query', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(() => gateway.close());

  it.each(['POST', 'GET'] as const)('is not known at first, is brought with its text, and then known, by %s', async (by) => {
    const text = models(`name ${by === 'GET' ? 'title' : 'description'}`);
    expect(codesOf(await send(gateway, automatic(text), { by, asker: 'user' }))).toEqual(['PERSISTED_QUERY_NOT_FOUND']);
    expect((await send(gateway, { query: text, ...automatic(text) }, { by, asker: 'user' })).data.models).toHaveLength(3);
    expect((await send(gateway, automatic(text), { by, asker: 'user' })).data.models).toHaveLength(3);
    // Known is known, in whichever form it is asked for.
    expect((await send(gateway, { documentId: `sha256:${hashOf(text)}` }, { by, asker: 'user' })).data.models).toHaveLength(3);
  });

  it('is not remembered where hash and text do not match', async () => {
    const [asked, brought] = [models('name version: name'), models('name other: name')];
    const answer = await send(gateway, { query: brought, ...automatic(asked) }, { asker: 'user' });
    expect([answer.status, codesOf(answer)]).toEqual([400, ['BAD_REQUEST']]);
    for (const text of [asked, brought]) expect(codesOf(await send(gateway, automatic(text)))).toEqual(['PERSISTED_QUERY_NOT_FOUND']);
  });

  it('is not remembered where a text comes without its hash', async () => {
    const text = models('plain: name');
    await send(gateway, { query: text }, { asker: 'user' });
    expect(codesOf(await send(gateway, automatic(text)))).toEqual(['PERSISTED_QUERY_NOT_FOUND']);
  });

  it('is executed and not remembered where it is very long', async () => {
    const text = `${models('name')} #${'x'.repeat(100_000)}`;
    expect((await send(gateway, { query: text, ...automatic(text) }, { asker: 'user' })).errors).toEqual([]);
    expect(codesOf(await send(gateway, automatic(text)))).toEqual(['PERSISTED_QUERY_NOT_FOUND']);
  });

  it('gives nobody more than the text: who asks is still asked who it is', async () => {
    const text = '{ users(first: 1) { nodes { email } } }';
    expect((await send(gateway, { query: text, ...automatic(text) }, { asker: 'admin' })).errors).toEqual([]);
    expect(codesOf(await send(gateway, automatic(text), { asker: 'user' }))).toEqual(['FORBIDDEN']);
    expect(codesOf(await send(gateway, automatic(text)))).toEqual(['UNAUTHENTICATED']);
  });
});

describe('where automatic persisted queries are switched off', () => {
  it('a hash is answered so that Apollo’s clients send no more, and a text with its hash is executed', async () => {
    const gateway = await startGateway({ AUTOMATIC_PERSISTED_QUERIES: 'false' });
    try {
      const text = models('name');
      const answer = await send(gateway, automatic(text), { asker: 'user' });
      expect([answer.status, codesOf(answer), answer.errors[0]?.message]).toEqual([200, ['PERSISTED_QUERY_NOT_SUPPORTED'], 'PersistedQueryNotSupported']);
      expect((await send(gateway, { query: text, ...automatic(text) }, { asker: 'user' })).errors).toEqual([]);
      expect(codesOf(await send(gateway, automatic(text)))).toEqual(['PERSISTED_QUERY_NOT_SUPPORTED']);
      expect(codesOf(await send(gateway, { documentId: `sha256:${hashOf(text)}` }))).toEqual(['PERSISTED_QUERY_NOT_FOUND']);
    } finally {
      await gateway.close();
    }
  });
});

const reason = reasonToSkipRedis();
const describeWithRedis = reason === null ? describe : describe.skip;

describeWithRedis(`two gateways that share a Redis${reason === null ? '' : ` (skipped: ${reason})`}`, () => {
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

  /** Brings a text to one, again and again until the other knows it: Redis is not waited for. */
  const shared = (text: string) =>
    until(async () => {
      await send(one, { query: text, ...automatic(text) }, { asker: 'user' });
      return codesOf(await send(other, automatic(text), { asker: 'user' })).length === 0;
    });

  it('share what was brought to one of them', async () => {
    await shared(models('name'));
  });

  it('go on with what they know while Redis is away', async () => {
    const [known, fresh] = [models('name title'), models('name away: title')];
    await shared(known);
    await redis.kill();
    expect((await send(other, automatic(known), { asker: 'user' })).errors).toEqual([]);
    expect((await send(other, { query: fresh, ...automatic(fresh) }, { asker: 'user' })).errors).toEqual([]);
    expect((await send(other, automatic(fresh), { asker: 'user' })).errors).toEqual([]);
    expect(codesOf(await send(one, automatic(fresh)))).toEqual(['PERSISTED_QUERY_NOT_FOUND']);
    await redis.restart();
    await shared(models('name back: title'));
  });
});
