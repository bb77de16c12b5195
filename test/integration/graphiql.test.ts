import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { buildClientSchema, getIntrospectionQuery, type IntrospectionQuery } from 'graphql';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import {
  combinedExamples,
  generalExamples,
  modelExamples,
  type Example,
  type ExampleModel,
} from '../../ide/examples.js';
import { modelsQuery } from '../../ide/operations.js';
import { addGraphiqlRoutes } from '../../src/http/routes/graphiql.js';
import { RejectionCounts } from '../../src/telemetry/rejection-counts.js';
import { RequestStatistics } from '../../src/http/hooks/request-statistics.js';
import { ResponseBuffers } from '../../src/http/hooks/response-buffers.js';
import { createHttpServer } from '../../src/http/server.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { buildIde, projectDir } from '../support/process.js';

const sandbox = 'https://studio.apollographql.com';
const secret = 'vB7pXq2RtYw9ZkLm4NcHsJ8dFgT6aEuQ1o';

let gateway: TestGateway;
let production: TestGateway;
beforeAll(async () => {
  buildIde();
  [gateway, production] = await Promise.all([
    startGateway(),
    startGateway({ NODE_ENV: 'production', DEMO_DATA: 'true', JWT_SECRET: secret }),
  ]);
}, 60_000);
afterAll(() => Promise.all([gateway.close(), production.close()]));

const get = (address: string, headers: Record<string, string> = {}, of: TestGateway = gateway): Promise<Response> =>
  fetch(new URL(address, of.url), { headers, redirect: 'manual' });

/** Returns the paths of the files that the page loads. */
async function pageFiles(): Promise<string[]> {
  const page = await (await get('/graphiql')).text();
  return [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address = '']) => `/${address}`);
}

describe('the GraphiQL page', () => {
  it('is revalidated on each load and allows only resources of its origin', async () => {
    const { status, headers } = await get('/graphiql');
    expect([status, headers.get('content-type'), headers.get('cache-control')]).toEqual([
      200,
      'text/html; charset=utf-8',
      'no-cache',
    ]);
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).not.toMatch(/https?:|unsafe-eval|blob:/);
  });

  it('has no inline script and refers only to its built files', async () => {
    const page = await (await get('/graphiql')).text();
    expect([...page.matchAll(/<script[^>]*>([^<]*)/g)].map(([, text]) => text)).toEqual(['']);
    expect(await pageFiles()).toEqual([
      expect.stringMatching(/^\/graphiql\/icon-\w+\.svg$/),
      expect.stringMatching(/^\/graphiql\/main-\w+\.css$/),
      expect.stringMatching(/^\/graphiql\/main-\w+\.js$/),
    ]);
  });

  it('redirects from the path with a trailing slash', async () => {
    const { status, headers } = await get('/graphiql/');
    expect([status, headers.get('location')]).toEqual([308, '../graphiql']);
  });

  it('links to Apollo Sandbox only if CORS allows it', async () => {
    expect(await (await get('/graphiql')).text()).toContain('data-sandbox="true"');
    const closed = await startGateway({ CORS_ORIGINS: 'https://app.example.com' });
    expect(await (await get('/graphiql', {}, closed)).text()).toContain('data-sandbox="false"');
    await closed.close();
  });

  it('returns 404 in production', async () => {
    for (const address of ['/graphiql', '/graphiql/', ...(await pageFiles())]) {
      const response = await get(address, {}, production);
      expect(response.status).toBe(404);
      expect(await response.text()).toContain('GraphQL is at /graphql.');
    }
  });

  it('is served in production if GRAPHIQL is set', async () => {
    const open = await startGateway({
      NODE_ENV: 'production',
      DEMO_DATA: 'true',
      JWT_SECRET: secret,
      GRAPHIQL: 'true',
    });
    const response = await get('/graphiql', {}, open);
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('data-sandbox="false"');
    await open.close();
  });

  it('returns 503 with the remedy if it was not built', async () => {
    const server = createHttpServer({
      hosts: null,
      maxBodyBytes: 1024,
      trustedProxies: 0,
      corsOrigins: [],
      isCompressing: true,
      redirectsToHttps: false,
      hasGraphiql: true,
      connections: null,
      lingerSeconds: 0,
      requests: new RequestStatistics(),
      buffers: new ResponseBuffers({ maxBytes: 1_000_000 }, createLogger('silent')),
      rejections: new RejectionCounts(),
      log: createLogger('silent'),
    });
    addGraphiqlRoutes(server, {
      files: null,
      isSandboxAllowed: false,
      demo: () => Promise.resolve(null),
      provider: null,
    });
    const response = await server.inject('/graphiql');
    expect(response.statusCode).toBe(503);
    expect(response.json()).toMatchObject({
      errors: [
        {
          message: 'GraphiQL is not built; run npm run build and restart.',
          extensions: { code: 'SERVICE_UNAVAILABLE' },
        },
      ],
    });
  });
});

describe('a GraphiQL file', () => {
  it('is immutable, because its name contains a hash', async () => {
    for (const address of await pageFiles()) {
      const { status, headers } = await get(address);
      expect([status, headers.get('cache-control')]).toEqual([200, 'public, max-age=31536000, immutable']);
      expect(headers.get('content-type')).toMatch(/^(text\/javascript|text\/css|image\/svg\+xml)/);
    }
  });

  it('is sent in an encoding that the client accepts', async () => {
    const [, , script = ''] = await pageFiles();
    const { contents } = await download(script, 'identity');
    const brotli = await download(script, 'gzip, deflate, br');
    const gzip = await download(script, 'br;q=0, gzip');
    expect([brotli.encoding, gzip.encoding]).toEqual(['br', 'gzip']);
    expect(brotli.contents.equals(contents)).toBe(true);
    expect(gzip.contents.equals(contents)).toBe(true);
    expect(brotli.length).toBeLessThan(contents.length / 2);
  });

  it('is one of a fixed list; other paths return 404', async () => {
    for (const address of [
      '/graphiql/index.html',
      '/graphiql/built-from',
      '/graphiql/..%2f..%2fpackage.json',
      '/graphiql/%2e%2e/%2e%2e/package.json',
      '/graphiql/main.js',
    ]) {
      expect((await get(address)).status).toBe(404);
    }
  });

  /** Fetches a file without automatic decompression; returns its encoding, transfer size and decoded contents. */
  async function download(
    address: string,
    accepted: string,
  ): Promise<{ encoding: string | null; length: number; contents: Buffer }> {
    // Unlike fetch, this does not decompress.
    const [response] = (await once(
      request(new URL(address, gateway.url), { headers: { 'accept-encoding': accepted } }).end(),
      'response',
    )) as [IncomingMessage];
    const bytes = await buffer(response);
    const encoding = response.headers['content-encoding'] ?? null;
    expect(response.headers.vary).toBe('accept-encoding');
    return {
      encoding,
      length: bytes.length,
      contents: encoding === 'br' ? brotliDecompressSync(bytes) : encoding === 'gzip' ? gunzipSync(bytes) : bytes,
    };
  }
});

describe('Apollo Sandbox', () => {
  it('passes the preflight in development with its headers', async () => {
    const requestHeaders = [
      'authorization',
      'apollographql-client-name',
      'apollographql-client-version',
      'apollo-require-preflight',
      'content-type',
      'x-api-key',
    ];
    const { status, headers } = await fetch(gateway.url, {
      method: 'OPTIONS',
      headers: {
        origin: sandbox,
        'access-control-request-method': 'POST',
        'access-control-request-headers': requestHeaders.join(','),
      },
    });
    expect([status, headers.get('access-control-allow-origin')]).toEqual([204, sandbox]);
    expect((headers.get('access-control-allow-headers') ?? '').toLowerCase().split(/, */).sort()).toEqual(
      [...requestHeaders].sort(),
    );
    expect(headers.get('access-control-allow-methods')).toContain('POST');
  });
});

describe('the examples', () => {
  it('run unchanged, one per model in the repository', async () => {
    const { models, modelsOwn, all } = await examplesOf(gateway);
    expect(models.length).toBeGreaterThan(2);
    expect(modelsOwn).toHaveLength(models.length);
    expect(all).toHaveLength(models.length + 6);
    for (const example of all) await expectToRun(gateway, example);
  });

  it('show the golden row of a model, whose output is known', async () => {
    const folder = path.join(projectDir, 'model-store', 'car-price', '1');
    const golden = (await readFile(path.join(folder, 'golden.jsonl'), 'utf8'))
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { input: object; output: { selling_price: number } });
    const { models, modelsOwn } = await examplesOf(gateway);
    const input = models.find(({ name }) => name === 'car-price')?.current.exampleInput;
    const row = golden.find((one) => JSON.stringify(one.input) === JSON.stringify(input));
    const { data } = await gateway.execute<{ predictCarPrice: { sellingPrice: number }[] }>(
      'user',
      modelsOwn.find(({ query }) => query.includes('predictCarPrice'))?.query ?? '',
    );
    const price = data?.predictCarPrice[0]?.sellingPrice ?? 0;
    expect(Math.abs(price / (row?.output.selling_price ?? 1) - 1)).toBeLessThan(0.001);
  });

  it('cannot be read without signing in', async () => {
    const { data, errors } = await gateway.execute(null, modelsQuery);
    expect(data ?? null).toBeNull();
    expect(errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }]);
  });

  it('include one for an added model', async () => {
    const store = await mkdtemp(path.join(tmpdir(), 'auspex-added-'));
    await cp(path.join(projectDir, 'model-store', 'iris'), path.join(store, 'garden-flower'), { recursive: true });
    const manifest = path.join(store, 'garden-flower', 'model.yaml');
    // Another title, and another limit.
    const changed = (await readFile(manifest, 'utf8'))
      .replace('Species of an iris', 'My flowers')
      .replace('required: false\n    minimum: 2\n', 'required: false\n    minimum: -5\n');
    await writeFile(manifest, changed);
    const added = await startGateway({ MODEL_STORE: store });
    const { modelsOwn } = await examplesOf(added);
    expect(modelsOwn).toMatchObject([
      { title: 'My flowers', query: expect.stringContaining('predictGardenFlower(') as unknown },
    ]);
    for (const example of modelsOwn) await expectToRun(added, example);
    await added.close();
    await rm(store, { recursive: true });
  });

  async function examplesOf(
    of: TestGateway,
  ): Promise<{ models: ExampleModel[]; modelsOwn: Example[]; all: Example[] }> {
    const introspection = await of.execute<IntrospectionQuery>(null, getIntrospectionQuery());
    if (!introspection.data) throw new Error('introspection returned no schema');
    const schema = buildClientSchema(introspection.data);
    const { data } = await of.execute<{ models: ExampleModel[] }>('user', modelsQuery);
    const models = data?.models ?? [];
    const modelsOwn = modelExamples(schema, models);
    return {
      models,
      modelsOwn,
      all: [...combinedExamples(schema, models), ...modelsOwn, ...generalExamples(schema)],
    };
  }

  async function expectToRun(of: TestGateway, { query, variables }: Example): Promise<void> {
    const { errors, data } = await of.execute(
      'user',
      query,
      variables === '' ? {} : (JSON.parse(variables) as Record<string, unknown>),
    );
    expect({ query, errors }).toEqual({ query, errors: [] });
    const fields = Object.values(data ?? {});
    expect(fields).not.toEqual([]);
    expect(fields).not.toContain(null);
  }
});
