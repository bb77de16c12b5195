import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createClient } from '@redis/client';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import { readConfig } from '../../src/config/config.js';
import { openApp, type App } from '../../src/app/open-app.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { describeWithRedis } from '../support/describe-with-redis.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { openEvents, type ReceivedEvents } from '../support/streams.js';
import { waitUntil } from '../support/wait-until.js';

describeWithRedis('streams of two replicas that share a Redis', () => {
  let redis: TestRedis;
  let one: TestGateway;
  let other: App;
  let token: string;

  beforeAll(async () => {
    redis = await startRedis();
    one = await startGateway({ REDIS_URL: redis.url, MAX_LOGINS_PER_ACCOUNT: '1000' });
    const env = {
      HOST: '127.0.0.1',
      PORT: '0',
      JWT_SECRET: one.secret,
      DATABASE_URL: one.databaseUrl,
      REDIS_URL: redis.url,
      LOG_LEVEL: 'silent',
      DATA_DIR: '/nonexistent',
    };
    other = await openApp(readConfig(env), createLogger('silent'));
    ({ token } = await one.signIn('admin'));
    await waitUntil(async () => (await spoken()) >= 2, 'Both replicas at Redis');
  });
  afterAll(async () => {
    await other.close();
    await one.close();
    await redis.stop();
  });

  /** The number of subscribed replicas. */
  async function spoken(): Promise<number> {
    const client = createClient({ url: redis.url });
    await client.connect();
    const list: unknown = await client.sendCommand(['CLIENT', 'LIST', 'TYPE', 'pubsub']);
    client.destroy();
    return typeof list === 'string' ? list.split('\n').filter((line) => line.includes(' psub=1 ')).length : 0;
  }

  const open = async (app: { url: string }, query: string, by = token): Promise<ReceivedEvents> => {
    const { received, rejection } = await openEvents(app.url, {
      headers: { authorization: `Bearer ${by}` },
      body: { query },
    });
    expect(rejection).toBeNull();
    return received;
  };
  const employees = 'subscription { employeeChanged { kind employee { age salary } } }';
  const someone = async (): Promise<string> =>
    encodeId('employee', (await one.db.selectFrom('employee').select('id').limit(1).executeTakeFirstOrThrow()).id);
  const setAge = async (id: string, age: number): Promise<void> => {
    const { errors } = await one.execute(
      { token },
      'mutation ($id: ID!, $age: Int) { updateEmployee(id: $id, input: { age: $age }) { id } }',
      { id, age },
    );
    expect(errors).toEqual([]);
  };
  const agesOf = ({ results }: ReceivedEvents): number[] =>
    results.map(({ data }) => data.employeeChanged.employee.age as number);

  it('deliver each event of the other once', async () => {
    const [here, there] = [await open(one, employees), await open(other, employees)];
    const id = await someone();
    for (const age of [31, 32, 33]) await setAge(id, age);
    await waitUntil(() => here.results.length >= 3 && there.results.length >= 3, 'All events');
    expect(agesOf(here).at(-1)).toBe(33);
    await setAge(id, 34);
    await waitUntil(() => agesOf(here).at(-1) === 34 && agesOf(there).at(-1) === 34);
    expect([here.results.length, there.results.length]).toEqual([4, 4]);
    for (const received of [here, there]) received.stop();
  });

  it('deliver a change only after older cached responses are invalidated', async () => {
    const id = await someone();
    const age = async (): Promise<number> => {
      const search = new URLSearchParams({ query: `{ employee(id: "${id}") { age } }` });
      const response = await fetch(`${other.url}?${search.toString()}`, {
        headers: { authorization: `Bearer ${token}`, 'apollo-require-preflight': 'true' },
      });
      return (await response.json()).data.employee.age as number;
    };
    const there = await open(other, employees);
    for (let next = 40; next < 60; next += 1) {
      await age();
      const change = setAge(id, next);
      await there.next();
      expect(await age()).toBe(next);
      await change;
    }
    there.stop();
  });

  it('deliver predictions that the other recorded', async () => {
    const there = await open(other, 'subscription { predictionRecorded { id } }');
    const { data } = await one.execute<AnyData>(
      { token },
      '{ predict(model: "iris", inputs: [{ petal_length: 4.0, petal_width: 1.35 }]) { id } }',
    );
    expect((await there.next()).data.predictionRecorded.id).toBe(data.predict[0].id);
    there.stop();
  });

  it('publish no salary to Redis', async () => {
    const client = createClient({ url: redis.url });
    await client.connect();
    const seen: string[] = [];
    await client.pSubscribe('*', (message) => seen.push(message));
    const id = await someone();
    const { data } = await one.execute<AnyData>(
      { token },
      'mutation ($id: ID!) { updateEmployee(id: $id, input: { salary: 7654321 }) { salary } }',
      { id },
    );
    expect(data.updateEmployee.salary).toBe(7_654_321);
    await waitUntil(() => seen.length > 0);
    expect(seen.join()).not.toMatch(/salary|7654321/);
    client.destroy();
  });

  it('end a stream at the other immediately when its session ends', async () => {
    const { token: own } = await one.signIn('user');
    const there = await open(other, 'subscription { modelChanged { kind } }', own);
    await one.execute({ token: own }, 'mutation { logout { signedOutUserId } }');
    expect(await there.ended).toBe('complete');
    expect(there.results[0].errors[0].extensions.code).toBe('UNAUTHENTICATED');
  });

  it('ignore messages of other programs in Redis', async () => {
    const there = await open(other, employees);
    const client = createClient({ url: redis.url });
    await client.connect();
    const id = await someone();
    const row = await one.db.selectFrom('employee').selectAll().executeTakeFirstOrThrow();
    const state = {
      name: row.name,
      email: row.email,
      jobTitle: 'x',
      age: 3,
      hiredOn: '2020-01-01',
      departmentId: row.department_id,
      managerId: null,
    };
    const message = { kind: 'UPDATED', id: row.id, before: null, after: state };
    const texts = [
      'nonsense',
      '{}',
      'null',
      JSON.stringify({ from: 'me', message: { ...message, id: "'; drop table employee" } }),
      JSON.stringify({ from: 'me', message: { ...message, after: { ...state, salary: 1 } } }),
      JSON.stringify({ from: 'me', message: { ...message, kind: 'EXPLODED' } }),
      JSON.stringify({ from: 'me', message, padding: 'x'.repeat(300_000) }),
    ];
    for (const text of texts) await client.publish('auspex:@auspex:events:employee', text);
    await client.publish('auspex:@auspex:events:constructor', '{}');
    client.destroy();
    await setAge(id, 55);
    expect((await there.next()).data.employeeChanged.employee.age).toBe(55);
    expect(there.results).toHaveLength(1);
    there.stop();
  });

  it('deliver local events without delay while Redis is down, and all events once it is back', async () => {
    const [here, there] = [await open(one, employees), await open(other, employees)];
    const id = await someone();
    await redis.kill();
    const startedAt = performance.now();
    for (const age of [41, 42, 43]) await setAge(id, age);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    await waitUntil(() => here.results.length === 3, 'Local events');
    expect(agesOf(here).at(-1)).toBe(43);
    await redis.restart();
    await waitUntil(async () => (await spoken()) >= 2, 'Both replicas at Redis again');
    await waitUntil(async () => {
      await setAge(id, 50 + (there.results.length % 2));
      await setAge(id, 52);
      return there.results.length > 0;
    }, 'An event through Redis');
    await waitUntil(() => agesOf(here).at(-1) === 52 && agesOf(there).at(-1) === 52, 'The events since then');
    const before = [here.results.length, there.results.length];
    for (const age of [44, 45, 46]) await setAge(id, age);
    await waitUntil(
      () => agesOf(here).at(-1) === 46 && agesOf(there).at(-1) === 46 && there.results.length - (before[1] ?? 0) >= 3,
      'The last events',
    );
    expect([here.results.length - (before[0] ?? 0), there.results.length - (before[1] ?? 0)]).toEqual([3, 3]);
    for (const received of [here, there]) received.stop();
  });

  it('do not wait for Redis if it hangs', async () => {
    const here = await open(one, employees);
    const id = await someone();
    redis.pause();
    const startedAt = performance.now();
    for (const age of [21, 22, 23]) await setAge(id, age);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    await waitUntil(() => agesOf(here).at(-1) === 23, 'Local events');
    redis.resume();
    here.stop();
  });
});
