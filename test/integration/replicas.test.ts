import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway, type Any, type Asker, type TestGateway } from '../kit/gateway.js';
import { addPerson } from '../kit/people.js';
import { freePort, reasonToSkipRedis, startRedis, type TestRedis } from '../kit/redis.js';
import { startCluster, type TestCluster, type TestReplica } from '../kit/replica.js';
import { until } from '../kit/until.js';

let cluster: TestCluster;
const gateways: TestGateway[] = [];
beforeAll(async () => {
  cluster = await startCluster(2);
}, 60_000);
afterEach(async () => {
  for (const replica of cluster.replicas) await replica.resume();
});
afterAll(async () => {
  await Promise.all(gateways.map((gateway) => gateway.close()));
  await cluster.stop();
});

/** A gateway that is answered by replicas until they are `readOwnWritesSeconds` behind, and keeps no answers. */
async function open(readOwnWritesSeconds: number, env: Record<string, string> = {}): Promise<TestGateway> {
  const gateway = await startGateway({
    DATABASE_URL: cluster.url,
    DATABASE_REPLICA_URLS: cluster.replicas.map(({ url }) => url).join(','),
    READ_OWN_WRITES_SECONDS: String(readOwnWritesSeconds),
    DEMO_DATA: 'true',
    RESPONSE_CACHE: 'false',
    QUERY_CACHE: 'false',
    ...env,
  });
  gateways.push(gateway);
  await until(() => allHaveAll());
  const followers = env.DATABASE_REPLICA_URLS === undefined ? servers.slice(1) : [];
  for (const server of followers) await until(async () => (await measured(gateway, 'replica_up', server)) === 1);
  return gateway;
}

const allHaveAll = async (): Promise<boolean> => (await Promise.all(cluster.replicas.map((replica) => replica.hasAll()))).every(Boolean);

const pauseAll = async (): Promise<void> => {
  await Promise.all(cluster.replicas.map((replica) => replica.pause()));
};
const resumeAll = async (): Promise<void> => {
  await Promise.all(cluster.replicas.map((replica) => replica.resume()));
  await until(() => allHaveAll());
};

/** A metric's value for a server. */
async function measured(gateway: TestGateway, name: string, server: string): Promise<number | null> {
  const text = await (await fetch(gateway.metricsUrl ?? '')).text();
  const line = new RegExp(`^auspex_database_${name}\\{.*server="${server}".*\\} (\\S+)$`, 'm').exec(text);
  return line ? Number(line[1]) : null;
}

const leftOut = ({ logs }: TestGateway): Record<string, unknown>[] => logs.filter(({ msg }) => msg === 'a replica is left out; the primary answers in its place');

const servers = ['primary', 'replica-1', 'replica-2'];
const reads = (gateway: TestGateway): Promise<number[]> => Promise.all(servers.map(async (server) => (await measured(gateway, 'reads_total', server)) ?? 0));

const title = 'query ($id: ID!) { employee(id: $id) { jobTitle } }';
const titleOf = async (gateway: TestGateway, asker: Asker, id: string): Promise<string | null> => {
  const answer = await gateway.ask<Any>(asker, title, { id });
  expect(answer.errors).toEqual([]);
  return (answer.data?.employee?.jobTitle as string | undefined) ?? null;
};

const anyone = async (gateway: TestGateway): Promise<string> =>
  (await gateway.ask<Any>('admin', '{ employees(first: 1, filter: { search: "Analyst" }) { nodes { id } } }')).data.employees.nodes[0].id as string;

let titles = 0;
async function rename(gateway: TestGateway, asker: Asker, id: string): Promise<string> {
  const jobTitle = `Analyst ${(titles += 1)}`;
  const answer = await gateway.ask<Any>(asker, 'mutation ($id: ID!, $jobTitle: String!) { updateEmployee(id: $id, input: { jobTitle: $jobTitle }) { jobTitle } }', { id, jobTitle });
  expect(answer).toMatchObject({ errors: [], data: { updateEmployee: { jobTitle } } });
  return jobTitle;
}

describe('reads', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await open(60);
  });

  it('go to the replicas in turns, and mutations and whoever they are by to the primary', async () => {
    const id = await anyone(gateway);
    const before = await reads(gateway);
    for (let time = 0; time < 10; time++) await titleOf(gateway, 'user', id);
    const after = await reads(gateway);
    expect(after.map((count, index) => count - (before[index] ?? 0))).toEqual([0, 5, 5]);
    await rename(gateway, 'admin', id);
    await titleOf(gateway, 'admin', id);
    const [primary = 0, ...replicas] = await reads(gateway);
    expect(replicas).toEqual(after.slice(1));
    expect(primary).toBeGreaterThanOrEqual((after[0] ?? 0) + 2);
  });

  it('of who has changed something see the change at once, by session and by key, and those of others see it when it has arrived', async () => {
    const id = await anyone(gateway);
    const { errors, data } = await gateway.ask<Any>('admin', 'mutation { createApiKey(name: "reader") { secret } }');
    expect(errors).toEqual([]);
    await until(() => allHaveAll());
    await pauseAll();
    const before = await titleOf(gateway, 'user', id);
    const after = await rename(gateway, 'admin', id);
    expect(await titleOf(gateway, 'admin', id)).toBe(after);
    expect(await titleOf(gateway, { apiKey: data.createApiKey.secret }, id)).toBe(after);
    expect(await titleOf(gateway, 'user', id)).toBe(before);
    await resumeAll();
    for (let time = 0; time < 4; time++) expect(await titleOf(gateway, 'user', id)).toBe(after);
  });

  it('in a mutation see what was there before it: what was just hired can be changed and removed', async () => {
    const departmentId = (await gateway.ask<Any>('user', '{ departments { id } }')).data.departments[0].id as string;
    await pauseAll();
    const input = { name: 'New Here', email: 'new.here@example.com', age: 30, jobTitle: 'Analyst', jobLevel: 1, hiredOn: '2026-01-05', salary: 1, departmentId };
    const hired = await gateway.ask<Any>('admin', 'mutation ($input: CreateEmployeeInput!) { createEmployee(input: $input) { id department { name } } }', { input });
    expect(hired.errors).toEqual([]);
    const { id } = hired.data.createEmployee as { id: string };
    await rename(gateway, 'admin', id);
    const removed = await gateway.ask<Any>('admin', 'mutation ($id: ID!) { deleteEmployee(id: $id) }', { id });
    expect(removed).toMatchObject({ errors: [], data: { deleteEmployee: id } });
    expect(await titleOf(gateway, 'admin', id)).toBeNull();
  });

  it('of who has just registered find the account, and of who has just asked a model the prediction', async () => {
    await pauseAll();
    const registered = await gateway.ask<Any>(null, 'mutation { register(input: { email: "just.here@example.com", password: "correct horse battery" }) { accessToken } }');
    expect(registered.errors).toEqual([]);
    const asker = { token: registered.data.register.accessToken as string };
    expect((await gateway.ask<Any>(asker, '{ me { email } }')).data).toEqual({ me: { email: 'just.here@example.com' } });

    const inputs = [{ company: 'Maruti', year: 2014, km_driven: 90_000 }];
    const predicted = await gateway.ask<Any>('manager', 'query ($inputs: [JSONObject!]!) { predict(model: "car-price", inputs: $inputs) { id } }', { inputs });
    expect(predicted.errors).toEqual([]);
    const found = await gateway.ask<Any>('manager', '{ predictions(first: 1) { nodes { id } } }');
    expect(found).toMatchObject({ errors: [], data: { predictions: { nodes: predicted.data.predict } } });
  });

  it('who was switched off is refused at once, for who is calling is asked of the primary', async () => {
    const person = await addPerson(gateway);
    const key = await gateway.ask<Any>({ token: person.token }, 'mutation { createApiKey(name: "mine") { secret } }');
    const asker = { apiKey: key.data.createApiKey.secret as string };
    expect((await gateway.ask(asker, '{ departments { name } }')).errors).toEqual([]);
    await pauseAll();
    const off = await gateway.ask<Any>('admin', 'mutation ($userId: ID!) { setUserActive(userId: $userId, isActive: false) { isActive } }', { userId: person.id });
    expect(off.errors).toEqual([]);
    expect((await gateway.ask(asker, '{ departments { name } }')).errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }]);
  });
});

describe('answers that are kept', () => {
  it('are never those of a replica that had not heard of the change yet', async () => {
    const gateway = await open(1, { RESPONSE_CACHE: 'true' });
    const id = await anyone(gateway);
    await titleOf(gateway, 'user', id);
    // Until the versions are known long enough: replicas answer then, and their answers are kept.
    const variables = (turn: number) => ({ id, turn });
    let turn = 0;
    await until(async () => {
      const before = await reads(gateway);
      await gateway.ask('user', title, variables((turn += 1)));
      const after = await reads(gateway);
      return after[0] === before[0];
    });
    await pauseAll();
    const after = await rename(gateway, 'admin', id);
    // Not the author: whoever asks now is answered by the primary, since the answer will be given again.
    for (let time = 0; time < 3; time++) expect(await titleOf(gateway, 'user', id)).toBe(after);
    expect(await titleOf(gateway, 'manager', id)).toBe(after);
  });
});

describe('a replica', () => {
  it('that is too far behind is left out until it has caught up', async () => {
    const gateway = await open(1);
    const id = await anyone(gateway);
    await pauseAll();
    await rename(gateway, 'admin', id);
    const now = await titleOf(gateway, 'admin', id);
    await until(async () => (await titleOf(gateway, 'user', id)) === now);
    await until(async () => (await measured(gateway, 'replica_up', 'replica-1')) === 0 && (await measured(gateway, 'replica_up', 'replica-2')) === 0);
    await until(() => leftOut(gateway).filter(({ reason }) => reason === 'it is too far behind').length === 2);
    await resumeAll();
    await until(async () => (await measured(gateway, 'replica_up', 'replica-1')) === 1);
    const before = await reads(gateway);
    for (let time = 0; time < 4; time++) expect(await titleOf(gateway, 'user', id)).toBe(now);
    expect((await reads(gateway))[0]).toBe(before[0]);
  });

  it('that dies under load fails no request, and answers again when it is back', async () => {
    const gateway = await open(5);
    const id = await anyone(gateway);
    const [replica] = cluster.replicas as [TestReplica];
    const load = underLoad(gateway, id);
    await until(async () => ((await measured(gateway, 'reads_total', 'replica-1')) ?? 0) > 50);
    await replica.kill();
    await until(async () => (await measured(gateway, 'replica_up', 'replica-1')) === 0);
    const answeredBefore = load.answered();
    await until(() => load.answered() > answeredBefore + 100);
    await replica.restart();
    const readsBefore = (await measured(gateway, 'reads_total', 'replica-1')) ?? 0;
    await until(async () => ((await measured(gateway, 'reads_total', 'replica-1')) ?? 0) > readsBefore + 50, 20_000);
    expect(await load.end()).toEqual([]);
    expect(leftOut(gateway).map(({ replica: name }) => name)).toContain('replica-1');
  });

  it('that answers nothing any more holds nobody up for longer than it takes to find out', async () => {
    const gateway = await open(5);
    const id = await anyone(gateway);
    const [replica] = cluster.replicas as [TestReplica];
    const load = underLoad(gateway, id);
    await until(async () => ((await measured(gateway, 'reads_total', 'replica-1')) ?? 0) > 50);
    await replica.freeze();
    try {
      await until(async () => (await measured(gateway, 'replica_up', 'replica-1')) === 0);
      const answeredBefore = load.answered();
      await until(() => load.answered() > answeredBefore + 100);
    } finally {
      await replica.thaw();
    }
    expect(await load.end()).toEqual([]);
    expect(load.longestMs()).toBeLessThan(4_000);
  });

  it('that cannot be reached does not keep the gateway from starting, nor does one of another cluster that would answer', async () => {
    const other = await startCluster(1);
    try {
      const nowhere = `postgresql://someone:a-password@127.0.0.1:${await freePort()}/auspex`;
      const gateway = await open(5, { DATABASE_REPLICA_URLS: `${nowhere},${other.replicas[0]?.url ?? ''},${cluster.url}` });
      await titleOf(gateway, 'user', await anyone(gateway));
      expect((await reads(gateway)).slice(1)).toEqual([0, 0]);
      expect(leftOut(gateway).map(({ replica, reason }) => [replica, reason]).sort()).toEqual([
        ['replica-1', 'it does not answer'],
        ['replica-2', 'it is of another cluster than the primary'],
        ['replica-3', 'it follows no primary'],
      ]);
      expect(JSON.stringify(gateway.logs)).not.toContain('a-password');
    } finally {
      await other.stop();
    }
  }, 60_000);
});

const reason = reasonToSkipRedis();
(reason === null ? describe : describe.skip)(`across gateways that share a Redis${reason === null ? '' : ` (${reason})`}`, () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());

  it('who has changed something by one sees it by the other', async () => {
    const [one, other] = [await open(60, { REDIS_URL: redis.url }), await open(60, { REDIS_URL: redis.url })];
    const id = await anyone(one);
    await until(() => [one, other].every(({ logs }) => logs.filter(({ msg }) => msg === 'the cache in Redis is up').length >= 2));
    await pauseAll();
    const before = await titleOf(other, 'user', id);
    const after = await rename(one, 'admin', id);
    expect(await titleOf(other, 'admin', id)).toBe(after);
    expect(await titleOf(other, 'user', id)).toBe(before);
  });
});

/** Asks again and again, eight at a time, until it is ended, which gives whatever was not a right answer. */
function underLoad(gateway: TestGateway, id: string) {
  let isEnded = false;
  let answered = 0;
  let longestMs = 0;
  const failures: unknown[] = [];
  const ask = async (): Promise<void> => {
    while (!isEnded) {
      const startMs = performance.now();
      const answer = await gateway.ask<Any>('user', title, { id }).catch((error: unknown) => ({ status: 0, errors: [error], data: null }));
      longestMs = Math.max(longestMs, performance.now() - startMs);
      if (answer.status === 200 && answer.errors.length === 0 && typeof answer.data?.employee?.jobTitle === 'string') answered += 1;
      else failures.push(answer);
      await sleep(1);
    }
  };
  const asking = Promise.all(Array.from({ length: 8 }, ask));
  return {
    answered: () => answered,
    longestMs: () => longestMs,
    async end(): Promise<unknown[]> {
      isEnded = true;
      await asking;
      return failures;
    },
  };
}
