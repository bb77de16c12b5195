import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startGateway, type TestGateway } from '../support/gateway.js';

const origin = 'https://app.example.com';
const page = '{ employees(first: 2) { nodes { name department { headcount } } } }';

describe('Server-Timing', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway({ CORS_ORIGINS: origin, MAX_BATCHED_OPERATIONS: '2' });
  });
  afterAll(() => gateway.close());

  const post = async (body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(gateway.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${await gateway.tokenOf('admin')}`,
        ...headers,
      },
      body: JSON.stringify(body),
    });
  const timing = (response: Response): string | null => response.headers.get('server-timing');

  it('counts the statements and predictions of the operation', async () => {
    expect(timing(await post({ query: page }))).toMatch(/^total;dur=[\d.]+, sql;dur=[\d.]+;desc="2 statements"$/);
    const predict = '{ predict(model: "iris", inputs: [{ petal_length: 3.3, petal_width: 1.1 }]) { source } }';
    expect(timing(await post({ query: predict }))).toMatch(
      /^total;dur=[\d.]+.*, model;dur=[\d.]+;desc="1 prediction"$/,
    );
  });

  it('is sent with cached responses, batches, rejections and 304', async () => {
    const kept = { query: '{ departments { name } }' };
    await post(kept);
    expect(timing(await post(kept))).toMatch(/^total;dur=[\d.]+$/);
    const list = [3, 4].map((first) => ({ query: `{ employees(first: ${first}) { totalCount nodes { name } } }` }));
    expect(timing(await post(list))).toMatch(/sql;dur=[\d.]+;desc="4 statements"$/);
    expect(timing(await post([]))).toMatch(/^total;dur=[\d.]+$/);

    const search = `${gateway.url}?${new URLSearchParams(kept).toString()}`;
    const headers = { 'apollo-require-preflight': 'true', authorization: `Bearer ${await gateway.tokenOf('admin')}` };
    const etag = (await fetch(search, { headers })).headers.get('etag') ?? '';
    const unchanged = await fetch(search, { headers: { ...headers, 'if-none-match': etag } });
    expect([unchanged.status, timing(unchanged)]).toEqual([304, expect.stringMatching(/^total;dur=/)]);
  });

  it('is readable only by allowed origins', async () => {
    const allowed = await post({ query: page }, { origin });
    expect([allowed.headers.get('timing-allow-origin'), allowed.headers.get('access-control-expose-headers')]).toEqual([
      origin,
      expect.stringContaining('server-timing'),
    ]);
    const others = await post({ query: page }, { origin: 'https://elsewhere.example.com' });
    expect([others.headers.get('timing-allow-origin'), others.headers.get('access-control-allow-origin')]).toEqual([
      null,
      null,
    ]);
  });
});

describe('Server-Timing in production', () => {
  it.each([
    [{}, null],
    [{ SERVER_TIMING: 'true' }, expect.stringMatching(/^total;dur=/)],
  ])('is sent only if enabled: %j', async (env, reported) => {
    const gateway = await startGateway({ NODE_ENV: 'production', DEMO_DATA: 'true', ...env });
    try {
      expect((await gateway.execute(null, '{ __typename }')).headers.get('server-timing')).toEqual(reported);
    } finally {
      await gateway.close();
    }
  });
});
