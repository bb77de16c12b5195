import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import WebSocket from 'ws';
import { readConfig } from '../../src/config/config.js';
import { ConfigError } from '../../src/errors/operator-error.js';
import { codesOf, startGateway, type TestGateway } from '../support/gateway.js';
import { openEvents, socketUrl } from '../support/streams.js';

const EMPLOYEES = '{ employees(first: 50) { nodes { id name email jobTitle } } }';

interface RawResponse {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** Sends a request without the headers and the decompression of fetch. */
function raw(
  url: string,
  { method = 'GET', headers = {}, body }: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<RawResponse> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** Whether a WebSocket with these headers opens. */
const opens = (gateway: TestGateway, headers: Record<string, string>): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = new WebSocket(socketUrl(gateway.url), 'graphql-transport-ws', { headers });
    socket.once('open', () => {
      socket.close();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

const json = { 'content-type': 'application/json' };
const bodyOf = (query: string): string => JSON.stringify({ query });

describe('compression', () => {
  let gateway: TestGateway;
  let authorization: string;
  beforeAll(async () => {
    gateway = await startGateway();
    authorization = `Bearer ${await gateway.tokenOf('admin')}`;
  });
  afterAll(() => gateway.close());

  const execute = (encoding: string | null, query = EMPLOYEES) =>
    raw(gateway.url, {
      method: 'POST',
      headers: { ...json, authorization, ...(encoding === null ? {} : { 'accept-encoding': encoding }) },
      body: bodyOf(query),
    });

  it('sends the same response as brotli, gzip or uncompressed, as accepted', async () => {
    const plain = await execute(null);
    expect(plain.headers['content-encoding']).toBeUndefined();
    expect(plain.body.length).toBeGreaterThan(4_000);
    const brotli = await execute('gzip, deflate, br');
    expect(brotli.headers['content-encoding']).toBe('br');
    expect(brotliDecompressSync(brotli.body)).toEqual(plain.body);
    const gzip = await execute('gzip');
    expect(gzip.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(gzip.body)).toEqual(plain.body);
    for (const { body } of [brotli, gzip]) expect(body.length).toBeLessThan(plain.body.length / 3);
    expect(brotli.headers.vary).toMatch(/accept-encoding/i);
    expect((await execute('br;q=0, gzip;q=0')).headers['content-encoding']).toBeUndefined();
    expect((await execute('zstd')).headers['content-encoding']).toBeUndefined();
  });

  it('sends a cached response with the same content in every encoding, also by GET and HEAD', async () => {
    const query = '{ departments { id name } employees(first: 20) { nodes { id name email } } }';
    const computed = await execute('br', query);
    const plain = await execute(null, query);
    expect(computed.headers.age).toBeUndefined();
    for (const encoding of ['br', 'gzip', 'br', 'gzip']) {
      const { headers, body } = await execute(encoding, query);
      expect([headers['content-encoding'], headers['content-length']]).toEqual([encoding, String(body.length)]);
      expect(headers.age).toMatch(/^\d+$/);
      expect((encoding === 'br' ? brotliDecompressSync : gunzipSync)(body)).toEqual(plain.body);
    }
    // More CPU time is spent on what is sent again.
    expect((await execute('br', query)).body.length).toBeLessThan(computed.body.length);
    const url = `${gateway.url}?query=${encodeURIComponent(query)}`;
    const headers = { 'apollo-require-preflight': 'true', authorization, 'accept-encoding': 'br' };
    const got = await raw(url, { headers: { ...headers, range: 'bytes=0-9' } });
    expect([got.status, brotliDecompressSync(got.body)]).toEqual([200, plain.body]);
    expect(got.headers.vary).toBe('Origin, Authorization, X-Api-Key, Accept, accept-encoding');
    const head = await raw(url, { headers, method: 'HEAD' });
    expect(head.body.length).toBe(0);
    expect([head.headers['content-length'], head.headers.etag]).toEqual([String(got.body.length), got.headers.etag]);
  });

  it('does not compress small responses', async () => {
    const { headers, body } = await execute('br', '{ __typename }');
    expect(headers['content-encoding']).toBeUndefined();
    expect(body.toString()).toContain('Query');
  });

  it('preserves the entity tag, so that revalidation returns 304', async () => {
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

  it('does not compress event streams', async () => {
    const { token } = await gateway.signIn('admin');
    const { status, headers, received } = await openEvents(gateway.url, {
      headers: { authorization: `Bearer ${token}`, 'accept-encoding': 'gzip, br' },
      body: { query: 'subscription { employeeChanged { __typename } }' },
    });
    expect({ status, encoding: headers.get('content-encoding') }).toEqual({ status: 200, encoding: null });
    received.stop();
  });

  it('sends the precompressed files of GraphiQL unchanged', async () => {
    const page = (await raw(new URL('/graphiql', gateway.url).href)).body.toString();
    const script = /src="([^"]+\.js)"/.exec(page)?.[1] ?? '';
    const { headers, body } = await raw(new URL(script, new URL('/graphiql', gateway.url)).href, {
      headers: { 'accept-encoding': 'br' },
    });
    expect(headers['content-encoding']).toBe('br');
    expect(brotliDecompressSync(body).length).toBeGreaterThan(body.length);
  });

  it('can be disabled in favor of the proxy', async () => {
    const other = await startGateway({ COMPRESSION: 'false' });
    const { headers } = await raw(other.url, {
      method: 'POST',
      headers: { ...json, authorization: `Bearer ${await other.tokenOf('admin')}`, 'accept-encoding': 'br' },
      body: bodyOf(EMPLOYEES),
    });
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
    ['a response', '/graphql?query={__typename}', 200],
    ['a rejection', '/graphql', 400],
    ['an unknown path', '/nothing', 404],
    ['a malformed path', '/%zz', 400],
    ['health', '/livez', 200],
  ])('are on %s', async (_what, path, status) => {
    const reply = await raw(new URL(path, gateway.url).href, {
      headers: { 'apollo-require-preflight': 'true', accept: 'application/json' },
    });
    expect(reply.status).toBe(status);
    expect(reply.headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'x-frame-options': 'DENY',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'cross-origin-resource-policy': 'same-origin',
    });
    expect(reply.headers['x-powered-by']).toBeUndefined();
    expect(reply.headers['strict-transport-security']).toBeUndefined();
  });

  it('allow the resources of HTML pages', async () => {
    const graphiql = await raw(new URL('/graphiql', gateway.url).href);
    expect(graphiql.headers['content-security-policy']).toContain("script-src 'self'");
  });
});

describe('HTTPS', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway({
      TRUST_PROXY: '1',
      HTTPS_REDIRECT: 'true',
      CORS_ORIGINS: 'https://app.example.com',
      ALLOWED_HOSTS: '*',
    });
  });
  afterAll(() => gateway.close());

  const secure = { 'x-forwarded-proto': 'https', host: 'api.example.com' };
  const plain = { 'x-forwarded-proto': 'http', host: 'api.example.com' };

  it('is the redirect target of a read', async () => {
    const { status, headers } = await raw(`${gateway.url}?query={__typename}`, { headers: plain });
    expect({ status, location: headers.location }).toEqual({
      status: 308,
      location: 'https://api.example.com/graphql?query={__typename}',
    });
    expect(headers['cache-control']).toBe('no-store');
    expect((await raw(new URL('/graphiql', gateway.url).href, { headers: plain })).headers.location).toBe(
      'https://api.example.com/graphiql',
    );
  });

  it('is required for a write, which is otherwise rejected and not executed', async () => {
    const body = bodyOf(
      'mutation { register(input: { email: "open@example.org", password: "correct horse battery" }) { accessToken } }',
    );
    const { status, body: reply } = await raw(gateway.url, { method: 'POST', headers: { ...json, ...plain }, body });
    expect(status).toBe(403);
    expect(reply.toString()).toContain('HTTPS_REQUIRED');
    expect(
      await gateway.db.selectFrom('user_account').select('id').where('email', '=', 'open@example.org').execute(),
    ).toEqual([]);
    expect((await raw(gateway.url, { method: 'POST', headers: { ...json, ...secure }, body })).status).toBe(200);
  });

  it('is enforced by Strict-Transport-Security', async () => {
    const { headers } = await raw(gateway.url, {
      method: 'POST',
      headers: { ...json, ...secure },
      body: bodyOf('{ __typename }'),
    });
    expect(headers['strict-transport-security']).toBe('max-age=31536000');
  });

  it('is not required of probes, which bypass the proxy', async () => {
    for (const path of ['/livez', '/readyz', '/metrics'])
      expect((await raw(new URL(path, gateway.url).href)).status).toBe(200);
  });

  it.each(['evil.example', 'api.example.com/evil', 'a b', 'user@evil.example', ''])(
    'never redirects to the forwarded host "%s" unless hosts are configured',
    async (host) => {
      for (const forged of [{ 'x-forwarded-host': host }, { forwarded: `host="${host}";proto=http` }]) {
        const { status, headers } = await raw(gateway.url, { headers: { ...plain, ...forged } });
        expect({ status, location: headers.location }).toEqual({
          status: 308,
          location: 'https://api.example.com/graphql',
        });
      }
    },
  );

  it('is at the forwarded host if that is configured', async () => {
    const configured = await startGateway({
      TRUST_PROXY: '1',
      HTTPS_REDIRECT: 'true',
      ALLOWED_HOSTS: 'internal,api.example.com',
    });
    const locate = async (host: string): Promise<unknown[]> => {
      const headers = { host: 'internal:4000', 'x-forwarded-proto': 'http', 'x-forwarded-host': host };
      const response = await raw(configured.url, { headers });
      return [response.status, response.headers.location];
    };
    expect(await locate('api.example.com')).toEqual([308, 'https://api.example.com/graphql']);
    for (const host of ['evil.example', 'api.example.com/evil', 'a b', 'user@api.example.com'])
      expect(await locate(host)).toEqual([421, undefined]);
    await configured.close();
  });

  it.each([
    [{ host: 'API.example.com:80' }, 'https://api.example.com/graphql'],
    [{ host: 'api.example.com:8080' }, 'https://api.example.com:8080/graphql'],
  ])('redirects to the host that the client sent: %o', async (headers, location) => {
    const response = await raw(gateway.url, { headers: { 'x-forwarded-proto': 'http', ...headers } });
    expect([response.status, response.headers.location]).toEqual([308, location]);
  });

  it('is reported by Forwarded', async () => {
    const status = async (forwarded: string): Promise<number> =>
      (await raw(`${gateway.url}?query={__typename}`, { headers: { forwarded, 'x-api-key': 'axk_none' } })).status;
    expect(await status('for=203.0.113.7;proto=https')).toBe(200);
    expect(await status('proto=https, for=203.0.113.7;proto=http')).toBe(308);
  });

  it('is required for WebSockets', async () => {
    expect(await opens(gateway, { 'x-forwarded-proto': 'http' })).toBe(false);
    expect(await opens(gateway, {})).toBe(false);
    expect(await opens(gateway, { 'x-forwarded-proto': 'https' })).toBe(true);
    expect(await opens(gateway, { forwarded: 'proto=https' })).toBe(true);
    expect(await opens(gateway, { forwarded: 'proto=https', 'x-forwarded-proto': 'http' })).toBe(false);
  });

  it('is not believed from an untrusted sender', async () => {
    const open = await startGateway({ ALLOWED_HOSTS: '*' });
    const { status, headers } = await raw(open.url, {
      method: 'POST',
      headers: { ...json, ...secure, 'x-forwarded-host': 'evil.example' },
      body: bodyOf('{ __typename }'),
    });
    expect({ status, hsts: headers['strict-transport-security'] }).toEqual({ status: 200, hsts: undefined });
    await open.close();
  });

  it('requires a trusted proxy', () => {
    expect(() => readConfig({ HTTPS_REDIRECT: 'true' })).toThrow(ConfigError);
    expect(() => readConfig({ HTTPS_REDIRECT: 'true' })).toThrow(
      /HTTPS_REDIRECT needs a trusted proxy .*; set TRUST_PROXY/,
    );
  });
});

describe('the list of origins', () => {
  it.each([
    '*',
    'null',
    'app.example.com',
    'https://app.example.com/',
    'https://app.example.com/path',
    'https://*.example.com',
    'https://app.example.com:443',
  ])('rejects "%s"', (origin) => {
    expect(() => readConfig({ CORS_ORIGINS: `https://app.example.com, ${origin}` })).toThrow(
      /CORS_ORIGINS must be origins such as https:\/\/app\.example\.com/,
    );
  });

  it('exposes response headers to allowed origins', async () => {
    const gateway = await startGateway({ CORS_ORIGINS: 'https://app.example.com' });
    const { headers } = await raw(gateway.url, {
      method: 'POST',
      headers: { ...json, origin: 'https://app.example.com' },
      body: bodyOf('{ __typename }'),
    });
    expect(headers['access-control-allow-origin']).toBe('https://app.example.com');
    for (const name of [
      'x-ratelimit-limit',
      'x-ratelimit-remaining',
      'x-ratelimit-reset',
      'retry-after',
      'x-request-id',
    ])
      expect(headers['access-control-expose-headers']).toContain(name);
    await gateway.close();
  });
});

describe('a client behind a proxy', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway({
      TRUST_PROXY: '1',
      RATE_LIMIT_PER_ADDRESS: '3',
      RATE_LIMIT_WINDOW_SECONDS: '3600',
      MAX_LOGINS_PER_ADDRESS: '2',
      CORS_ORIGINS: 'https://app.example.com',
      ALLOWED_HOSTS: '*',
    });
  });
  afterAll(() => gateway.close());

  const forwardedFor = (...forms: string[]) => forms.map((form) => ({ 'x-forwarded-for': form }));
  const forwarded = (...forms: string[]) => forms.map((form) => ({ forwarded: form }));

  const requestFrom = async (headers: Record<string, string>): Promise<number> =>
    (await raw(gateway.url, { method: 'POST', headers: { ...json, ...headers }, body: bodyOf('{ __typename }') }))
      .status;

  /** The result of an anonymous `connection_init`: 4403 once it is counted, 1013 over the limit. */
  const connectFrom = (headers: Record<string, string>): Promise<string | number> =>
    new Promise((resolve) => {
      const socket = new WebSocket(socketUrl(gateway.url), 'graphql-transport-ws', { headers });
      socket.once('open', () => socket.send('{"type":"connection_init"}'));
      socket.once('message', (data: Buffer) => {
        resolve((JSON.parse(data.toString()) as { type: string }).type);
        socket.close();
      });
      socket.once('close', resolve);
    });

  it.each([
    ['ports', forwardedFor('203.0.113.8:50001', '203.0.113.8:50002', '203.0.113.8', '203.0.113.8:50004')],
    ['IPv6 ports', forwardedFor('[2001:db8:1::1]:1', '2001:db8:1::2', '[2001:db8:1::3]', '[2001:DB8:1::1]:4')],
    ['quotes', forwardedFor('"[2001:db8:2::1]:4711"', '"2001:db8:2::1"', '2001:db8:2::1', '"[2001:db8:2::1]"')],
    ['mapped IPv4', forwardedFor('::ffff:203.0.113.9', '203.0.113.9', '[::ffff:cb00:7109]:80', '203.0.113.9')],
    [
      'Forwarded',
      forwarded('for="203.0.113.10:1"', 'For=203.0.113.10', 'for=_x,for=203.0.113.10;proto=http', 'for=203.0.113.10'),
    ],
    [
      'what is no address, as the peer',
      [...forwardedFor('unknown', '203.0.113.079'), ...forwarded('for=_hidden', 'for="_2"')],
    ],
  ])(
    'is one address over HTTP and WebSocket in each form: %s',
    async (_forms, [one = {}, two = {}, three = {}, four = {}]) => {
      expect([await requestFrom(one), await requestFrom(two)]).toEqual([200, 200]);
      expect(await connectFrom(three)).toBe(4403);
      expect([await requestFrom(four), await connectFrom(one)]).toEqual([429, 1013]);
    },
  );

  it('cannot evade the limit of sign-ins by ports or by a header that its proxy does not set', async () => {
    const attempt = async (headers: Record<string, string>): Promise<string[]> =>
      codesOf(
        await gateway.execute(
          { token: await gateway.tokenOf('user') },
          'mutation { login(input: { email: "nobody@example.com", password: "wrong password" }) { accessToken } }',
          {},
          headers,
        ),
      );
    const codes: string[][] = [];
    for (let port = 1; port <= 3; port += 1) codes.push(await attempt({ 'x-forwarded-for': `198.51.100.8:${port}` }));
    expect(codes).toEqual([['UNAUTHENTICATED'], ['UNAUTHENTICATED'], ['TOO_MANY_REQUESTS']]);
    codes.length = 0;
    for (let last = 1; last <= 4; last += 1)
      codes.push(await attempt({ 'x-forwarded-for': '198.51.100.9', forwarded: `for=192.0.2.${last}` }));
    expect(codes.slice(2)).toEqual([['TOO_MANY_REQUESTS'], ['TOO_MANY_REQUESTS']]);
  });

  let address = 0;
  it.each([
    ['the host as the browser sees it', { host: 'gw.example.com', origin: 'https://gw.example.com' }],
    [
      'a rewritten host',
      { host: 'internal:4000', 'x-forwarded-host': 'gw.example.com', origin: 'https://gw.example.com' },
    ],
    [
      'a host in Forwarded',
      { host: 'internal:4000', forwarded: 'host=gw.example.com', origin: 'https://gw.example.com' },
    ],
    ['the default port', { host: 'gw.example.com:443', origin: 'https://gw.example.com' }],
    ['capitals', { host: 'GW.example.com', origin: 'https://gw.example.com' }],
    ['an allowed origin', { host: 'gw.example.com', origin: 'https://app.example.com' }],
    ['no origin', { host: 'internal:4000' }],
  ])('opens a WebSocket from its own pages: %s', async (_what, headers) => {
    // Each from another address: upgrades are limited.
    address += 1;
    expect(await opens(gateway, { 'x-forwarded-for': `203.0.113.${address}`, ...headers })).toBe(true);
  });

  it.each([
    ['another host', { host: 'gw.example.com', origin: 'https://evil.example' }],
    [
      'another forwarded host',
      { host: 'gw.example.com', 'x-forwarded-host': 'a.example', origin: 'https://gw.example.com' },
    ],
    ['another port', { host: 'gw.example.com:8443', origin: 'https://gw.example.com' }],
    ['an opaque origin', { host: 'gw.example.com', origin: 'null' }],
    ['an invalid origin', { host: 'gw.example.com', origin: 'gw.example.com' }],
    ['an invalid host', { host: 'gw.example.com/x', origin: 'https://gw.example.com' }],
  ])('opens no WebSocket from other pages: %s', async (_what, headers) => {
    expect(await opens(gateway, headers)).toBe(false);
  });

  it('is not believed about its host without a trusted proxy', async () => {
    const open = await startGateway();
    const headers = { 'x-forwarded-host': 'gw.example.com', forwarded: 'host=gw.example.com' };
    expect(await opens(open, { ...headers, origin: 'https://gw.example.com' })).toBe(false);
    expect(await opens(open, { ...headers, origin: new URL(open.url).origin })).toBe(true);
    await open.close();
  });
});

describe('the Host header', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway({ ALLOWED_HOSTS: '*' });
  });
  afterAll(() => gateway.close());

  /** The status line of the response to these lines. */
  async function statusOf(...lines: string[]): Promise<string> {
    const { hostname, port } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    const [data] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    return data.toString().split('\r\n', 1)[0] ?? '';
  }
  const upgrade = [
    'upgrade: websocket',
    'connection: Upgrade',
    'sec-websocket-version: 13',
    'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
  ];

  it.each([
    ['none', []],
    ['two', ['host: a', 'host: b']],
    ['two equal ones', ['host: a', 'Host: a']],
    ['a list', ['host: a, b']],
    ['a path', ['host: a/b']],
    ['a user', ['host: user@a']],
  ])('is rejected with 400 for %s, over HTTP and WebSocket', async (_what, hosts) => {
    expect(await statusOf('GET /livez HTTP/1.1', ...hosts)).toBe('HTTP/1.1 400 Bad Request');
    expect(await statusOf('GET /graphql HTTP/1.1', ...hosts, ...upgrade)).toBe('HTTP/1.1 400 Bad Request');
  });

  it('may name any host once, if ALLOWED_HOSTS is *', async () => {
    expect(await statusOf('GET /livez HTTP/1.1', 'host: any_host.example:1')).toBe('HTTP/1.1 200 OK');
    expect(await statusOf('GET /graphql HTTP/1.1', 'host: [::1]:1', ...upgrade)).toBe(
      'HTTP/1.1 101 Switching Protocols',
    );
  });
});

describe('a page whose name resolves to this machine', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway({ TRUST_PROXY: '1', ALLOWED_HOSTS: 'dev.example.com' });
  });
  afterAll(() => gateway.close());

  const register = bodyOf(
    'mutation { register(input: { email: "rebound@example.org", password: "correct horse battery" }) { accessToken } }',
  );
  const accounts = () => gateway.db.selectFrom('user_account').select('id').orderBy('id').execute();

  it.each([
    { host: 'evil.example' },
    { host: 'evil.example:4000', origin: 'http://evil.example:4000' },
    { host: 'localhost.evil.example' },
    // The page sets these itself.
    { host: 'evil.example', 'x-forwarded-host': 'localhost' },
    { host: 'localhost', 'x-forwarded-host': 'evil.example' },
    { host: 'localhost', forwarded: 'host=evil.example' },
  ])('is rejected with 421 on every path and changes nothing: %o', async (headers) => {
    const before = await accounts();
    for (const path of ['/graphql', '/graphiql', '/', '/metrics', '/livez', '/nothing']) {
      const { status, body } = await raw(new URL(path, gateway.url).href, {
        method: path === '/graphql' ? 'POST' : 'GET',
        headers: { ...json, ...headers },
        ...(path === '/graphql' ? { body: register } : {}),
      });
      expect(status).toBe(421);
      expect(JSON.parse(body.toString())).toMatchObject({
        errors: [
          { message: expect.stringContaining('add it to ALLOWED_HOSTS'), extensions: { code: 'HOST_NOT_ALLOWED' } },
        ],
      });
    }
    expect(await accounts()).toEqual(before);
  });

  it('opens no WebSocket, and gets the same error', async () => {
    const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' };
    const key = { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' };
    for (const host of ['evil.example', 'evil.example:4000', 'localhost.evil.example']) {
      const { status, body } = await raw(gateway.url, {
        headers: { ...upgrade, ...key, host, origin: `http://${host}` },
      });
      expect({ status, text: body.toString() }).toEqual({
        status: 421,
        text: expect.stringContaining('add it to ALLOWED_HOSTS'),
      });
    }
    expect(await opens(gateway, { host: 'dev.example.com', origin: 'http://dev.example.com' })).toBe(true);
  });

  it('is not one that is served: loopback names and configured ones', async () => {
    for (const host of ['localhost:4000', '127.0.0.1', '[::1]:4000', 'app.localhost', 'dev.example.com'])
      expect((await raw(new URL('/livez', gateway.url).href, { headers: { host } })).status).toBe(200);
  });
});
