import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import WebSocket from 'ws';
import { startCollector, type Collector, type ExportedSpan } from '../support/collector.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { demoDatabase, type AnyData } from '../support/gateway.js';
import { makeIrisStore, type IrisStore } from '../support/iris-store.js';
import { buildProgram, projectDir, reachableFolder, startProgram, type TestProcess } from '../support/process.js';
import { freePort, reasonToSkipRedis, startRedis, type TestRedis } from '../support/redis.js';
import { listen, openEvents, socketClient } from '../support/streams.js';
import { waitUntil } from '../support/wait-until.js';

const reasonToSkip = reasonToSkipRedis();
const withRedis = reasonToSkip === null ? it : it.skip;
const why = reasonToSkip === null ? '' : ` (skipped: ${reasonToSkip})`;

const password = 'auspex-demo-2026';
const rootSpan = 'POST /graphql';

let folder: string;
let store: IrisStore;
const databases: TestDatabase[] = [];
const processes: TestProcess[] = [];
const collectors: Collector[] = [];
const redises: TestRedis[] = [];

beforeAll(async () => {
  buildProgram();
  folder = await reachableFolder();
  // Rows within this window are batched.
  store = await makeIrisStore({ versions: [1], manifest: 'current: 1\nserving:\n  window_ms: 1000' });
}, 60_000);
afterAll(async () => {
  for (const started of processes) started.signal('SIGTERM');
  await Promise.all(processes.map((started) => started.ended));
  await Promise.all([...collectors, ...redises].map((server) => server.stop()));
  await Promise.all(databases.map((database) => database.drop()));
  await store.remove();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

async function collector(): Promise<Collector> {
  const started = await startCollector();
  collectors.push(started);
  return started;
}

async function start(env: Record<string, string>, nodeArgs: string[] = []): Promise<TestProcess> {
  const database = await createTestDatabase(demoDatabase);
  databases.push(database);
  const started = startProgram('main.js', {
    env: { HOST: '127.0.0.1', PORT: '0', DATA_DIR: folder, DATABASE_URL: database.url, MODEL_STORE: store.dir, ...env },
    cwd: folder,
    nodeArgs,
  });
  processes.push(started);
  return started;
}

/** Creates a traceparent header as a caller sends it, sampled by default. */
const traceparent = (isSampled = true): { traceId: string; parentId: string; header: string } => {
  const [traceId, parentId] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')];
  return { traceId, parentId, header: `00-${traceId}-${parentId}-${isSampled ? '01' : '00'}` };
};

async function execute(
  url: string,
  query: string,
  { token, variables = {}, trace }: { token?: string; variables?: object; trace?: string } = {},
): Promise<AnyData> {
  const headers = {
    'content-type': 'application/json',
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(trace === undefined ? {} : { traceparent: trace }),
  };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ query, variables }) });
  return response.json();
}

async function signIn(
  url: string,
  email: string,
  trace?: string,
): Promise<{ accessToken: string; refreshToken: string }> {
  const query = 'mutation SignIn($input: LoginInput!) { login(input: $input) { accessToken refreshToken } }';
  const { data }: AnyData = await execute(url, query, {
    variables: { input: { email, password } },
    ...(trace === undefined ? {} : { trace }),
  });
  return data.login;
}

/** The only span with this name. */
function named(spans: readonly ExportedSpan[], name: string): ExportedSpan {
  const [found, ...others] = spans.filter((span) => span.name === name);
  if (!found || others.length > 0)
    throw new Error(`${name} is not there once, among ${spans.map((span) => span.name).join(', ')}`);
  return found;
}

/** A quoted module specifier of the program. */
const built = (name: string): string => JSON.stringify(pathToFileURL(path.join(projectDir, 'dist', name)).href);

/** The names from a span up to the one received from the caller. */
function pathOf(spans: readonly ExportedSpan[], span: ExportedSpan): string[] {
  const parent = spans.find(({ spanId }) => spanId === span.parentSpanId);
  return [span.name, ...(parent ? pathOf(spans, parent) : [])];
}

describe('a gateway with tracing', () => {
  let gateway: TestProcess;
  let exported: Collector;
  let url: string;
  let token: string;
  beforeAll(async () => {
    exported = await collector();
    const redis = reasonToSkip === null ? await startRedis() : null;
    if (redis) redises.push(redis);
    gateway = await start({
      ...exported.env,
      OTEL_BSP_SCHEDULE_DELAY: '100',
      LOG_LEVEL: 'info',
      ...(redis ? { REDIS_URL: redis.url } : {}),
    });
    url = await gateway.ready();
    ({ accessToken: token } = await signIn(url, 'admin@example.com'));
  }, 60_000);

  it('exports one trace of a request, from the caller’s span to the statements', async () => {
    const { traceId, parentId, header } = traceparent();
    const query =
      'query EmployeesPage { employees(first: 50) { nodes { name department { name headcount } manager { name } } } }';

    expect((await execute(url, query, { token, trace: header })).errors).toBeUndefined();

    const spans = await exported.trace(traceId, rootSpan);
    const root = named(spans, rootSpan);
    expect(root).toMatchObject({
      parentSpanId: parentId,
      kind: 2,
      attributes: {
        'http.request.method': 'POST',
        'http.route': '/graphql',
        'url.path': '/graphql',
        'http.response.status_code': 200,
      },
    });
    const operation = named(spans, 'query EmployeesPage');
    expect(operation).toMatchObject({
      parentSpanId: root.spanId,
      attributes: {
        'graphql.operation.name': 'EmployeesPage',
        'graphql.operation.type': 'query',
        'graphql.document.hash': expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    });
    expect(named(spans, 'graphql.parse').parentSpanId).toBe(operation.spanId);
    expect(named(spans, 'graphql.validate').parentSpanId).toBe(operation.spanId);
    const batch = named(spans, 'load headcountOfDepartment');
    expect(batch).toMatchObject({
      parentSpanId: operation.spanId,
      attributes: { 'auspex.loader.keys': expect.any(Number) },
    });
    const statements = spans.filter(({ attributes }) => attributes['db.system.name'] === 'postgresql');
    // One statement for the page with department and manager, and one for the headcounts.
    expect(statements.map((statement) => pathOf(spans, statement)).sort()).toEqual([
      ['SELECT employee', 'Query.employees', 'query EmployeesPage', rootSpan],
      ['SELECT employee', 'load headcountOfDepartment', 'query EmployeesPage', rootSpan],
    ]);
    // Values are parameters; the page size, which the planner has to know, is replaced.
    expect(statements.map(({ kind, attributes }) => [kind, attributes['db.query.text']])).toEqual([
      [3, expect.stringMatching(/ limit \?$/)],
      [3, expect.stringContaining('$1')],
    ]);
    // One span per operation, and none for the hundreds of fields.
    expect(spans.length).toBeLessThan(15);

    // The operation is prepared now, and its response cached: nothing is parsed.
    const again = traceparent();
    expect((await execute(url, query, { token, trace: again.header })).errors).toBeUndefined();
    const later = await exported.trace(again.traceId, rootSpan);
    expect(named(later, 'query EmployeesPage').attributes).toEqual({
      ...operation.attributes,
      'auspex.response.cached': true,
    });
    expect(later.map(({ name }) => name)).not.toContain('graphql.parse');
  });

  it('adds trace ids to every log line of a request', async () => {
    const { traceId, header } = traceparent();
    await execute(url, 'query Logged { me { __typename } }', { token, trace: header });
    const line = (): AnyData =>
      gateway
        .stdout()
        .split('\n')
        .filter((text) => text.includes(traceId))
        .map((text) => JSON.parse(text))[0];
    await waitUntil(() => line() !== undefined);
    const spans = await exported.trace(traceId, rootSpan);
    expect(spans.map(({ spanId }) => spanId)).toContain(line().span_id);
  });

  it('records only the codes of errors, and does not mark errors of the caller as failures', async () => {
    const { traceId, header } = traceparent();
    await execute(url, 'query Mistaken { employee(id: "no-such-employee-hunter2") { name } }', {
      token,
      trace: header,
    });
    const spans = await exported.trace(traceId, rootSpan);
    const operation = named(spans, 'query Mistaken');
    expect([operation.attributes['graphql.error.codes'], operation.status]).toEqual([
      [expect.stringMatching(/^[A-Z_]+$/)],
      0,
    ]);
    expect(JSON.stringify(spans)).not.toContain('hunter2');
  });

  it('traces no health check and no scrape', async () => {
    const { header } = traceparent();
    for (const route of ['/livez', '/readyz', '/metrics'])
      expect((await fetch(new URL(route, url), { headers: { traceparent: header } })).status).toBe(200);
    const { traceId: later, header: laterHeader } = traceparent();
    await execute(url, '{ __typename }', { trace: laterHeader });
    await exported.trace(later, rootSpan);
    expect(
      exported.spans().filter(({ attributes }) => /livez|readyz|metrics|select 1/i.test(JSON.stringify(attributes))),
    ).toEqual([]);
  });

  it('respects the sampling decision of the caller', async () => {
    const { traceId, header } = traceparent(false);
    const query = 'query Unsampled { employees(first: 3) { nodes { name } } }';
    expect((await execute(url, query, { token, trace: header })).data.employees.nodes).toHaveLength(3);
    const { traceId: later, header: laterHeader } = traceparent();
    await execute(url, query, { token, trace: laterHeader });
    await exported.trace(later, rootSpan);
    expect(exported.spans().filter((span) => span.traceId === traceId)).toEqual([]);
  });

  it('makes a model run a child of one request that shares it, with links to the others', async () => {
    const query = 'query Flower($inputs: [JSONObject!]!) { predict(model: "iris", inputs: $inputs) { source } }';
    const callers = [1.41, 1.42, 1.43].map((width) => ({
      ...traceparent(),
      variables: { inputs: [{ petal_length: 4.1, petal_width: width }] },
    }));

    const responses = await Promise.all(
      callers.map(({ header, variables }) => execute(url, query, { token, variables, trace: header })),
    );

    expect(responses.map(({ data }) => data.predict[0].source)).toEqual(['MODEL', 'MODEL', 'MODEL']);
    const spans = (await Promise.all(callers.map(({ traceId }) => exported.trace(traceId, rootSpan)))).flat();
    const run = named(spans, 'onnx.run iris');
    expect(run.attributes).toMatchObject({
      'auspex.model.name': 'iris',
      'auspex.model.version': 1,
      'auspex.model.rows': 3,
      'auspex.model.thread': expect.stringMatching(/^(?:event loop|worker)$/),
      'auspex.model.compute_ms': expect.any(Number),
    });
    const predicts = spans.filter(({ name }) => name === 'Query.predict');
    expect([run.parentSpanId, ...run.links.map(({ spanId }) => spanId)].sort()).toEqual(
      predicts.map(({ spanId }) => spanId).sort(),
    );
    expect(run.links.map(({ traceId }) => traceId)).not.toContain(run.traceId);
  });

  withRedis(
    `names the Redis calls of a prediction: commands and keys, and one span for a hundred rows${why}`,
    async () => {
      const { traceId, header } = traceparent();
      const inputs = Array.from({ length: 100 }, (_, index) => ({ petal_length: 2 + index / 100, petal_width: 0.77 }));
      await execute(url, 'query Many($inputs: [JSONObject!]!) { predict(model: "iris", inputs: $inputs) { source } }', {
        token,
        variables: { inputs },
        trace: header,
      });
      await exported.trace(traceId, rootSpan);
      const spans = await exported.trace(traceId, 'redis EVALSHA write');
      for (const [name, parent] of [
        ['redis EVALSHA read', 'Query.predict'],
        ['redis EVALSHA write', 'onnx.run iris'],
      ] as const) {
        const span = named(spans, name);
        expect(pathOf(spans, span)[1]).toBe(parent);
        expect(span).toMatchObject({
          kind: 3,
          attributes: {
            'db.system.name': 'redis',
            'db.operation.batch.size': 100,
            'auspex.redis.keys': expect.arrayContaining([expect.stringMatching(/^auspex:@auspex:prediction:/)]),
          },
        });
      }
    },
  );

  it('starts a new trace for each event, linked to its subscription', async () => {
    const { traceId, parentId, header } = traceparent();
    const headers = { authorization: `Bearer ${token}`, traceparent: header };
    const { received: events } = await openEvents(url, {
      headers,
      body: { query: 'subscription Watch { predictionRecorded { source } }' },
    });
    const opened = named(await exported.trace(traceId, 'subscription Watch'), 'subscription Watch');
    await execute(url, '{ predict(model: "iris", inputs: [{ petal_length: 5.05, petal_width: 1.9 }]) { source } }', {
      token,
    });
    await events.next();
    events.stop();

    await waitUntil(() => exported.spans().some(({ name }) => name === 'event Watch'));
    const event = named(exported.spans(), 'event Watch');
    expect([event.parentSpanId, event.traceId === traceId]).toEqual(['', false]);
    expect(event.links).toMatchObject([{ traceId, spanId: opened.spanId }]);
    // The request ends with its stream; the subscription is exported at once.
    expect(named(await exported.trace(traceId, rootSpan), rootSpan)).toMatchObject({ parentSpanId: parentId });
  });

  it('continues the trace of a WebSocket upgrade', async () => {
    const { traceId, parentId, header } = traceparent();
    class TracedSocket extends WebSocket {
      constructor(address: string, protocols: string[]) {
        super(address, protocols, { headers: { traceparent: header } });
      }
    }
    const client = socketClient(url, { authorization: `Bearer ${token}` }, { webSocketImpl: TracedSocket });
    const received = listen(client, 'subscription OverSocket { predictionRecorded { source } }');
    const opened = named(await exported.trace(traceId, 'subscription OverSocket'), 'subscription OverSocket');
    received.stop();
    await client.dispose();
    expect(opened).toMatchObject({
      parentSpanId: parentId,
      kind: 2,
      attributes: { 'auspex.stream.transport': 'websocket' },
    });
  });

  it('names the fields of models', async () => {
    const { traceId, header } = traceparent();
    await execute(url, '{ predictIris(inputs: [{ petalLength: 6.06, petalWidth: 2.02 }]) { species } }', {
      token,
      trace: header,
    });
    const spans = await exported.trace(traceId, rootSpan);
    expect(pathOf(spans, named(spans, 'onnx.run iris'))).toEqual([
      'onnx.run iris',
      'Query.predictIris',
      'query',
      rootSpan,
    ]);
  });

  it('exports no input and no secret: no password, hash, token, e-mail address, salary or variable', async () => {
    const { traceId, header } = traceparent();
    const { accessToken, refreshToken } = await signIn(url, 'manager@example.com', header);
    const { data: created }: AnyData = await execute(
      url,
      'mutation Key { createApiKey(name: "hidden-key") { secret } }',
      {
        token: accessToken,
        trace: header,
      },
    );
    const { data: departments }: AnyData = await execute(url, '{ departments { id } }', { token });
    const input = {
      name: "Hidden O'Name",
      email: 'hidden@example.com',
      age: 33,
      jobTitle: 'Hidden \\ title',
      jobLevel: 2,
      hiredOn: '2020-02-03',
      salary: 1_987_654_321,
      departmentId: departments.departments[0].id,
    };
    const hired: AnyData = await execute(
      url,
      'mutation Hire($input: CreateEmployeeInput!) { createEmployee(input: $input) { id } }',
      { token, variables: { input }, trace: header },
    );
    const search = {
      query: 'query Search($text: String) { employees(filter: { search: $text, minAge: 1876543219 }) { totalCount } }',
      variables: JSON.stringify({ text: 'hidden-search' }),
    };
    const got = await fetch(`${url}?${new URLSearchParams(search).toString()}`, {
      headers: { 'apollo-require-preflight': 'true', 'x-api-key': created.createApiKey.secret, traceparent: header },
    });
    expect([hired.errors, got.status]).toEqual([undefined, 200]);

    await exported.trace(traceId, 'GET /graphql');
    const spans = await exported.trace(traceId, 'INSERT employee');
    expect(named(spans, 'INSERT employee').attributes['db.query.text']).toMatch(
      /^insert into "auspex"\."employee" .*\?/s,
    );
    const all = exported.text();
    const hidden = [
      password,
      '$2b$',
      accessToken,
      refreshToken,
      created.createApiKey.secret,
      token,
      '@example.com',
      '1987654321',
      '1876543219',
      'hidden-key',
      'hidden-search',
      "O'Name",
      "O''Name",
      'Hidden',
    ];
    expect(hidden.filter((secret) => all.includes(secret))).toEqual([]);
  });

  it('names itself and its version, and exports only traces', () => {
    const { resourceSpans }: AnyData = JSON.parse(exported.text().split('\n')[0] ?? '');
    const attributes: AnyData[] = resourceSpans[0].resource.attributes;
    expect(attributes).toEqual(
      expect.arrayContaining([
        { key: 'service.name', value: { stringValue: 'auspex' } },
        { key: 'service.version', value: { stringValue: expect.stringMatching(/^\d+\.\d+\.\d+$/) } },
      ]),
    );
    expect(exported.text()).not.toMatch(/resourceMetrics|resourceLogs/);
  });
});

describe('a gateway with an unavailable collector', () => {
  it('serves requests, warns once, resumes when it is back, and flushes at shutdown', async () => {
    const exported = await collector();
    // Exports after eight spans, or at its end.
    const gateway = await start({
      ...exported.env,
      OTEL_BSP_SCHEDULE_DELAY: '600000',
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '8',
      OTEL_EXPORTER_OTLP_TIMEOUT: '200',
      LOG_LEVEL: 'warn',
    });
    const url = await gateway.ready();
    const { accessToken: token } = await signIn(url, 'user@example.com');
    const query = 'query Page { employees(first: 2) { nodes { name } } }';
    const warnings = (): string[] =>
      gateway
        .stdout()
        .split('\n')
        .filter((line) => line.includes('trace export failed'));

    await exported.stop();
    for (let time = 0; time < 60; time += 1)
      expect((await execute(url, query, { token })).data.employees.nodes).toHaveLength(2);
    await waitUntil(() => warnings().length > 0);
    for (let time = 0; time < 20; time += 1)
      expect((await execute(url, query, { token })).data.employees.nodes).toHaveLength(2);
    expect(warnings()).toHaveLength(1);

    await exported.restart();
    const known = exported.spans().length;
    await waitUntil(async () => {
      await execute(url, query, { token });
      return exported.spans().length > known;
    });

    const { traceId, header } = traceparent();
    await execute(url, query, { token, trace: header });
    gateway.signal('SIGTERM');
    expect(await gateway.ended).toBe(0);
    expect(
      named(
        exported.spans().filter((span) => span.traceId === traceId),
        'query Page',
      ).name,
    ).toBe('query Page');
  }, 60_000);

  it('shuts down in time if the collector does not respond', async () => {
    const exported = await collector();
    const gateway = await start({ ...exported.env, OTEL_BSP_SCHEDULE_DELAY: '600000', SHUTDOWN_SECONDS: '15' });
    const url = await gateway.ready();
    exported.hang();
    await execute(url, '{ __typename }');
    gateway.signal('SIGTERM');
    expect([await gateway.ended, gateway.stdout()]).toEqual([0, expect.not.stringContaining('too long')]);
  }, 60_000);
});

describe('calls to other services', () => {
  it('propagate the trace, and their query string is not exported', async () => {
    const exported = await collector();
    const received: IncomingHttpHeaders[] = [];
    const service = createServer((request, response) => {
      received.push(request.headers);
      response.end('{}');
    }).listen(0, '127.0.0.1');
    await once(service, 'listening');
    const address = `http://127.0.0.1:${(service.address() as AddressInfo).port}/rates?access_key=hunter2`;
    const program = path.join(folder, 'calling.mjs');
    await writeFile(
      program,
      `
      const { startTelemetry } = await import(${built('telemetry/sdk.js')});
      const telemetry = await startTelemetry(process.env);
      const { withEntrySpan } = await import(${built('telemetry/tracing.js')});
      await withEntrySpan('caller', () => ({}), async () => (await fetch(${JSON.stringify(address)})).text());
      await telemetry.close();`,
    );

    const started = startProgram(path.relative(path.join(projectDir, 'dist'), program), {
      env: exported.env,
      cwd: folder,
    });
    expect([await started.ended, started.stderr()]).toEqual([0, '']);
    service.close();

    const spans = exported.spans();
    const call = named(spans, 'GET');
    expect(received[0]?.traceparent).toBe(`00-${call.traceId}-${call.spanId}-01`);
    expect(call).toMatchObject({
      parentSpanId: named(spans, 'caller').spanId,
      attributes: { 'url.path': '/rates', 'http.response.status_code': 200 },
    });
    expect(exported.text()).not.toContain('hunter2');
  });
});

describe('a gateway without tracing', () => {
  /** Lists the loaded OpenTelemetry packages when the process ends. */
  const probe = (file: string): string[] => {
    const program = `
      import { writeFileSync } from 'node:fs';
      import { registerHooks } from 'node:module';
      const loaded = new Set();
      registerHooks({ load(url, context, next) { loaded.add(url); return next(url, context); } });
      process.on('exit', () => writeFileSync(${JSON.stringify(file)}, [...loaded].map((url) => /node_modules\\/((?:@opentelemetry\\/)?[^/]+)/.exec(url)?.[1]).filter((name) => /opentelemetry|import-in-the-middle/.test(name)).join('\\n')));`;
    return ['--import', `data:text/javascript,${encodeURIComponent(program)}`];
  };
  const packagesIn = async (file: string): Promise<string[]> =>
    [...new Set((await readFile(file, 'utf8')).split('\n'))].sort();

  it('loads no module of the SDK and logs no trace ids', async () => {
    const file = path.join(folder, 'off.txt');
    const gateway = await start(
      { LOG_LEVEL: 'info', OTEL_TRACES_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' },
      probe(file),
    );
    const { header } = traceparent();
    await execute(await gateway.ready(), '{ __typename }', { trace: header });
    gateway.signal('SIGTERM');
    expect(await gateway.ended).toBe(0);
    expect(await packagesIn(file)).toEqual(['@opentelemetry/api']);
    expect(gateway.stdout()).not.toContain('trace_id');
  }, 60_000);

  it('is detected if it does load the SDK', async () => {
    const file = path.join(folder, 'on.txt');
    const program = path.join(folder, 'traced.mjs');
    await writeFile(
      program,
      `const { startTelemetry } = await import(${built('telemetry/sdk.js')}); await (await startTelemetry(process.env)).close();`,
    );
    const started = startProgram(path.relative(path.join(projectDir, 'dist'), program), {
      env: { OTEL_TRACES_EXPORTER: 'console' },
      cwd: folder,
      nodeArgs: probe(file),
    });
    expect([await started.ended, started.stderr()]).toEqual([0, '']);
    expect(await packagesIn(file)).toEqual(
      expect.arrayContaining(['@opentelemetry/sdk-node', '@opentelemetry/sdk-trace']),
    );
  });
});

describe('invalid variables of OpenTelemetry', () => {
  it('stop the start with one message that lists them', async () => {
    const port = await freePort();
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: `localhost:${port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'xml',
      OTEL_TRACES_SAMPLER: 'sometimes',
      OTEL_TRACES_SAMPLER_ARG: '2',
      OTEL_BSP_MAX_QUEUE_SIZE: 'many',
      OTEL_TRACES_EXPORTER: 'jaeger',
      OTEL_RESOURCE_ATTRIBUTES: 'zone',
    };
    const started = startProgram('main.js', { env, cwd: folder });
    expect([await started.ended, started.stdout()]).toEqual([1, '']);
    const message = started.stderr();
    expect(message).not.toMatch(/^\s+at /m);
    for (const name of Object.keys(env)) expect(message).toMatch(new RegExp(`  - ${name} must be `));
  });

  it('are ignored if tracing is off', async () => {
    const started = startProgram('main.js', {
      env: { OTEL_SDK_DISABLED: 'true', OTEL_EXPORTER_OTLP_ENDPOINT: 'nonsense', PORT: 'nonsense' },
      cwd: folder,
    });
    expect(await started.ended).toBe(1);
    expect(started.stderr()).toContain('PORT must be');
    expect(started.stderr()).not.toContain('OTEL');
  });
});
