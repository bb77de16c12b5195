import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createClient } from '@redis/client';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeWithRedis } from '../support/describe-with-redis.js';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { waitUntil } from '../support/wait-until.js';

const PAGE =
  'query ($first: Int) { employees(first: $first) { nodes { id name department { name } manager { name } } } }';
const PREDICT =
  'query ($km: Int!) { predictCarPrice(inputs: [{ company: "Tata", year: 2013, kmDriven: $km }]) { source } }';

/** Counts of limits are written every 250 ms. */
const afterWritesMs = 400;

describeWithRedis('a gateway with every use of Redis', () => {
  let redis: TestRedis;
  let gateway: TestGateway;
  let observer: ReturnType<typeof createClient>;
  /** What the gateway sends, without its checks of the connection. */
  let commands: string[] = [];

  beforeAll(async () => {
    redis = await startRedis();
    gateway = await startGateway({
      REDIS_URL: redis.url,
      RESPONSE_CACHE: 'true',
      QUERY_CACHE: 'true',
      RATE_LIMIT_PER_VIEWER: '100000',
      RATE_LIMIT_PREDICTION_ROWS: '100000',
    });
    await waitUntil(
      async () => (await gateway.execute('admin', PAGE, { first: 50 })).headers.get('age') !== null,
      'a response from the cache',
    );
    await gateway.execute('admin', PREDICT, { km: 1 });
    observer = createClient({ url: redis.url });
    await observer.connect();
    await observer.monitor((line) => {
      const [, client, command = ''] = /\[\d+ (\S+)\] "(\w+)"/.exec(line) ?? [];
      if (client === 'lua' || /write-check|"INFO"|"PING"/i.test(line)) return;
      commands.push(line.includes('auspex:@auspex:count:') ? 'count' : command.toLowerCase());
    });
  });
  afterAll(async () => {
    observer.destroy();
    await gateway.close();
    await redis.stop();
  });

  /** The round trips that a request waits for, and all commands until a moment after it, but counts and messages. */
  async function roundTrips(document: string, variables: Record<string, unknown>) {
    await sleep(afterWritesMs);
    commands = [];
    const { errors, headers } = await gateway.execute('admin', document, variables);
    expect(errors).toEqual([]);
    await sleep(afterWritesMs);
    const waits = /cache;[^,]*desc="(\d+) call/.exec(headers.get('server-timing') ?? '')?.[1];
    return {
      waits: Number(waits ?? 0),
      commands: commands.filter((command) => !['count', 'publish'].includes(command)),
    };
  }
  const write = ['evalsha'] as const;

  it('waits once for a page, whether it is cached or not', async () => {
    expect(await roundTrips(PAGE, { first: 49 })).toEqual({ waits: 1, commands: ['mget', ...write] });
    expect(await roundTrips(PAGE, { first: 49 })).toEqual({ waits: 1, commands: ['mget'] });
  });

  it('waits once for a prediction, whether it is cached or not', async () => {
    expect(await roundTrips(PREDICT, { km: 12_345 })).toEqual({ waits: 1, commands: ['evalsha', ...write] });
    expect(await roundTrips(PREDICT, { km: 12_345 })).toEqual({ waits: 1, commands: ['evalsha'] });
  });

  it('waits once for the invalidation by a mutation', async () => {
    const { data } = await gateway.execute<{ departments: { id: string }[] }>('admin', '{ departments { id } }');
    const input = {
      name: 'Ada Trips',
      email: 'ada.trips@example.com',
      age: 40,
      jobTitle: 'Engineer',
      jobLevel: 3,
      hiredOn: '2024-01-01',
      salary: 50_000,
      departmentId: data?.departments[0]?.id,
    };
    const create = 'mutation ($input: CreateEmployeeInput!) { createEmployee(input: $input) { __typename } }';
    const { waits, commands: sent } = await roundTrips(create, { input });
    expect({ waits, sent: [...new Set(sent)] }).toEqual({ waits: 1, sent: write });
  });

  it('counts many requests and rows together', async () => {
    await sleep(afterWritesMs);
    commands = [];
    const start = performance.now();
    for (let km = 0; km < 60; km += 1) await gateway.execute('admin', PREDICT, { km: 20_000 + km });
    const windows = (performance.now() - start) / 250 + 2;
    await sleep(afterWritesMs);
    const counts = commands.filter((command) => command === 'count').length;
    expect(counts).toBeGreaterThan(0);
    // One write of both limits each 250 ms, and one more of each limit after a second without requests.
    expect(counts).toBeLessThan(Math.min(60, windows + 4));
  });
});
