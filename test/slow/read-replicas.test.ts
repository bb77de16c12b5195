import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway, type AnyData, type Caller, type TestGateway } from '../support/gateway.js';
import { addPerson } from '../support/people.js';
import { freePort, reasonToSkipRedis, startRedis, type TestRedis } from '../support/redis.js';
import { startCluster, type TestCluster, type TestReplica } from '../support/replica.js';
import { waitUntil } from '../support/wait-until.js';

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

/** Starts a gateway without a response cache that reads from replicas with up to `readOwnWritesSeconds` of lag. */
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
  await waitUntil(() => allHaveAll());
  const followers = env.DATABASE_REPLICA_URLS === undefined ? servers.slice(1) : [];
  for (const server of followers) await waitUntil(async () => (await measured(gateway, 'replica_up', server)) === 1);
  return gateway;
}

const allHaveAll = async (): Promise<boolean> =>
  (await Promise.all(cluster.replicas.map((replica) => replica.hasCaughtUp()))).every(Boolean);

const pauseAll = async (): Promise<void> => {
  await Promise.all(cluster.replicas.map((replica) => replica.pause()));
};
const resumeAll = async (): Promise<void> => {
  await Promise.all(cluster.replicas.map((replica) => replica.resume()));
  await waitUntil(() => allHaveAll());
};

/** The value of a metric for a server. */
async function measured(gateway: TestGateway, name: string, server: string): Promise<number | null> {
  const text = await (await fetch(gateway.metricsUrl ?? '')).text();
  const line = new RegExp(`^auspex_database_${name}\\{.*server="${server}".*\\} (\\S+)$`, 'm').exec(text);
  return line ? Number(line[1]) : null;
}

const leftOut = ({ logs }: TestGateway): Record<string, unknown>[] =>
  logs.filter(({ msg }) => msg === 'replica excluded; reads go to the primary');

const servers = ['primary', 'replica-1', 'replica-2'];
const reads = (gateway: TestGateway): Promise<number[]> =>
  Promise.all(servers.map(async (server) => (await measured(gateway, 'reads_total', server)) ?? 0));

const title = 'query ($id: ID!) { employee(id: $id) { jobTitle } }';
const titleOf = async (gateway: TestGateway, caller: Caller, id: string): Promise<string | null> => {
  const response = await gateway.execute<AnyData>(caller, title, { id });
  expect(response.errors).toEqual([]);
  return (response.data?.employee?.jobTitle as string | undefined) ?? null;
};

const anyone = async (gateway: TestGateway): Promise<string> =>
  (await gateway.execute<AnyData>('admin', '{ employees(first: 1, filter: { search: "Analyst" }) { nodes { id } } }'))
    .data.employees.nodes[0].id as string;

let titles = 0;
async function rename(gateway: TestGateway, caller: Caller, id: string): Promise<string> {
  const jobTitle = `Analyst ${(titles += 1)}`;
  const response = await gateway.execute<AnyData>(
    caller,
    'mutation ($id: ID!, $jobTitle: String!) { updateEmployee(id: $id, input: { jobTitle: $jobTitle }) { jobTitle } }',
    { id, jobTitle },
  );
  expect(response).toMatchObject({ errors: [], data: { updateEmployee: { jobTitle } } });
  return jobTitle;
}

describe('reads with replicas', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await open(60);
  });

  it('use the replicas in turn, and mutations and reads of their author use the primary', async () => {
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

  it('of the author of a change see it immediately, by session and API key, and those of others once it is replicated', async () => {
    const id = await anyone(gateway);
    const { errors, data } = await gateway.execute<AnyData>(
      'admin',
      'mutation { createApiKey(name: "reader") { secret } }',
    );
    expect(errors).toEqual([]);
    await waitUntil(() => allHaveAll());
    await pauseAll();
    const before = await titleOf(gateway, 'user', id);
    const after = await rename(gateway, 'admin', id);
    expect(await titleOf(gateway, 'admin', id)).toBe(after);
    expect(await titleOf(gateway, { apiKey: data.createApiKey.secret }, id)).toBe(after);
    expect(await titleOf(gateway, 'user', id)).toBe(before);
    await resumeAll();
    for (let time = 0; time < 4; time++) expect(await titleOf(gateway, 'user', id)).toBe(after);
  });

  it('in a mutation use the primary: a new employee can be updated and deleted', async () => {
    const departmentId = (await gateway.execute<AnyData>('user', '{ departments { id } }')).data.departments[0]
      .id as string;
    await pauseAll();
    const input = {
      name: 'New Here',
      email: 'new.here@example.com',
      age: 30,
      jobTitle: 'Analyst',
      jobLevel: 1,
      hiredOn: '2026-01-05',
      salary: 1,
      departmentId,
    };
    const hired = await gateway.execute<AnyData>(
      'admin',
      'mutation ($input: CreateEmployeeInput!) { createEmployee(input: $input) { id department { name } } }',
      { input },
    );
    expect(hired.errors).toEqual([]);
    const { id } = hired.data.createEmployee as { id: string };
    await rename(gateway, 'admin', id);
    const removed = await gateway.execute<AnyData>(
      'admin',
      'mutation ($id: ID!) { deleteEmployee(id: $id) { deletedEmployeeId } }',
      { id },
    );
    expect(removed).toMatchObject({ errors: [], data: { deleteEmployee: { deletedEmployeeId: id } } });
    expect(await titleOf(gateway, 'admin', id)).toBeNull();
  });

  it('find a new account and a new prediction of the caller', async () => {
    await pauseAll();
    const registered = await gateway.execute<AnyData>(
      null,
      'mutation { register(input: { email: "just.here@example.com", password: "correct horse battery" }) { accessToken } }',
    );
    expect(registered.errors).toEqual([]);
    const caller = { token: registered.data.register.accessToken as string };
    expect((await gateway.execute<AnyData>(caller, '{ me { email } }')).data).toEqual({
      me: { email: 'just.here@example.com' },
    });

    const inputs = [{ company: 'Maruti', year: 2014, km_driven: 90_000 }];
    const predicted = await gateway.execute<AnyData>(
      'manager',
      'query ($inputs: [JSONObject!]!) { predict(model: "car-price", inputs: $inputs) { id } }',
      { inputs },
    );
    expect(predicted.errors).toEqual([]);
    const found = await gateway.execute<AnyData>('manager', '{ predictions(first: 1) { nodes { id } } }');
    expect(found).toMatchObject({ errors: [], data: { predictions: { nodes: predicted.data.predict } } });
  });

  it('reject a deactivated user immediately, because authentication uses the primary', async () => {
    const person = await addPerson(gateway);
    const key = await gateway.execute<AnyData>(
      { token: person.token },
      'mutation { createApiKey(name: "mine") { secret } }',
    );
    const caller = { apiKey: key.data.createApiKey.secret as string };
    expect((await gateway.execute(caller, '{ departments { name } }')).errors).toEqual([]);
    await pauseAll();
    const off = await gateway.execute<AnyData>(
      'admin',
      'mutation ($userId: ID!) { setUserActive(userId: $userId, isActive: false) { isActive } }',
      { userId: person.id },
    );
    expect(off.errors).toEqual([]);
    expect((await gateway.execute(caller, '{ departments { name } }')).errors).toMatchObject([
      { extensions: { code: 'UNAUTHENTICATED' } },
    ]);
  });
});

describe('cached responses', () => {
  it('never contain the state of a replica before a change', async () => {
    const gateway = await open(1, { RESPONSE_CACHE: 'true' });
    const id = await anyone(gateway);
    await titleOf(gateway, 'user', id);
    // Until the versions are old enough, so that responses of replicas are cached.
    const variables = (turn: number) => ({ id, turn });
    let turn = 0;
    await waitUntil(async () => {
      const before = await reads(gateway);
      await gateway.execute('user', title, variables((turn += 1)));
      const after = await reads(gateway);
      return after[0] === before[0];
    });
    await pauseAll();
    const after = await rename(gateway, 'admin', id);
    // Also other callers than the author read from the primary, because their responses are cached.
    for (let time = 0; time < 3; time++) expect(await titleOf(gateway, 'user', id)).toBe(after);
    expect(await titleOf(gateway, 'manager', id)).toBe(after);
  });
});

describe('a read replica', () => {
  it('is excluded while its lag exceeds the limit', async () => {
    const gateway = await open(1);
    const id = await anyone(gateway);
    await pauseAll();
    await rename(gateway, 'admin', id);
    const now = await titleOf(gateway, 'admin', id);
    await waitUntil(async () => (await titleOf(gateway, 'user', id)) === now);
    await waitUntil(
      async () =>
        (await measured(gateway, 'replica_up', 'replica-1')) === 0 &&
        (await measured(gateway, 'replica_up', 'replica-2')) === 0,
    );
    await waitUntil(() => leftOut(gateway).filter(({ reason }) => reason === 'lag exceeds the limit').length === 2);
    await resumeAll();
    await waitUntil(async () => (await measured(gateway, 'replica_up', 'replica-1')) === 1);
    const before = await reads(gateway);
    for (let time = 0; time < 4; time++) expect(await titleOf(gateway, 'user', id)).toBe(now);
    expect((await reads(gateway))[0]).toBe(before[0]);
  });

  it('may be killed under load: no request fails, and it is used again after a restart', async () => {
    const gateway = await open(5);
    const id = await anyone(gateway);
    const [replica] = cluster.replicas as [TestReplica];
    const load = underLoad(gateway, id);
    await waitUntil(async () => ((await measured(gateway, 'reads_total', 'replica-1')) ?? 0) > 50);
    await replica.kill();
    await waitUntil(async () => (await measured(gateway, 'replica_up', 'replica-1')) === 0);
    const succeededBefore = load.succeeded();
    await waitUntil(() => load.succeeded() > succeededBefore + 100);
    await replica.restart();
    const readsBefore = (await measured(gateway, 'reads_total', 'replica-1')) ?? 0;
    await waitUntil(
      async () => ((await measured(gateway, 'reads_total', 'replica-1')) ?? 0) > readsBefore + 50,
      'The change',
      20_000,
    );
    expect(await load.end()).toEqual([]);
    expect(leftOut(gateway).map(({ replica: name }) => name)).toContain('replica-1');
  });

  it('may hang under load: requests wait only until it is detected', async () => {
    const gateway = await open(5);
    const id = await anyone(gateway);
    const [replica] = cluster.replicas as [TestReplica];
    const load = underLoad(gateway, id);
    await waitUntil(async () => ((await measured(gateway, 'reads_total', 'replica-1')) ?? 0) > 50);
    await replica.freeze();
    try {
      await waitUntil(async () => (await measured(gateway, 'replica_up', 'replica-1')) === 0);
      const succeededBefore = load.succeeded();
      await waitUntil(() => load.succeeded() > succeededBefore + 100);
    } finally {
      await replica.thaw();
    }
    expect(await load.end()).toEqual([]);
    expect(load.longestMs()).toBeLessThan(4_000);
  });

  it('does not prevent the start if it is unreachable or belongs to another cluster', async () => {
    const other = await startCluster(1);
    try {
      const nowhere = `postgresql://someone:a-password@127.0.0.1:${await freePort()}/auspex`;
      const gateway = await open(5, {
        DATABASE_REPLICA_URLS: `${nowhere},${other.replicas[0]?.url ?? ''},${cluster.url}`,
      });
      await titleOf(gateway, 'user', await anyone(gateway));
      expect((await reads(gateway)).slice(1)).toEqual([0, 0]);
      // On a busy machine a replica may be late before it says what it is.
      const reasons = leftOut(gateway).map(({ replica, reason }) => `${String(replica)}: ${String(reason)}`);
      expect(reasons).toEqual(
        expect.arrayContaining([
          'replica-1: no response',
          'replica-2: it belongs to another cluster than the primary',
          'replica-3: not in recovery: it follows no primary',
        ]),
      );
      expect(JSON.stringify(gateway.logs)).not.toContain('a-password');
    } finally {
      await other.stop();
    }
  }, 60_000);
});

const reason = reasonToSkipRedis();
(reason === null ? describe : describe.skip)(
  `with gateways that share a Redis${reason === null ? '' : ` (${reason})`}`,
  () => {
    let redis: TestRedis;
    beforeAll(async () => {
      redis = await startRedis();
    });
    afterAll(() => redis.stop());

    it('the author of a change through one sees it through the other', async () => {
      const [one, other] = [await open(60, { REDIS_URL: redis.url }), await open(60, { REDIS_URL: redis.url })];
      const id = await anyone(one);
      await waitUntil(() =>
        [one, other].every(({ logs }) => logs.some(({ msg }) => msg === 'Redis connection established')),
      );
      await pauseAll();
      const before = await titleOf(other, 'user', id);
      const after = await rename(one, 'admin', id);
      expect(await titleOf(other, 'admin', id)).toBe(after);
      expect(await titleOf(other, 'user', id)).toBe(before);
    });
  },
);

/** Sends requests, eight at a time, until `end`, which returns the failures. */
function underLoad(gateway: TestGateway, id: string) {
  let isEnded = false;
  let returned = 0;
  let longestMs = 0;
  const failures: unknown[] = [];
  const execute = async (): Promise<void> => {
    while (!isEnded) {
      const startMs = performance.now();
      const response = await gateway
        .execute<AnyData>('user', title, { id })
        .catch((error: unknown) => ({ status: 0, errors: [error], data: null }));
      longestMs = Math.max(longestMs, performance.now() - startMs);
      if (
        response.status === 200 &&
        response.errors.length === 0 &&
        typeof response.data?.employee?.jobTitle === 'string'
      )
        returned += 1;
      else failures.push(response);
      await sleep(1);
    }
  };
  const requesting = Promise.all(Array.from({ length: 8 }, execute));
  return {
    succeeded: () => returned,
    longestMs: () => longestMs,
    async end(): Promise<unknown[]> {
      isEnded = true;
      await requesting;
      return failures;
    },
  };
}

describe('a start on a standby', () => {
  it('fails in one line that names DATABASE_REPLICA_URLS', async () => {
    const [standby] = cluster.replicas;
    await expect(startGateway({ DATABASE_URL: standby?.url ?? '' })).rejects.toThrow(
      /^The database \w+ at 127\.0\.0\.1:\d+ is a standby, which accepts no changes; name the primary in DATABASE_URL, and standbys in DATABASE_REPLICA_URLS\.$/,
    );
  });
});
