import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createClient } from '@redis/client';
import { encodeId } from '../../src/graphql/id.js';
import { readConfig } from '../../src/config.js';
import { openApp, type App } from '../../src/app.js';
import { createLogger } from '../../src/shared/logger.js';
import { startGateway, type Any, type TestGateway } from '../kit/gateway.js';
import { reasonToSkipRedis, startRedis, type TestRedis } from '../kit/redis.js';
import { openEvents, until, type Heard } from '../kit/streams.js';

const reason = reasonToSkipRedis();
const describeWithRedis = reason === null ? describe : describe.skip;

describeWithRedis(`streams of two replicas that share a Redis${reason === null ? '' : ` (skipped: ${reason})`}`, () => {
  let redis: TestRedis;
  let one: TestGateway;
  let other: App;
  let token: string;

  beforeAll(async () => {
    redis = await startRedis();
    one = await startGateway({ REDIS_URL: redis.url, MAX_LOGINS_PER_ACCOUNT: '1000' });
    const env = { HOST: '127.0.0.1', PORT: '0', JWT_SECRET: one.secret, DATABASE_URL: one.databaseUrl, REDIS_URL: redis.url, LOG_LEVEL: 'silent', DATA_DIR: '/nonexistent' };
    other = await openApp(readConfig(env), createLogger('silent'));
    ({ token } = await one.signIn('admin'));
    await until(async () => (await spoken()) >= 2, 'Both replicas at Redis');
  });
  afterAll(async () => {
    await other.close();
    await one.close();
    await redis.stop();
  });

  /** Replicas that listen. */
  async function spoken(): Promise<number> {
    const client = createClient({ url: redis.url });
    await client.connect();
    const list: unknown = await client.sendCommand(['CLIENT', 'LIST', 'TYPE', 'pubsub']);
    client.destroy();
    return typeof list === 'string' ? list.split('\n').filter((line) => line.includes(' psub=1 ')).length : 0;
  }

  const open = async (app: { url: string }, query: string, by = token): Promise<Heard> => {
    const { heard, refusal } = await openEvents(app.url, { headers: { authorization: `Bearer ${by}` }, body: { query } });
    expect(refusal).toBeNull();
    return heard;
  };
  const employees = 'subscription { employeeChanged { kind employee { age salary } } }';
  const someone = async (): Promise<string> => encodeId('employee', (await one.db.selectFrom('employee').select('id').limit(1).executeTakeFirstOrThrow()).id);
  const setAge = async (id: string, age: number): Promise<void> => {
    const { errors } = await one.ask({ token }, 'mutation ($id: ID!, $age: Int) { updateEmployee(id: $id, input: { age: $age }) { id } }', { id, age });
    expect(errors).toEqual([]);
  };
  const agesOf = ({ answers }: Heard): number[] => answers.map(({ data }) => data.employeeChanged.employee.age as number);

  it('tell what happened at the other, once each', async () => {
    const [here, there] = [await open(one, employees), await open(other, employees)];
    const id = await someone();
    for (const age of [31, 32, 33]) await setAge(id, age);
    await until(() => here.answers.length >= 3 && there.answers.length >= 3, 'All events');
    expect(agesOf(here).at(-1)).toBe(33);
    await setAge(id, 34);
    await until(() => agesOf(here).at(-1) === 34 && agesOf(there).at(-1) === 34);
    expect([here.answers.length, there.answers.length]).toEqual([4, 4]);
    for (const heard of [here, there]) heard.stop();
  });

  it('tell of a change only when no answer that was kept is older than it', async () => {
    const id = await someone();
    const age = async (): Promise<number> => {
      const search = new URLSearchParams({ query: `{ employee(id: "${id}") { age } }` });
      const response = await fetch(`${other.url}?${search.toString()}`, { headers: { authorization: `Bearer ${token}`, 'apollo-require-preflight': 'true' } });
      return ((await response.json())).data.employee.age as number;
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

  it('tell of predictions that the other recorded', async () => {
    const there = await open(other, 'subscription { predictionRecorded { id } }');
    const { data } = await one.ask<Any>({ token }, '{ predict(model: "iris", inputs: [{ petal_length: 4.0, petal_width: 1.35 }]) { id } }');
    expect((await there.next()).data.predictionRecorded.id).toBe(data.predict[0].id);
    there.stop();
  });

  it('send no salary through Redis', async () => {
    const client = createClient({ url: redis.url });
    await client.connect();
    const seen: string[] = [];
    await client.pSubscribe('*', (message) => seen.push(message));
    const id = await someone();
    const { data } = await one.ask<Any>({ token }, 'mutation ($id: ID!) { updateEmployee(id: $id, input: { salary: 7654321 }) { salary } }', { id });
    expect(data.updateEmployee.salary).toBe(7_654_321);
    await until(() => seen.length > 0);
    expect(seen.join()).not.toMatch(/salary|7654321/);
    client.destroy();
  });

  it('end a stream at the other replica at once when its session ends', async () => {
    const { token: own } = await one.signIn('user');
    const there = await open(other, 'subscription { modelChanged { kind } }', own);
    await one.ask({ token: own }, 'mutation { logout }');
    expect(await there.ended).toBe('complete');
    expect(there.answers[0].errors[0].extensions.code).toBe('UNAUTHENTICATED');
  });

  it('leave out what others write into Redis', async () => {
    const there = await open(other, employees);
    const client = createClient({ url: redis.url });
    await client.connect();
    const id = await someone();
    const row = await one.db.selectFrom('employee').selectAll().executeTakeFirstOrThrow();
    const state = { name: row.name, email: row.email, jobTitle: 'x', age: 3, hiredOn: '2020-01-01', departmentId: row.department_id, managerId: null };
    const message = { kind: 'UPDATED', id: row.id, before: null, after: state };
    const texts = [
      'nonsense', '{}', 'null', JSON.stringify({ from: 'me', message: { ...message, id: "'; drop table employee" } }),
      JSON.stringify({ from: 'me', message: { ...message, after: { ...state, salary: 1 } } }), JSON.stringify({ from: 'me', message: { ...message, kind: 'EXPLODED' } }),
      JSON.stringify({ from: 'me', message, padding: 'x'.repeat(300_000) }),
    ];
    for (const text of texts) await client.publish('auspex:events:employee', text);
    await client.publish('auspex:events:constructor', '{}');
    client.destroy();
    await setAge(id, 55);
    expect((await there.next()).data.employeeChanged.employee.age).toBe(55);
    expect(there.answers).toHaveLength(1);
    there.stop();
  });

  it('go on without it, each for itself and no slower, and together again when it is back', async () => {
    const [here, there] = [await open(one, employees), await open(other, employees)];
    const id = await someone();
    await redis.kill();
    const startedAt = performance.now();
    for (const age of [41, 42, 43]) await setAge(id, age);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    await until(() => here.answers.length === 3, 'Local events');
    expect(agesOf(here).at(-1)).toBe(43);
    await redis.restart();
    await until(async () => (await spoken()) >= 2, 'Both replicas at Redis again');
    await until(async () => {
      await setAge(id, 50 + (there.answers.length % 2));
      await setAge(id, 52);
      return there.answers.length > 0;
    }, 'An event through Redis');
    await until(() => agesOf(here).at(-1) === 52 && agesOf(there).at(-1) === 52, 'What was told meanwhile');
    const before = [here.answers.length, there.answers.length];
    for (const age of [44, 45, 46]) await setAge(id, age);
    await until(() => agesOf(here).at(-1) === 46 && agesOf(there).at(-1) === 46 && there.answers.length - (before[1] ?? 0) >= 3, 'The last events');
    expect([here.answers.length - (before[0] ?? 0), there.answers.length - (before[1] ?? 0)]).toEqual([3, 3]);
    for (const heard of [here, there]) heard.stop();
  });

  it('do not wait for it where it hangs', async () => {
    const here = await open(one, employees);
    const id = await someone();
    redis.pause();
    const startedAt = performance.now();
    for (const age of [21, 22, 23]) await setAge(id, age);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    await until(() => agesOf(here).at(-1) === 23, 'Local events');
    redis.resume();
    here.stop();
  });
});
