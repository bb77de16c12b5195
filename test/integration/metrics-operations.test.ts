import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import { sql } from 'kysely';
import { hashOf } from '../../src/documents/document-id.js';
import { demoAccounts } from '../../src/domains/demo-data.js';
import { dropDatabaseAt } from '../kit/database.js';
import { makeDocumentFolder, presetManifest, send, type DocumentFolder } from '../kit/documents.js';
import { startGateway, type Any, type TestGateway } from '../kit/gateway.js';
import { growth, parse, scrape, valueOf, type Family } from '../kit/metrics.js';
import { projectDir } from '../kit/process.js';
import { promtoolProblems, reasonToSkipPromtool } from '../kit/promtool.js';
import { reasonToSkipRedis, startRedis, type TestRedis } from '../kit/redis.js';
import { openEvents, socketClient, listen } from '../kit/streams.js';
import { until } from '../kit/until.js';

const models = 'query Models { models { name } }';
const page = 'query Page { employees(first: 50) { nodes { name department { name } manager { name department { name } } } } }';
const headcounts = 'query Headcounts { departments { name headcount } }';
const salaries = 'query Salaries { employees(first: 1) { nodes { name salary } } }';
const signIn = 'mutation SignIn($input: LoginInput!) { login(input: $input) { accessToken } }';
const predict = 'query Predict { predict(model: "iris", inputs: [{ petal_length: 1, petal_width: 1 }]) { id } }';

const metricsOf = (gateway: TestGateway): Promise<Map<string, Family>> => scrape(gateway.metricsUrl ?? '');

describe('the metrics of operations', () => {
  let folder: DocumentFolder;
  let gateway: TestGateway;
  beforeAll(async () => {
    folder = await makeDocumentFolder();
    await folder.write('web', '1.0.0', presetManifest(models, page, headcounts, salaries, signIn, predict));
    gateway = await startGateway({ TRUSTED_DOCUMENTS_DIR: folder.dir, MAX_BATCHED_OPERATIONS: '100', MAX_LOGINS_PER_ACCOUNT: '4' });
  });
  afterAll(async () => {
    await gateway.close();
    await folder.close();
  });
  const metrics = () => metricsOf(gateway);

  it('count each by its name, type and outcome, and each error by its code', async () => {
    const before = await metrics();
    for (let turn = 0; turn < 7; turn += 1) await gateway.ask('user', models);
    for (let turn = 0; turn < 3; turn += 1) await gateway.ask(null, models);
    for (let turn = 0; turn < 2; turn += 1) await gateway.ask('user', salaries);
    await gateway.ask('user', 'mutation Nothing { login(input: { email: "a@example.com", password: "not the password" }) { accessToken } }');
    const grown = growth(before, await metrics());
    expect(grown('auspex_operations_total')).toEqual({
      'Models query ok': 7,
      'Models query refused': 3,
      'Salaries query refused': 2,
      'other mutation refused': 1,
    });
    expect(grown('auspex_operation_errors_total')).toEqual({ 'Models UNAUTHENTICATED': 3, 'Salaries FORBIDDEN': 2, 'other UNAUTHENTICATED': 1 });
    expect(grown('auspex_refusals_total')).toEqual({ unauthenticated: 4, forbidden: 2 });
  });

  it('count those that cannot be read, or name no operation, as others', async () => {
    const before = await metrics();
    await gateway.ask('user', 'query Models { models { name }');
    await gateway.ask('user', 'query Models { models { nonsense } }');
    await send(gateway, { query: models, operationName: 'Another' }, { asker: 'user' });
    await send(gateway, { documentId: 'unknown' }, { asker: 'user' });
    const grown = growth(before, await metrics());
    expect(grown('auspex_operations_total')).toEqual({ 'other unknown refused': 4 });
    expect(grown('auspex_operation_errors_total')).toEqual({
      'other GRAPHQL_PARSE_FAILED': 1,
      'other GRAPHQL_VALIDATION_FAILED': 1,
      'other OPERATION_RESOLUTION_FAILURE': 1,
      'other PERSISTED_QUERY_NOT_FOUND': 1,
    });
    expect(grown('auspex_refusals_total')).toEqual({ bad_request: 3 });
  });

  it('count those of a list each, and a refused one of them once', async () => {
    const before = await metrics();
    const list = [{ query: models }, { query: models }, { documentId: 'unknown' }, { query: models, extensions: { persistedQuery: { version: 1, sha256Hash: hashOf(page) } } }];
    const response = await fetch(gateway.url, { method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${await gateway.tokenOf('user')}` }, body: JSON.stringify(list) });
    expect((await response.json()).length).toBe(4);
    const grown = growth(before, await metrics());
    expect(grown('auspex_operations_total')).toEqual({ 'Models query ok': 2, 'other unknown refused': 2 });
    expect(grown('auspex_refusals_total')).toEqual({ bad_request: 1 });
    await until(async () => growth(before, await metrics())('auspex_http_requests_total')['/graphql POST 200'] === 1);
  });

  it('know how many statements each took, and a kept answer none', async () => {
    const change = 'mutation { deleteEmployee(id: "nobody") }';
    // An answer can be kept once its entities have been heard of; and what was kept is not what is counted.
    for (const document of [page, headcounts, change]) await gateway.ask('admin', document);
    const before = await metrics();
    for (let turn = 0; turn < 3; turn += 1) expect((await gateway.ask('admin', page)).errors).toEqual([]);
    expect((await gateway.ask('admin', headcounts)).errors).toEqual([]);
    // Whatever comes of it, it makes the kept answers old.
    expect((await gateway.ask('admin', change)).errors).toHaveLength(1);
    expect((await gateway.ask('admin', page)).errors).toEqual([]);
    const after = await metrics();
    const grown = growth(before, after);
    // One for the first, none while it is kept, one after the change.
    expect(grown('auspex_operation_sql_statements_sum')).toMatchObject({ 'Page query': 2, 'Headcounts query': 2 });
    expect(grown('auspex_operation_sql_statements_count')).toMatchObject({ 'Page query': 4, 'Headcounts query': 1 });
    expect(grown('auspex_operation_sql_statements_bucket')).toMatchObject({ 'Page query 0': 2, 'Page query 1': 4, 'Page query +Inf': 4, 'Headcounts query 2': 1 });
    expect(grown('auspex_operations_total')).toMatchObject({ 'Page query ok': 4 });
    const sums = Object.values(grown('auspex_operation_sql_statements_sum')).reduce((sum, value) => sum + value, 0);
    expect(grown('auspex_sql_statements_total')).toEqual({ '': sums });
    const seconds = grown('auspex_sql_duration_seconds_total')[''] ?? 0;
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThan(10);
  });

  it('are histograms that are: buckets only grow, the last is the count, and the count that of the operations', async () => {
    const families = await metrics();
    for (const name of ['auspex_operation_duration_seconds', 'auspex_operation_sql_statements']) {
      const samples = families.get(name)?.samples ?? [];
      const counts = samples.filter((sample) => sample.name === `${name}_count`);
      expect(counts.length).toBeGreaterThan(4);
      for (const { labels, value } of counts) {
        const same = samples.filter((sample) => sample.labels.operation === labels.operation && sample.labels.type === labels.type);
        const buckets = same.filter((sample) => sample.name === `${name}_bucket`);
        expect(buckets.map((bucket) => bucket.value)).toEqual(buckets.map((bucket) => bucket.value).toSorted((one, other) => one - other));
        expect([buckets.at(-1)?.labels.le, buckets.at(-1)?.value]).toEqual(['+Inf', value]);
        const outcomes = ['ok', 'refused', 'error'].map((outcome) => valueOf(families, 'auspex_operations_total', { operation: labels.operation ?? '', type: labels.type ?? '', outcome }) ?? NaN);
        expect(outcomes.reduce((sum, outcome) => sum + outcome, 0)).toBe(value);
      }
    }
    const mean = (valueOf(families, 'auspex_operation_duration_seconds_sum', { operation: 'Models' }) ?? 0) / (valueOf(families, 'auspex_operation_duration_seconds_count', { operation: 'Models' }) ?? 0);
    expect(mean).toBeGreaterThan(0);
    expect(mean).toBeLessThan(5);
  });

  it('tell passwords that were right, wrong, and not looked at', async () => {
    const before = await metrics();
    const login = (password: string) => gateway.ask<Any>(null, signIn, { input: { email: 'user@example.com', password } });
    expect((await login(demoAccounts.password)).errors).toEqual([]);
    for (let turn = 0; turn < 6; turn += 1) await login('not the password');
    expect(growth(before, await metrics())('auspex_logins_total')).toEqual({ succeeded: 1, failed: 4, throttled: 2 });
    const grown = growth(before, await metrics());
    expect(grown('auspex_operations_total')).toEqual({ 'SignIn mutation ok': 1, 'SignIn mutation refused': 6 });
    expect(grown('auspex_refusals_total')).toEqual({ unauthenticated: 4, too_many_requests: 2 });
  });

  it('tell the gateway’s own faults from those of callers', async () => {
    const before = await metrics();
    await gateway.db.schema.alterTable('department').renameTo('department_away').execute();
    try {
      expect((await gateway.ask('manager', headcounts)).errors[0]?.extensions.code).toBe('INTERNAL_SERVER_ERROR');
    } finally {
      await gateway.db.schema.alterTable('department_away').renameTo('department').execute();
    }
    const grown = growth(before, await metrics());
    expect(grown('auspex_operations_total')).toEqual({ 'Headcounts query error': 1 });
    expect(grown('auspex_operation_errors_total')).toEqual({ 'Headcounts INTERNAL_SERVER_ERROR': 1 });
    expect(grown('auspex_refusals_total')).toEqual({});
  });

  it('have a series for no name that callers make up, be it of operations, clients, routes, methods or statuses', async () => {
    const before = await metrics();
    const series = (families: Map<string, Family>): string[] =>
      [...families.values()].flatMap(({ samples }) => samples).filter(({ name }) => /^auspex_(http|op|ref|log|sql|queue)/.test(name)).map(({ name, labels }) => `${name} ${Object.values(labels).join(' ')}`).sort();
    const made = async (operations: number) => {
      const names = Array.from({ length: operations }, () => `Made${Math.random().toString(36).slice(2)}`);
      const headers = { 'content-type': 'application/json', 'apollographql-client-name': names[0] ?? '', 'apollographql-client-version': names[0] ?? '' };
      const body = JSON.stringify(names.map((name) => ({ query: `query ${name} { __typename }`, operationName: name })));
      const response = await fetch(gateway.url, { method: 'POST', headers, body });
      expect(await response.json()).toEqual(names.map(() => ({ data: { __typename: 'Query' } })));
    };
    await made(1);
    for (const route of ['/made-up', '/graphiql/made-up', '/metrics/made-up', '/graphql/made-up']) await (await fetch(new URL(route, gateway.url), { method: 'PUT' })).text();
    await (await fetch(new URL('/first', gateway.url))).text();
    await until(async () => (growth(before, await metrics())('auspex_http_requests_total')['other GET 404'] ?? 0) >= 1);
    const known = series(await metrics());
    for (let turn = 0; turn < 100; turn += 1) await made(100);
    const strange = Array.from({ length: 200 }, (_, turn) => fetch(new URL(`/route-${turn}`, gateway.url), { method: turn % 2 === 0 ? 'PUT' : 'GET' }).then((response) => response.text()));
    await Promise.all(strange);
    expect(series(await metrics())).toEqual(known);
    expect(growth(before, await metrics())('auspex_operations_total')).toEqual({ 'other query ok': 10_001 });
  }, 120_000);
});

describe('the metrics of requests', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway({ MAX_BODY_BYTES: '1024', MAX_STREAMS_PER_VIEWER: '1' });
  });
  afterAll(() => gateway.close());
  const metrics = () => metricsOf(gateway);
  /** What has grown, once all that was sent is counted: an answer is with its reader a moment before. */
  const countedSince = async (before: Map<string, Family>, expected: Record<string, number>): Promise<void> => {
    const told = async () => Object.fromEntries(Object.entries(growth(before, await metrics())('auspex_http_requests_total')).filter(([key]) => !key.startsWith('/metrics')));
    await until(async () => Object.values(await told()).reduce((sum, value) => sum + value, 0) >= Object.values(expected).reduce((sum, value) => sum + value, 0));
    expect(await told()).toEqual(expected);
  };

  it('count each by route, method and status, and those that are refused by the reason', async () => {
    const before = await metrics();
    const post = (body: string, headers: Record<string, string>) => fetch(gateway.url, { method: 'POST', headers, body }).then((response) => response.text());
    const json = { 'content-type': 'application/json' };
    await post(JSON.stringify({ query: `{ __typename } #${'x'.repeat(2000)}` }), json);
    await post('query=x', { 'content-type': 'application/x-www-form-urlencoded' });
    await post('{ "query": ', json);
    await post('{ "query": "{ models { name } }" }', { ...json, accept: 'application/graphql-response+json', authorization: 'Bearer nonsense' });
    await post('{ "nothing": true }', json);
    await (await fetch(gateway.url, { method: 'DELETE' })).text();
    await (await fetch(`${gateway.url}?${'x'.repeat(9000)}`)).text();
    await (await fetch(new URL('/%E0%A4', gateway.url))).text();
    await (await fetch(new URL('/readyz', gateway.url))).text();
    await (await fetch(new URL('/nowhere', gateway.url))).text();
    await nonsense(gateway);
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
    expect(growth(before, await metrics())('auspex_refusals_total')).toEqual({ too_large: 2, bad_request: 6, unauthenticated: 1 });
  });

  it('count one whose caller did not wait, and none is in flight any more', async () => {
    const before = await metrics();
    const token = await gateway.tokenOf('user');
    const hung = httpRequest(gateway.url, { method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, 'content-length': 500 } });
    hung.on('error', () => {});
    hung.write('{');
    // The scrape is in flight itself.
    await until(async () => valueOf(await metrics(), 'auspex_http_requests_in_flight', {}) === 2);
    hung.destroy();
    await until(async () => valueOf(await metrics(), 'auspex_http_requests_in_flight', {}) === 1);
    await countedSince(before, { '/graphql POST 499': 1 });
  });

  it('count refused streams by the reason as well, whatever carries them, and open ones as in flight', async () => {
    const before = await metrics();
    const { token } = await gateway.signIn('user');
    const authorization = `Bearer ${token}`;
    const query = 'subscription { modelChanged { kind } }';
    const open = await openEvents(gateway.url, { headers: { authorization }, body: { query } });
    await until(async () => valueOf(await metrics(), 'auspex_http_requests_in_flight', {}) === 2);
    expect((await openEvents(gateway.url, { headers: { authorization }, body: { query } })).status).toBe(429);
    const client = socketClient(gateway.url, { authorization });
    expect((await listen(client, query).ended)[0].extensions.code).toBe('TOO_MANY_REQUESTS');
    await client.dispose();
    const stranger = socketClient(gateway.url, { authorization: 'Bearer nonsense' });
    expect((await listen(stranger, query).ended).code).toBe(4403);
    open.heard.stop();
    await until(async () => valueOf(await metrics(), 'auspex_http_requests_in_flight', {}) === 1);
    expect(growth(before, await metrics())('auspex_refusals_total')).toEqual({ too_many_requests: 2, unauthenticated: 1 });
  });
});

describe('what waits to be written', () => {
  it('is told while the database does not take it, and is none once it does', async () => {
    const gateway = await startGateway();
    try {
      const queued = async (queue: string) => valueOf(await metricsOf(gateway), 'auspex_queue_length', { queue });
      await gateway.db.schema.alterTable('prediction').renameTo('prediction_away').execute();
      expect((await gateway.ask('user', predict)).errors).toEqual([]);
      await until(async () => (await queued('prediction_history')) === 1);
      expect(await queued('inference')).toBe(0);
      await gateway.db.schema.alterTable('prediction_away').renameTo('prediction').execute();
      await until(async () => (await queued('prediction_history')) === 0);
      expect(valueOf(await metricsOf(gateway), 'auspex_predictions_lost_total', {})).toBe(0);
      await until(async () => (await queued('document_usage')) === 0);
    } finally {
      await gateway.close();
    }
  });

  it('counts as lost what the database refuses for good', async () => {
    const gateway = await startGateway();
    try {
      await sql`alter table prediction add constraint none_today check (model <> 'iris')`.execute(gateway.db);
      expect((await gateway.ask('user', predict)).errors).toEqual([]);
      await until(async () => valueOf(await metricsOf(gateway), 'auspex_predictions_lost_total', {}) === 1);
      expect(valueOf(await metricsOf(gateway), 'auspex_queue_length', { queue: 'prediction_history' })).toBe(0);
    } finally {
      await gateway.close();
    }
  });
});

describe('whether it is ready', () => {
  const told = async (gateway: TestGateway) => {
    const families = await metricsOf(gateway);
    const { status } = await fetch(new URL('/readyz', gateway.url));
    return { ready: valueOf(families, 'auspex_ready', {}), database: valueOf(families, 'auspex_database_up', {}), status };
  };

  it('is told as by /readyz, with its database and without', async () => {
    const gateway = await startGateway();
    try {
      expect(await told(gateway)).toEqual({ ready: 1, database: 1, status: 200 });
      await dropDatabaseAt(gateway.databaseUrl);
      expect(await told(gateway)).toEqual({ ready: 0, database: 0, status: 503 });
    } finally {
      await gateway.close();
    }
  });

  it('is no more once a shutdown has begun, whatever else is well', async () => {
    const gateway = await startGateway({ METRICS_PORT: '0' });
    const { hostname, port } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    // A request that has begun: the shutdown waits for it.
    socket.write('GET /livez HTTP/1.1\r\nhost: x\r\n');
    await until(async () => valueOf(await metricsOf(gateway), 'auspex_ready', {}) === 1);
    const closed = gateway.close();
    const families = await metricsOf(gateway);
    expect([valueOf(families, 'auspex_ready', {}), valueOf(families, 'auspex_database_up', {})]).toEqual([0, 1]);
    socket.write('\r\n');
    await closed;
    socket.destroy();
  });

  it('comes with what runs here, and with nothing of a Redis that there is none of', async () => {
    const gateway = await startGateway();
    try {
      const families = await metricsOf(gateway);
      const { version } = JSON.parse(readFileSync(path.join(projectDir, 'package.json'), 'utf8')) as { version: string };
      expect(families.get('auspex_build_info')?.samples.map(({ labels, value }) => ({ ...labels, value }))).toEqual([{ version, node: process.versions.node, value: 1 }]);
      expect([families.get('auspex_cache_up')?.samples, families.get('auspex_pubsub_up')?.samples]).toEqual([[], []]);
    } finally {
      await gateway.close();
    }
  });
});

const noRedis = reasonToSkipRedis();
(noRedis === null ? describe : describe.skip)(`the metrics of two replicas that share a Redis${noRedis === null ? '' : ` (skipped: ${noRedis})`}`, () => {
  let redis: TestRedis;
  let one: TestGateway;
  let other: TestGateway;
  beforeAll(async () => {
    redis = await startRedis();
    [one, other] = await Promise.all([startGateway({ REDIS_URL: redis.url }), startGateway({ REDIS_URL: redis.url })]);
  });
  afterAll(async () => {
    await Promise.all([one.close(), other.close()]);
    await redis.stop();
  });
  const up = async (gateway: TestGateway) => {
    const families = await metricsOf(gateway);
    return { prediction: valueOf(families, 'auspex_cache_up', { cache: 'prediction' }), response: valueOf(families, 'auspex_cache_up', { cache: 'response' }), pubsub: valueOf(families, 'auspex_pubsub_up', {}) };
  };
  const all = (value: number) => ({ prediction: value, response: value, pubsub: value });
  const becomes = async (gateway: TestGateway, value: number) => {
    await until(async () => JSON.stringify(await up(gateway)) === JSON.stringify(all(value)), 20_000);
  };

  it('are each one’s own', async () => {
    const before = [await metricsOf(one), await metricsOf(other)] as const;
    for (let turn = 0; turn < 5; turn += 1) await one.ask(null, '{ __typename }');
    expect(growth(before[0], await metricsOf(one))('auspex_operations_total')).toEqual({ 'other query ok': 5 });
    expect(growth(before[1], await metricsOf(other))('auspex_operations_total')).toEqual({});
  });

  it('tell that the Redis is gone, and that it is back, and no counter has dropped meanwhile', async () => {
    await becomes(one, 1);
    await one.ask('user', predict);
    const before = await metricsOf(one);
    await redis.kill();
    await becomes(one, 0);
    await one.ask('user', predict);
    await redis.restart();
    await becomes(one, 1);
    const after = await metricsOf(one);
    const counters = [...after].filter(([, { type }]) => type === 'counter' || type === 'histogram').map(([name]) => name);
    expect(counters.length).toBeGreaterThan(20);
    for (const name of counters) expect([name, Object.values(growth(before, after)(name)).filter((grown) => grown < 0)]).toEqual([name, []]);
  }, 60_000);
});

describe('what is said of the metrics', () => {
  let gateway: TestGateway;
  let text: string;
  beforeAll(async () => {
    gateway = await startGateway();
    await gateway.signIn('user');
    for (const document of [predict, '{ __typename }', '{ nonsense }', page, page]) await gateway.ask('user', document);
    const response = await fetch(gateway.metricsUrl ?? '');
    text = await response.text();
  });
  afterAll(() => gateway.close());

  it('on their page is every one of them and nothing else, each with its type and its labels', () => {
    const documented = readFileSync(path.join(projectDir, 'docs', 'metrics.md'), 'utf8')
      .split('\n')
      .flatMap((line) => {
        const [, name, type, labels] = /^\| `([a-z0-9_]+)` \| (\w+) \| (.*?) ?\| .+ \|$/.exec(line) ?? [];
        return name === undefined ? [] : [{ name, type, labels: [...(labels ?? '').matchAll(/`(\w+)`/g)].map(([, label]) => label) }];
      });
    const families = parse(text);
    const told = [...families].map(([name, { type }]) => `${name} ${type}`);
    expect(documented.map(({ name, type }) => `${name} ${type}`).toSorted()).toEqual(told.toSorted());
    for (const { name, labels } of documented) {
      for (const sample of families.get(name)?.samples ?? []) {
        expect([name, Object.keys(sample.labels).filter((label) => label !== 'le')]).toEqual([name, labels]);
      }
    }
  });

  const noPromtool = reasonToSkipPromtool();
  (noPromtool === null ? it : it.skip)(`is nothing by promtool${noPromtool === null ? '' : ` (skipped: ${noPromtool})`}`, () => {
    expect(promtoolProblems(['check', 'metrics'], text)).toBe('');
    // So that silence means something.
    expect(promtoolProblems(['check', 'metrics'], 'auspex_wrong_total 1\n# TYPE auspex_wrong_total gauge\n')).not.toBe('');
  });
});

/** Sends what is no HTTP, and waits until the connection is closed. */
async function nonsense(gateway: TestGateway): Promise<void> {
  const { hostname, port } = new URL(gateway.url);
  const socket = connect(Number(port), hostname);
  socket.resume();
  socket.on('error', () => {});
  socket.write('NONSENSE\r\n\r\n');
  await once(socket, 'close');
}
