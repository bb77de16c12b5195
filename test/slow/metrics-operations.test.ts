import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import { sql } from 'kysely';
import { hashOf } from '../../src/persisted-documents/document-request.js';
import { demoAccounts } from '../../src/domains/user/demo-accounts.js';
import { dropDatabaseAt } from '../support/database.js';
import { makeDocumentFolder, presetManifest, send, type DocumentFolder } from '../support/documents.js';
import { startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { growth, parse, scrape, valueOf, type Family } from '../support/metrics.js';
import { projectDir } from '../support/process.js';
import { promtoolProblems, reasonToSkipPromtool } from '../support/prometheus.js';
import { reasonToSkipRedis, startRedis, type TestRedis } from '../support/redis.js';
import { openEvents, socketClient, listen } from '../support/streams.js';
import { waitUntil } from '../support/wait-until.js';

const models = 'query Models { models { name } }';
const page =
  'query Page { employees(first: 50) { nodes { name department { name } manager { name department { name } } } } }';
const headcounts = 'query Headcounts { departments { name headcount } }';
const salaries = 'query Salaries { employees(first: 1) { nodes { name salary } } }';
const signIn = 'mutation SignIn($input: LoginInput!) { login(input: $input) { accessToken } }';
const predict = 'query Predict { predict(model: "iris", inputs: [{ petal_length: 1, petal_width: 1 }]) { id } }';

const metricsOf = (gateway: TestGateway): Promise<Map<string, Family>> => scrape(gateway.metricsUrl ?? '');

describe('operation metrics', () => {
  let folder: DocumentFolder;
  let gateway: TestGateway;
  beforeAll(async () => {
    folder = await makeDocumentFolder();
    await folder.write('web', '1.0.0', presetManifest(models, page, headcounts, salaries, signIn, predict));
    gateway = await startGateway({
      TRUSTED_DOCUMENTS_DIR: folder.dir,
      MAX_BATCHED_OPERATIONS: '100',
      MAX_LOGINS_PER_ACCOUNT: '4',
      QUERY_CACHE: 'false',
    });
  });
  afterAll(async () => {
    await gateway.close();
    await folder.close();
  });
  const metrics = () => metricsOf(gateway);

  it('count operations by name, type and outcome, and errors by code', async () => {
    const before = await metrics();
    for (let turn = 0; turn < 7; turn += 1) await gateway.execute('user', models);
    for (let turn = 0; turn < 3; turn += 1) await gateway.execute(null, models);
    for (let turn = 0; turn < 2; turn += 1) await gateway.execute('user', salaries);
    await gateway.execute(
      'user',
      'mutation Nothing { login(input: { email: "a@example.com", password: "not the password" }) { accessToken } }',
    );
    const increase = growth(before, await metrics());
    expect(increase('auspex_operations_total')).toEqual({
      'Models query ok': 7,
      'Models query rejected': 3,
      'Salaries query rejected': 2,
      'other mutation rejected': 1,
    });
    expect(increase('auspex_operation_errors_total')).toEqual({
      'Models UNAUTHENTICATED': 3,
      'Salaries FORBIDDEN': 2,
      'other UNAUTHENTICATED': 1,
    });
    expect(increase('auspex_rejections_total')).toEqual({ unauthenticated: 4, forbidden: 2 });
  });

  it('count invalid documents and unknown operations as other', async () => {
    const before = await metrics();
    await gateway.execute('user', 'query Models { models { name }');
    await gateway.execute('user', 'query Models { models { nonsense } }');
    await send(gateway, { query: models, operationName: 'Another' }, { caller: 'user' });
    await send(gateway, { documentId: 'unknown' }, { caller: 'user' });
    const increase = growth(before, await metrics());
    expect(increase('auspex_operations_total')).toEqual({ 'other unknown rejected': 4 });
    expect(increase('auspex_operation_errors_total')).toEqual({
      'other GRAPHQL_PARSE_FAILED': 1,
      'other GRAPHQL_VALIDATION_FAILED': 1,
      'other OPERATION_RESOLUTION_FAILURE': 1,
      'other PERSISTED_QUERY_NOT_FOUND': 1,
    });
    expect(increase('auspex_rejections_total')).toEqual({ bad_request: 3 });
  });

  it('count each operation of a batch, and each rejection once', async () => {
    const before = await metrics();
    const list = [
      { query: models },
      { query: models },
      { documentId: 'unknown' },
      { query: models, extensions: { persistedQuery: { version: 1, sha256Hash: hashOf(page) } } },
    ];
    const response = await fetch(gateway.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${await gateway.tokenOf('user')}` },
      body: JSON.stringify(list),
    });
    expect((await response.json()).length).toBe(4);
    const increase = growth(before, await metrics());
    expect(increase('auspex_operations_total')).toEqual({ 'Models query ok': 2, 'other unknown rejected': 2 });
    expect(increase('auspex_rejections_total')).toEqual({ bad_request: 1 });
    await waitUntil(
      async () => growth(before, await metrics())('auspex_http_requests_total')['/graphql POST 200'] === 1,
    );
  });

  it('count SQL statements by operation, and none for a cached response', async () => {
    const change = 'mutation { deleteEmployee(id: "nobody") { deletedEmployeeId } }';
    // Responses are cacheable once their entities are known; the mutation evicts what this loop cached.
    for (const document of [page, headcounts, change]) await gateway.execute('admin', document);
    const before = await metrics();
    for (let turn = 0; turn < 3; turn += 1) expect((await gateway.execute('admin', page)).errors).toEqual([]);
    expect((await gateway.execute('admin', headcounts)).errors).toEqual([]);
    // A failed mutation also invalidates cached responses.
    expect((await gateway.execute('admin', change)).errors).toHaveLength(1);
    expect((await gateway.execute('admin', page)).errors).toEqual([]);
    const after = await metrics();
    const increase = growth(before, after);
    // One for the first, none while cached, one after the change.
    expect(increase('auspex_operation_sql_statements_sum')).toMatchObject({ 'Page query': 2, 'Headcounts query': 2 });
    expect(increase('auspex_operation_sql_statements_count')).toMatchObject({ 'Page query': 4, 'Headcounts query': 1 });
    expect(increase('auspex_operation_sql_statements_bucket')).toMatchObject({
      'Page query 0': 2,
      'Page query 1': 4,
      'Page query +Inf': 4,
      'Headcounts query 2': 1,
    });
    expect(increase('auspex_operations_total')).toMatchObject({ 'Page query ok': 4 });
    const sums = Object.values(increase('auspex_operation_sql_statements_sum')).reduce((sum, value) => sum + value, 0);
    expect(increase('auspex_sql_statements_total')).toEqual({ '': sums });
    const seconds = increase('auspex_sql_duration_seconds_total')[''] ?? 0;
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThan(10);
  });

  it('are valid histograms: cumulative buckets, and a count that equals the number of operations', async () => {
    const families = await metrics();
    for (const name of ['auspex_operation_duration_seconds', 'auspex_operation_sql_statements']) {
      const samples = families.get(name)?.samples ?? [];
      const counts = samples.filter((sample) => sample.name === `${name}_count`);
      expect(counts.length).toBeGreaterThan(4);
      for (const { labels, value } of counts) {
        const same = samples.filter(
          (sample) => sample.labels.operation === labels.operation && sample.labels.type === labels.type,
        );
        const buckets = same.filter((sample) => sample.name === `${name}_bucket`);
        expect(buckets.map((bucket) => bucket.value)).toEqual(
          buckets.map((bucket) => bucket.value).toSorted((one, other) => one - other),
        );
        expect([buckets.at(-1)?.labels.le, buckets.at(-1)?.value]).toEqual(['+Inf', value]);
        const outcomes = ['ok', 'rejected', 'error'].map(
          (outcome) =>
            valueOf(families, 'auspex_operations_total', {
              operation: labels.operation ?? '',
              type: labels.type ?? '',
              outcome,
            }) ?? NaN,
        );
        expect(outcomes.reduce((sum, outcome) => sum + outcome, 0)).toBe(value);
      }
    }
    const mean =
      (valueOf(families, 'auspex_operation_duration_seconds_sum', { operation: 'Models' }) ?? 0) /
      (valueOf(families, 'auspex_operation_duration_seconds_count', { operation: 'Models' }) ?? 0);
    expect(mean).toBeGreaterThan(0);
    expect(mean).toBeLessThan(5);
  });

  it('count succeeded, failed and throttled sign-ins', async () => {
    const before = await metrics();
    const login = (password: string) =>
      gateway.execute<AnyData>(null, signIn, { input: { email: 'user@example.com', password } });
    expect((await login(demoAccounts.password)).errors).toEqual([]);
    for (let turn = 0; turn < 6; turn += 1) await login('not the password');
    expect(growth(before, await metrics())('auspex_logins_total')).toEqual({ succeeded: 1, failed: 4, throttled: 2 });
    const increase = growth(before, await metrics());
    expect(increase('auspex_operations_total')).toEqual({ 'SignIn mutation ok': 1, 'SignIn mutation rejected': 6 });
    expect(increase('auspex_rejections_total')).toEqual({ unauthenticated: 4, too_many_requests: 2 });
  });

  it('separate gateway errors from client errors', async () => {
    const before = await metrics();
    await gateway.db.schema.alterTable('department').renameTo('department_renamed').execute();
    try {
      expect((await gateway.execute('manager', headcounts)).errors[0]?.extensions.code).toBe('INTERNAL_SERVER_ERROR');
    } finally {
      await gateway.db.schema.alterTable('department_renamed').renameTo('department').execute();
    }
    const increase = growth(before, await metrics());
    expect(increase('auspex_operations_total')).toEqual({ 'Headcounts query error': 1 });
    expect(increase('auspex_operation_errors_total')).toEqual({ 'Headcounts INTERNAL_SERVER_ERROR': 1 });
    expect(increase('auspex_rejections_total')).toEqual({});
  });

  it('create no series for invented operations, clients, routes, methods or statuses', async () => {
    const before = await metrics();
    const series = (families: Map<string, Family>): string[] =>
      [...families.values()]
        .flatMap(({ samples }) => samples)
        .filter(({ name }) => /^auspex_(http|op|rej|log|sql|queue)/.test(name))
        .map(({ name, labels }) => `${name} ${Object.values(labels).join(' ')}`)
        .sort();
    const sendInvented = async (operations: number) => {
      const names = Array.from({ length: operations }, () => `Invented${Math.random().toString(36).slice(2)}`);
      const headers = {
        'content-type': 'application/json',
        'apollographql-client-name': names[0] ?? '',
        'apollographql-client-version': names[0] ?? '',
      };
      const body = JSON.stringify(
        names.map((name) => ({ query: `query ${name} { __typename }`, operationName: name })),
      );
      const response = await fetch(gateway.url, { method: 'POST', headers, body });
      expect(await response.json()).toEqual(names.map(() => ({ data: { __typename: 'Query' } })));
    };
    await sendInvented(1);
    for (const route of ['/unknown', '/graphiql/unknown', '/metrics/unknown', '/graphql/unknown'])
      await (await fetch(new URL(route, gateway.url), { method: 'PUT' })).text();
    await (await fetch(new URL('/first', gateway.url))).text();
    await waitUntil(
      async () => (growth(before, await metrics())('auspex_http_requests_total')['other GET 404'] ?? 0) >= 1,
    );
    const known = series(await metrics());
    for (let turn = 0; turn < 100; turn += 1) await sendInvented(100);
    const requests = Array.from({ length: 200 }, (_, turn) =>
      fetch(new URL(`/route-${turn}`, gateway.url), { method: turn % 2 === 0 ? 'PUT' : 'GET' }).then((response) =>
        response.text(),
      ),
    );
    await Promise.all(requests);
    expect(series(await metrics())).toEqual(known);
    expect(growth(before, await metrics())('auspex_operations_total')).toEqual({ 'other query ok': 10_001 });
  }, 120_000);
});

describe('request metrics', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway({ MAX_BODY_BYTES: '1024', MAX_STREAMS_PER_VIEWER: '1' });
  });
  afterAll(() => gateway.close());
  const metrics = () => metricsOf(gateway);
  /** Waits for the expected counts: a request is counted shortly after the client has its response. */
  const countedSince = async (before: Map<string, Family>, expected: Record<string, number>): Promise<void> => {
    const counted = async () =>
      Object.fromEntries(
        Object.entries(growth(before, await metrics())('auspex_http_requests_total')).filter(
          ([key]) => !key.startsWith('/metrics'),
        ),
      );
    await waitUntil(
      async () =>
        Object.values(await counted()).reduce((sum, value) => sum + value, 0) >=
        Object.values(expected).reduce((sum, value) => sum + value, 0),
    );
    expect(await counted()).toEqual(expected);
  };

  it('count requests by route, method and status, and rejections by reason', async () => {
    const before = await metrics();
    const post = (body: string, headers: Record<string, string>) =>
      fetch(gateway.url, { method: 'POST', headers, body }).then((response) => response.text());
    const json = { 'content-type': 'application/json' };
    await post(JSON.stringify({ query: `{ __typename } #${'x'.repeat(2000)}` }), json);
    await post('query=x', { 'content-type': 'application/x-www-form-urlencoded' });
    await post('{ "query": ', json);
    await post('{ "query": "{ models { name } }" }', {
      ...json,
      accept: 'application/graphql-response+json',
      authorization: 'Bearer nonsense',
    });
    await post('{ "nothing": true }', json);
    await (await fetch(gateway.url, { method: 'DELETE' })).text();
    await (await fetch(`${gateway.url}?${'x'.repeat(9000)}`)).text();
    await (await fetch(new URL('/%E0%A4', gateway.url))).text();
    await (await fetch(new URL('/readyz', gateway.url))).text();
    await (await fetch(new URL('/nowhere', gateway.url))).text();
    await sendMalformedRequest(gateway);
    await countedSince(before, {
      '/graphql POST 413': 1,
      '/graphql POST 415': 1,
      '/graphql POST 400': 2,
      '/graphql POST 401': 1,
      '/graphql other 405': 1,
      '/graphql GET 414': 1,
      'other GET 400': 1,
      '/readyz GET 200': 1,
      'other GET 404': 1,
      'other other 400': 1,
    });
    expect(growth(before, await metrics())('auspex_rejections_total')).toEqual({
      too_large: 2,
      bad_request: 6,
      unauthenticated: 1,
    });
  });

  it('count an aborted request with status 499, and release it from in-flight requests', async () => {
    const before = await metrics();
    const token = await gateway.tokenOf('user');
    const unfinished = httpRequest(gateway.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, 'content-length': 500 },
    });
    unfinished.on('error', () => {});
    unfinished.write('{');
    // The scrape is in flight itself.
    await waitUntil(async () => valueOf(await metrics(), 'auspex_http_requests_in_flight', {}) === 2);
    unfinished.destroy();
    await waitUntil(async () => valueOf(await metrics(), 'auspex_http_requests_in_flight', {}) === 1);
    await countedSince(before, { '/graphql POST 499': 1 });
  });

  it('count rejected subscriptions over both transports by reason, and open event streams as in flight', async () => {
    const before = await metrics();
    const { token } = await gateway.signIn('user');
    const authorization = `Bearer ${token}`;
    const query = 'subscription { modelChanged { kind } }';
    const open = await openEvents(gateway.url, { headers: { authorization }, body: { query } });
    await waitUntil(async () => valueOf(await metrics(), 'auspex_http_requests_in_flight', {}) === 2);
    expect((await openEvents(gateway.url, { headers: { authorization }, body: { query } })).status).toBe(429);
    const client = socketClient(gateway.url, { authorization });
    expect((await listen(client, query).ended)[0].extensions.code).toBe('TOO_MANY_REQUESTS');
    await client.dispose();
    const unauthenticated = socketClient(gateway.url, { authorization: 'Bearer nonsense' });
    expect((await listen(unauthenticated, query).ended).code).toBe(4403);
    open.received.stop();
    await waitUntil(async () => valueOf(await metrics(), 'auspex_http_requests_in_flight', {}) === 1);
    expect(growth(before, await metrics())('auspex_rejections_total')).toEqual({
      too_many_requests: 2,
      unauthenticated: 1,
    });
  });
});

describe('queue metrics', () => {
  it('show queued predictions while the database rejects them, and none after it recovers', async () => {
    const gateway = await startGateway();
    try {
      const queued = async (queue: string) => valueOf(await metricsOf(gateway), 'auspex_queue_length', { queue });
      await gateway.db.schema.alterTable('prediction').renameTo('prediction_renamed').execute();
      expect((await gateway.execute('user', predict)).errors).toEqual([]);
      await waitUntil(async () => (await queued('prediction_history')) === 1);
      expect(await queued('inference')).toBe(0);
      await gateway.db.schema.alterTable('prediction_renamed').renameTo('prediction').execute();
      await waitUntil(async () => (await queued('prediction_history')) === 0);
      expect(valueOf(await metricsOf(gateway), 'auspex_predictions_lost_total', {})).toBe(0);
      await waitUntil(async () => (await queued('document_usage')) === 0);
    } finally {
      await gateway.close();
    }
  });

  it('count predictions as lost if the database rejects them permanently', async () => {
    const gateway = await startGateway();
    try {
      await sql`alter table prediction add constraint none_today check (model <> 'iris')`.execute(gateway.db);
      expect((await gateway.execute('user', predict)).errors).toEqual([]);
      await waitUntil(async () => valueOf(await metricsOf(gateway), 'auspex_predictions_lost_total', {}) === 1);
      expect(valueOf(await metricsOf(gateway), 'auspex_queue_length', { queue: 'prediction_history' })).toBe(0);
    } finally {
      await gateway.close();
    }
  });
});

describe('state metrics', () => {
  const stateOf = async (gateway: TestGateway) => {
    const families = await metricsOf(gateway);
    const { status } = await fetch(new URL('/readyz', gateway.url));
    return {
      ready: valueOf(families, 'auspex_ready', {}),
      database: valueOf(families, 'auspex_database_up', {}),
      status,
    };
  };

  it('match /readyz, with and without the database', async () => {
    const gateway = await startGateway();
    try {
      expect(await stateOf(gateway)).toEqual({ ready: 1, database: 1, status: 200 });
      await dropDatabaseAt(gateway.databaseUrl);
      expect(await stateOf(gateway)).toEqual({ ready: 0, database: 0, status: 503 });
    } finally {
      await gateway.close();
    }
  });

  it('report not ready once a shutdown has begun', async () => {
    const gateway = await startGateway({ METRICS_PORT: '0' });
    const { hostname, port } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    // Shutdown waits for this unfinished request.
    socket.write('GET /livez HTTP/1.1\r\nhost: localhost\r\n');
    await waitUntil(async () => valueOf(await metricsOf(gateway), 'auspex_ready', {}) === 1);
    const closed = gateway.close();
    const families = await metricsOf(gateway);
    expect([valueOf(families, 'auspex_ready', {}), valueOf(families, 'auspex_database_up', {})]).toEqual([0, 1]);
    socket.write('\r\n');
    await closed;
    socket.destroy();
  });

  it('include the build, and no Redis series without Redis', async () => {
    const gateway = await startGateway();
    try {
      const families = await metricsOf(gateway);
      const { version } = JSON.parse(readFileSync(path.join(projectDir, 'package.json'), 'utf8')) as {
        version: string;
      };
      expect(families.get('auspex_build_info')?.samples.map(({ labels, value }) => ({ ...labels, value }))).toEqual([
        { version, node: process.versions.node, value: 1 },
      ]);
      expect([families.get('auspex_cache_up')?.samples, families.get('auspex_pubsub_up')?.samples]).toEqual([[], []]);
    } finally {
      await gateway.close();
    }
  });
});

const noRedis = reasonToSkipRedis();
(noRedis === null ? describe : describe.skip)(
  `metrics of two replicas that share a Redis${noRedis === null ? '' : ` (skipped: ${noRedis})`}`,
  () => {
    let redis: TestRedis;
    let one: TestGateway;
    let other: TestGateway;
    beforeAll(async () => {
      redis = await startRedis();
      [one, other] = await Promise.all([
        startGateway({ REDIS_URL: redis.url }),
        startGateway({ REDIS_URL: redis.url }),
      ]);
    });
    afterAll(async () => {
      await Promise.all([one.close(), other.close()]);
      await redis.stop();
    });
    const up = async (gateway: TestGateway) => {
      const families = await metricsOf(gateway);
      return {
        prediction: valueOf(families, 'auspex_cache_up', { cache: 'prediction' }),
        response: valueOf(families, 'auspex_cache_up', { cache: 'response' }),
        pubsub: valueOf(families, 'auspex_pubsub_up', {}),
      };
    };
    const all = (value: number) => ({ prediction: value, response: value, pubsub: value });
    const becomes = async (gateway: TestGateway, value: number) => {
      await waitUntil(
        async () => JSON.stringify(await up(gateway)) === JSON.stringify(all(value)),
        'Change of the metrics',
        20_000,
      );
    };

    it('are counted per replica', async () => {
      const before = [await metricsOf(one), await metricsOf(other)] as const;
      for (let turn = 0; turn < 5; turn += 1) await one.execute(null, '{ __typename }');
      expect(growth(before[0], await metricsOf(one))('auspex_operations_total')).toEqual({ 'other query ok': 5 });
      expect(growth(before[1], await metricsOf(other))('auspex_operations_total')).toEqual({});
    });

    it('show a Redis outage and recovery, and no counter decreases', async () => {
      await becomes(one, 1);
      await one.execute('user', predict);
      const before = await metricsOf(one);
      await redis.kill();
      await becomes(one, 0);
      await one.execute('user', predict);
      await redis.restart();
      await becomes(one, 1);
      const after = await metricsOf(one);
      const counters = [...after]
        .filter(([, { type }]) => type === 'counter' || type === 'histogram')
        .map(([name]) => name);
      expect(counters.length).toBeGreaterThan(20);
      for (const name of counters)
        expect([name, Object.values(growth(before, after)(name)).filter((increase) => increase < 0)]).toEqual([
          name,
          [],
        ]);
    }, 60_000);
  },
);

describe('the documentation of metrics', () => {
  let gateway: TestGateway;
  let text: string;
  beforeAll(async () => {
    gateway = await startGateway();
    await gateway.signIn('user');
    for (const document of [predict, '{ __typename }', '{ nonsense }', page, page])
      await gateway.execute('user', document);
    const response = await fetch(gateway.metricsUrl ?? '');
    text = await response.text();
  });
  afterAll(() => gateway.close());

  it('lists exactly the exposed metrics with their types and labels', () => {
    const documented = readFileSync(path.join(projectDir, 'docs', 'metrics.md'), 'utf8')
      .split('\n')
      .flatMap((line) => {
        const [, name, type, labels] = /^\| `([a-z0-9_]+)` \| (\w+) \| (.*?) ?\| .+ \|$/.exec(line) ?? [];
        return name === undefined
          ? []
          : [{ name, type, labels: [...(labels ?? '').matchAll(/`(\w+)`/g)].map(([, label]) => label) }];
      });
    const families = parse(text);
    const exposed = [...families].map(([name, { type }]) => `${name} ${type}`);
    expect(documented.map(({ name, type }) => `${name} ${type}`).toSorted()).toEqual(exposed.toSorted());
    for (const { name, labels } of documented) {
      for (const sample of families.get(name)?.samples ?? []) {
        expect([name, Object.keys(sample.labels).filter((label) => label !== 'le')]).toEqual([name, labels]);
      }
    }
  });

  const noPromtool = reasonToSkipPromtool();
  (noPromtool === null ? it : it.skip)(
    `passes promtool check metrics${noPromtool === null ? '' : ` (skipped: ${noPromtool})`}`,
    () => {
      expect(promtoolProblems(['check', 'metrics'], text)).toBe('');
      // Proves that promtool reports problems.
      expect(
        promtoolProblems(['check', 'metrics'], 'auspex_wrong_total 1\n# TYPE auspex_wrong_total gauge\n'),
      ).not.toBe('');
    },
  );
});

/** Sends a malformed HTTP request and waits until the connection is closed. */
async function sendMalformedRequest(gateway: TestGateway): Promise<void> {
  const { hostname, port } = new URL(gateway.url);
  const socket = connect(Number(port), hostname);
  socket.resume();
  socket.on('error', () => {});
  socket.write('NONSENSE\r\n\r\n');
  await once(socket, 'close');
}
