import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { buildClientSchema, getIntrospectionQuery, type IntrospectionQuery } from 'graphql';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { generalExamples, modelExamples, type Example, type ExampleModel } from '../../ide/examples.js';
import { modelsQuery } from '../../ide/operations.js';
import { addGraphiqlRoutes } from '../../src/http/graphiql.js';
import { Refusals } from '../../src/graphql/refusals.js';
import { RequestStatistics } from '../../src/http/request-statistics.js';
import { createHttpServer } from '../../src/http/server.js';
import { createLogger } from '../../src/shared/logger.js';
import { startGateway, type TestGateway } from '../kit/gateway.js';
import { buildIde, projectDir } from '../kit/process.js';

const sandbox = 'https://studio.apollographql.com';
const secret = 'vB7pXq2RtYw9ZkLm4NcHsJ8dFgT6aEuQ1o';

let gateway: TestGateway;
let production: TestGateway;
beforeAll(async () => {
  buildIde();
  [gateway, production] = await Promise.all([startGateway(), startGateway({ NODE_ENV: 'production', DEMO_DATA: 'true', JWT_SECRET: secret })]);
}, 60_000);
afterAll(() => Promise.all([gateway.close(), production.close()]));

const get = (address: string, headers: Record<string, string> = {}, of: TestGateway = gateway): Promise<Response> => fetch(new URL(address, of.url), { headers, redirect: 'manual' });

/** The files that the page names, by their addresses. */
async function namedFiles(): Promise<string[]> {
  const page = await (await get('/graphiql')).text();
  return [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address = '']) => `/${address}`);
}

describe('the page of GraphiQL', () => {
  it('is asked for anew each time, and lets nothing in from elsewhere', async () => {
    const { status, headers } = await get('/graphiql');
    expect([status, headers.get('content-type'), headers.get('cache-control')]).toEqual([200, 'text/html; charset=utf-8', 'no-cache']);
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).not.toMatch(/https?:|unsafe-eval|blob:/);
  });

  it('has no script in itself, and only files of its own', async () => {
    const page = await (await get('/graphiql')).text();
    expect([...page.matchAll(/<script[^>]*>([^<]*)/g)].map(([, text]) => text)).toEqual(['']);
    expect(await namedFiles()).toEqual([
      expect.stringMatching(/^\/graphiql\/icon-\w+\.svg$/),
      expect.stringMatching(/^\/graphiql\/main-\w+\.css$/),
      expect.stringMatching(/^\/graphiql\/main-\w+\.js$/),
    ]);
  });

  it('is found with a slash behind it, too', async () => {
    const { status, headers } = await get('/graphiql/');
    expect([status, headers.get('location')]).toEqual([308, '../graphiql']);
  });

  it('offers the Sandbox only where that may call', async () => {
    expect(await (await get('/graphiql')).text()).toContain('data-sandbox="true"');
    const closed = await startGateway({ CORS_ORIGINS: 'https://app.example.com' });
    expect(await (await get('/graphiql', {}, closed)).text()).toContain('data-sandbox="false"');
    await closed.close();
  });

  it('is not there in production', async () => {
    for (const address of ['/graphiql', '/graphiql/', ...(await namedFiles())]) {
      const response = await get(address, {}, production);
      expect(response.status).toBe(404);
      expect(await response.text()).toContain('GraphQL is at /graphql.');
    }
  });

  it('is there in production where that was asked for', async () => {
    const open = await startGateway({ NODE_ENV: 'production', DEMO_DATA: 'true', JWT_SECRET: secret, GRAPHIQL: 'true' });
    const response = await get('/graphiql', {}, open);
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('data-sandbox="false"');
    await open.close();
  });

  it('says what to do where it was not built', async () => {
    const server = createHttpServer({ maxBodyBytes: 1024, trustedProxies: 0, corsOrigins: [], hasGraphiql: true, requests: new RequestStatistics(), refusals: new Refusals(), log: createLogger('silent') });
    addGraphiqlRoutes(server, { files: null, isSandboxAllowed: false });
    const response = await server.inject('/graphiql');
    expect(response.statusCode).toBe(503);
    expect(response.json()).toMatchObject({ errors: [{ message: 'GraphiQL is not built here; run npm run build and start again.', extensions: { code: 'SERVICE_UNAVAILABLE' } }] });
  });
});

describe('a file of GraphiQL', () => {
  it('may be kept for ever, since its name changes with it', async () => {
    for (const address of await namedFiles()) {
      const { status, headers } = await get(address);
      expect([status, headers.get('cache-control')]).toEqual([200, 'public, max-age=31536000, immutable']);
      expect(headers.get('content-type')).toMatch(/^(text\/javascript|text\/css|image\/svg\+xml)/);
    }
  });

  it('comes compressed as the caller can read it', async () => {
    const [, , script = ''] = await namedFiles();
    const { contents } = await bytesOf(script, 'identity');
    const brotli = await bytesOf(script, 'gzip, deflate, br');
    const gzip = await bytesOf(script, 'br;q=0, gzip');
    expect([brotli.encoding, gzip.encoding]).toEqual(['br', 'gzip']);
    expect(brotli.contents.equals(contents)).toBe(true);
    expect(gzip.contents.equals(contents)).toBe(true);
    expect(brotli.length).toBeLessThan(contents.length / 2);
  });

  it('is one of a fixed list: no other path is looked for', async () => {
    for (const address of ['/graphiql/index.html', '/graphiql/built-from', '/graphiql/..%2f..%2fpackage.json', '/graphiql/%2e%2e/%2e%2e/package.json', '/graphiql/main.js']) {
      expect((await get(address)).status).toBe(404);
    }
  });

  /** How long it is on the wire, and what it is once it is unpacked. */
  async function bytesOf(address: string, accepted: string): Promise<{ encoding: string | null; length: number; contents: Buffer }> {
    // Unlike fetch, this does not unpack.
    const [response] = (await once(request(new URL(address, gateway.url), { headers: { 'accept-encoding': accepted } }).end(), 'response')) as [IncomingMessage];
    const bytes = await buffer(response);
    const encoding = response.headers['content-encoding'] ?? null;
    expect(response.headers.vary).toBe('accept-encoding');
    return { encoding, length: bytes.length, contents: encoding === 'br' ? brotliDecompressSync(bytes) : encoding === 'gzip' ? gunzipSync(bytes) : bytes };
  }
});

describe('Apollo Sandbox', () => {
  it('may call in development, with the headers that it sends', async () => {
    const asked = ['authorization', 'apollographql-client-name', 'apollographql-client-version', 'apollo-require-preflight', 'content-type', 'x-api-key'];
    const { status, headers } = await fetch(gateway.url, {
      method: 'OPTIONS',
      headers: { origin: sandbox, 'access-control-request-method': 'POST', 'access-control-request-headers': asked.join(',') },
    });
    expect([status, headers.get('access-control-allow-origin')]).toEqual([204, sandbox]);
    expect((headers.get('access-control-allow-headers') ?? '').toLowerCase().split(/, */).sort()).toEqual([...asked].sort());
    expect(headers.get('access-control-allow-methods')).toContain('POST');
  });
});

describe('the examples', () => {
  it('run as they are, one for each model in the store', async () => {
    const { models, modelsOwn, all } = await examplesOf(gateway);
    expect(models.length).toBeGreaterThan(2);
    expect(modelsOwn).toHaveLength(models.length);
    expect(all).toHaveLength(models.length + 4);
    for (const example of all) await expectToRun(gateway, example);
  });

  it('include one for a model that somebody adds', async () => {
    const store = await mkdtemp(path.join(tmpdir(), 'auspex-added-'));
    await cp(path.join(projectDir, 'model-store', 'iris'), path.join(store, 'garden-flower'), { recursive: true });
    const manifest = path.join(store, 'garden-flower', 'model.yaml');
    // Another title, and another limit.
    const changed = (await readFile(manifest, 'utf8')).replace('Species of an iris', 'My flowers').replace('required: false\n    minimum: 2\n', 'required: false\n    minimum: -5\n');
    await writeFile(manifest, changed);
    const added = await startGateway({ MODEL_STORE: store });
    const { modelsOwn } = await examplesOf(added);
    expect(modelsOwn).toMatchObject([{ title: 'My flowers', query: expect.stringContaining('predictGardenFlower(') as unknown }]);
    for (const example of modelsOwn) await expectToRun(added, example);
    await added.close();
    await rm(store, { recursive: true });
  });

  async function examplesOf(of: TestGateway): Promise<{ models: ExampleModel[]; modelsOwn: Example[]; all: Example[] }> {
    const introspection = await of.ask<IntrospectionQuery>(null, getIntrospectionQuery());
    if (!introspection.data) throw new Error('the schema is not told');
    const schema = buildClientSchema(introspection.data);
    const { data } = await of.ask<{ models: ExampleModel[] }>('user', modelsQuery);
    const models = data?.models ?? [];
    const modelsOwn = modelExamples(schema, models);
    return { models, modelsOwn, all: [...modelsOwn, ...generalExamples(schema)] };
  }

  async function expectToRun(of: TestGateway, { query, variables }: Example): Promise<void> {
    const { errors, data } = await of.ask('user', query, variables === '' ? {} : (JSON.parse(variables) as Record<string, unknown>));
    expect({ query, errors }).toEqual({ query, errors: [] });
    expect(Object.values(data ?? {})).toEqual([expect.anything()]);
  }
});
