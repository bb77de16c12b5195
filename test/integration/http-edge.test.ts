import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import WebSocket from 'ws';
import { ConfigError, readConfig } from '../../src/config.js';
import { startGateway, type TestGateway } from '../kit/gateway.js';
import { openEvents, socketUrl } from '../kit/streams.js';

const EMPLOYEES = '{ employees(first: 50) { nodes { id name email jobTitle } } }';

interface RawAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** A request as it is, without what fetch adds and undoes. */
function raw(url: string, { method = 'GET', headers = {}, body }: { method?: string; headers?: Record<string, string>; body?: string } = {}): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

const json = { 'content-type': 'application/json' };
const question = (query: string): string => JSON.stringify({ query });

describe('compression', () => {
  let gateway: TestGateway;
  let authorization: string;
  beforeAll(async () => {
    gateway = await startGateway();
    authorization = `Bearer ${await gateway.tokenOf('admin')}`;
  });
  afterAll(() => gateway.close());

  const ask = (encoding: string | null, query = EMPLOYEES) =>
    raw(gateway.url, { method: 'POST', headers: { ...json, authorization, ...(encoding === null ? {} : { 'accept-encoding': encoding }) }, body: question(query) });

  it('gives the same answer by brotli, by gzip, and as it is to who takes neither', async () => {
    const plain = await ask(null);
    expect(plain.headers['content-encoding']).toBeUndefined();
    expect(plain.body.length).toBeGreaterThan(4_000);
    const brotli = await ask('gzip, deflate, br');
    expect(brotli.headers['content-encoding']).toBe('br');
    expect(brotliDecompressSync(brotli.body)).toEqual(plain.body);
    const gzip = await ask('gzip');
    expect(gzip.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(gzip.body)).toEqual(plain.body);
    for (const { body } of [brotli, gzip]) expect(body.length).toBeLessThan(plain.body.length / 3);
    expect(brotli.headers.vary).toMatch(/accept-encoding/i);
    expect((await ask('br;q=0, gzip;q=0')).headers['content-encoding']).toBeUndefined();
    expect((await ask('zstd')).headers['content-encoding']).toBeUndefined();
  });

  it('leaves what is small as it is', async () => {
    const { headers, body } = await ask('br', '{ __typename }');
    expect(headers['content-encoding']).toBeUndefined();
    expect(body.toString()).toContain('Query');
  });

  it('keeps the entity tag, by which the answer is not sent again', async () => {
    const url = `${gateway.url}?query=${encodeURIComponent('{ departments { id name } __schema { types { name description } } }')}`;
    const headers = { 'apollo-require-preflight': 'true', authorization, 'accept-encoding': 'gzip' };
    const first = await raw(url, { headers });
    expect(first.headers['content-encoding']).toBe('gzip');
    expect(first.headers.etag).toMatch(/^W\//);
    const second = await raw(url, { headers: { ...headers, 'if-none-match': String(first.headers.etag) } });
    expect({ status: second.status, length: second.body.length }).toEqual({ status: 304, length: 0 });
    expect(first.headers.vary).toMatch(/Authorization/);
    expect(first.headers.vary).toMatch(/accept-encoding/i);
  });

  it('leaves a stream of events as it is', async () => {
    const { token } = await gateway.signIn('admin');
    const { status, headers, heard } = await openEvents(gateway.url, {
      headers: { authorization: `Bearer ${token}`, 'accept-encoding': 'gzip, br' },
      body: { query: 'subscription { employeeChanged { __typename } }' },
    });
    expect({ status, encoding: headers.get('content-encoding') }).toEqual({ status: 200, encoding: null });
    heard.stop();
  });

  it('leaves GraphiQL’s files as they were compressed when it was built', async () => {
    const page = (await raw(new URL('/graphiql', gateway.url).href)).body.toString();
    const script = /src="([^"]+\.js)"/.exec(page)?.[1] ?? '';
    const { headers, body } = await raw(new URL(script, new URL('/graphiql', gateway.url)).href, { headers: { 'accept-encoding': 'br' } });
    expect(headers['content-encoding']).toBe('br');
    expect(brotliDecompressSync(body).length).toBeGreaterThan(body.length);
  });

  it('can be left to the proxy', async () => {
    const other = await startGateway({ COMPRESSION: 'false' });
    const { headers } = await raw(other.url, { method: 'POST', headers: { ...json, authorization: `Bearer ${await other.tokenOf('admin')}`, 'accept-encoding': 'br' }, body: question(EMPLOYEES) });
    expect(headers['content-encoding']).toBeUndefined();
    await other.close();
  });
});

describe('security headers', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(() => gateway.close());

  it.each([
    ['an answer', '/graphql?query={__typename}', 200],
    ['a refusal', '/graphql', 400],
    ['what is not there', '/nothing', 404],
    ['a path that cannot be read', '/%zz', 400],
    ['health', '/livez', 200],
  ])('are on %s', async (_what, path, status) => {
    const answer = await raw(new URL(path, gateway.url).href, { headers: { 'apollo-require-preflight': 'true', accept: 'application/json' } });
    expect(answer.status).toBe(status);
    expect(answer.headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'x-frame-options': 'DENY',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'cross-origin-resource-policy': 'same-origin',
    });
    expect(answer.headers['x-powered-by']).toBeUndefined();
    expect(answer.headers['strict-transport-security']).toBeUndefined();
  });

  it('let a page load what it needs', async () => {
    const landing = await raw(gateway.url, { headers: { accept: 'text/html' } });
    expect(landing.headers['content-type']).toMatch(/^text\/html/);
    expect(landing.headers['content-security-policy'] ?? '').not.toContain("default-src 'none'");
    const graphiql = await raw(new URL('/graphiql', gateway.url).href);
    expect(graphiql.headers['content-security-policy']).toContain("script-src 'self'");
  });
});

describe('HTTPS', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway({ TRUST_PROXY: '1', HTTPS_REDIRECT: 'true', CORS_ORIGINS: 'https://app.example.com' });
  });
  afterAll(() => gateway.close());

  const secure = { 'x-forwarded-proto': 'https', host: 'api.example.com' };
  const plain = { 'x-forwarded-proto': 'http', host: 'api.example.com' };

  it('is where a read is sent to', async () => {
    const { status, headers } = await raw(`${gateway.url}?query={__typename}`, { headers: plain });
    expect({ status, location: headers.location }).toEqual({ status: 308, location: 'https://api.example.com/graphql?query={__typename}' });
    expect(headers['cache-control']).toBe('no-store');
    expect((await raw(new URL('/graphiql', gateway.url).href, { headers: plain })).headers.location).toBe('https://api.example.com/graphiql');
  });

  it('is what a write must come by: it is refused, and nothing of it is done', async () => {
    const body = question('mutation { register(input: { email: "open@example.org", password: "correct horse battery" }) { accessToken } }');
    const { status, body: answer } = await raw(gateway.url, { method: 'POST', headers: { ...json, ...plain }, body });
    expect(status).toBe(403);
    expect(answer.toString()).toContain('HTTPS_REQUIRED');
    expect(await gateway.db.selectFrom('user_account').select('id').where('email', '=', 'open@example.org').execute()).toEqual([]);
    expect((await raw(gateway.url, { method: 'POST', headers: { ...json, ...secure }, body })).status).toBe(200);
  });

  it('is remembered by browsers that have come by it', async () => {
    const { headers } = await raw(gateway.url, { method: 'POST', headers: { ...json, ...secure }, body: question('{ __typename }') });
    expect(headers['strict-transport-security']).toBe('max-age=31536000');
  });

  it('is not asked of probes, which come directly', async () => {
    for (const path of ['/livez', '/readyz', '/metrics']) expect((await raw(new URL(path, gateway.url).href)).status).toBe(200);
  });

  it.each(['api.example.com/evil', 'a b', 'user@evil.example', ''])('sends nobody to the host "%s"', async (host) => {
    const { status, headers } = await raw(gateway.url, { headers: { ...plain, 'x-forwarded-host': host } });
    // An empty header is none, and the host is the request's own.
    const expected = host === '' ? { status: 308, location: 'https://api.example.com/graphql' } : { status: 403, location: undefined };
    expect({ status, location: headers.location }).toEqual(expected);
  });

  it('is what a socket must come by', async () => {
    const opened = (headers: Record<string, string>) =>
      new Promise<boolean>((resolve) => {
        const socket = new WebSocket(socketUrl(gateway.url), 'graphql-transport-ws', { headers });
        socket.once('open', () => {
          socket.close();
          resolve(true);
        });
        socket.once('error', () => resolve(false));
      });
    expect(await opened({ 'x-forwarded-proto': 'http' })).toBe(false);
    expect(await opened({})).toBe(false);
    expect(await opened({ 'x-forwarded-proto': 'https' })).toBe(true);
  });

  it('is not believed from just anyone', async () => {
    const open = await startGateway();
    const { status, headers } = await raw(open.url, { method: 'POST', headers: { ...json, ...secure, 'x-forwarded-host': 'evil.example' }, body: question('{ __typename }') });
    expect({ status, hsts: headers['strict-transport-security'] }).toEqual({ status: 200, hsts: undefined });
    await open.close();
  });

  it('needs a proxy that can be trusted', () => {
    expect(() => readConfig({ HTTPS_REDIRECT: 'true' })).toThrow(ConfigError);
    expect(() => readConfig({ HTTPS_REDIRECT: 'true' })).toThrow(/HTTPS_REDIRECT needs a proxy in front .*; set TRUST_PROXY/);
  });
});

describe('the list of origins', () => {
  it.each(['*', 'null', 'app.example.com', 'https://app.example.com/', 'https://app.example.com/path', 'https://*.example.com', 'https://app.example.com:443'])('does not take "%s"', (origin) => {
    expect(() => readConfig({ CORS_ORIGINS: `https://app.example.com, ${origin}` })).toThrow(/CORS_ORIGINS must be origins such as https:\/\/app\.example\.com/);
  });

  it('shows pages the headers that they need', async () => {
    const gateway = await startGateway({ CORS_ORIGINS: 'https://app.example.com' });
    const { headers } = await raw(gateway.url, { method: 'POST', headers: { ...json, origin: 'https://app.example.com' }, body: question('{ __typename }') });
    expect(headers['access-control-allow-origin']).toBe('https://app.example.com');
    for (const name of ['x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset', 'retry-after', 'x-request-id']) expect(headers['access-control-expose-headers']).toContain(name);
    await gateway.close();
  });
});
