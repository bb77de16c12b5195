import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { rm } from 'node:fs/promises';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../kit/database.js';
import { reasonToSkipNginx, startNginx, type TestNginx } from '../kit/nginx.js';
import { buildProgram, reachableFolder, startProgram, type TestProcess } from '../kit/process.js';
import { freePort, reasonToSkipRedis, startRedis, type TestRedis } from '../kit/redis.js';
import { startTraffic, type Traffic } from '../kit/traffic.js';
import { until } from '../kit/until.js';

const reason = reasonToSkipNginx() ?? reasonToSkipRedis();
const startMs = 120_000;

let folder: string;
let database: TestDatabase;
let redis: TestRedis;
let nginx: TestNginx;
let ports: number[];
const replicas: TestProcess[] = [];

(reason === null ? describe : describe.skip)(`two replicas behind nginx${reason === null ? '' : ` (skipped: ${reason})`}`, () => {
  beforeAll(async () => {
    buildProgram();
    folder = await reachableFolder();
    [database, redis, ports] = await Promise.all([createTestDatabase(), startRedis(), Promise.all([freePort(), freePort()])]);
    replicas.push(...ports.map(startReplica));
    nginx = await startNginx(ports);
    await Promise.all(replicas.map((replica) => replica.ready(startMs)));
  }, 2 * startMs);
  afterAll(async () => {
    for (const replica of replicas) replica.signal('SIGKILL');
    await Promise.all(replicas.map((replica) => replica.ended));
    await nginx.stop();
    await Promise.all([redis.stop(), database.drop()]);
    await rm(folder, { recursive: true, force: true });
  });

  it('are each replaced twice under load, and no request is lost, none done twice, and nobody is left without a stream', async () => {
    const traffic = await startTraffic(`${nginx.url}/graphql`);
    try {
      await grows(traffic);
      for (const place of [0, 1, 0, 1]) {
        await replace(place);
        await grows(traffic);
      }
      await until(() => [traffic.socket, traffic.eventStream].every(({ connections }) => connections > 1));
      await grows(traffic);
    } finally {
      await traffic.stop();
    }

    expect(traffic.failures).toEqual([]);
    const hired = await rowsOf("select email from employee where email like 'hired-%' order by email");
    expect(hired.map(({ email }) => email)).toEqual([...traffic.hired].sort());
    const predicted = await rowsOf('select id from prediction order by id');
    expect(predicted.map(({ id }) => id)).toEqual([...traffic.predicted].sort());
    // 1001 is the only way in which a stream ended, but for the client's own goodbye: its client came back each time.
    expect(traffic.socket).toMatchObject({ failure: null, closes: [...Array<number>(traffic.socket.connections - 1).fill(1001), 1000] });
    expect(traffic.eventStream.failure).toBeNull();
    for (const replica of replicas) replica.signal('SIGTERM');
    expect(await Promise.all(replicas.map(({ ended }) => ended))).toEqual([0, 0]);
  }, 600_000);
});

function startReplica(port: number): TestProcess {
  return startProgram('main.js', {
    cwd: folder,
    env: {
      NODE_ENV: 'production',
      HOST: '127.0.0.1',
      PORT: String(port),
      TRUST_PROXY: '1',
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      DATA_DIR: folder,
      DEMO_DATA: 'true',
      JWT_SECRET: 'kHq3v9ZtL0mWcXy7RbNfD2sPaGjUeTiO4w',
      INFERENCE_THREADS: '1',
      RATE_LIMIT_PER_VIEWER: '0',
      RATE_LIMIT_PER_ADDRESS: '0',
      // More than nginx' fail_timeout, as ops/nginx/auspex.conf has it.
      SHUTDOWN_DELAY_SECONDS: '3',
    },
  });
}

/** As a deployment does it: tells it to stop, starts the next one in its place, and goes on once that is ready. */
async function replace(place: number): Promise<void> {
  replicas[place]?.signal('SIGTERM');
  expect([await replicas[place]?.ended, replicas[place]?.stderr()]).toEqual([0, '']);
  const next = startReplica(ports[place] ?? 0);
  replicas[place] = next;
  await next.ready(startMs);
}

/** Waits until everyone has been answered some more times, and the subscribers have heard more. */
async function grows({ answered, socket, eventStream, failures }: Traffic): Promise<void> {
  const before = { ...answered, heard: [socket.events, eventStream.events] };
  await until(() => {
    if (failures.length > 0) throw new Error(failures.slice(0, 5).join('\n'));
    const isHeard = [socket, eventStream].every(({ events }, place) => events > (before.heard[place] ?? 0));
    return isHeard && (Object.keys(answered) as (keyof typeof answered)[]).every((asked) => answered[asked] > before[asked] + 20);
  }, 60_000);
}

async function rowsOf(statement: string): Promise<Record<string, string>[]> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const { rows } = await client.query<Record<string, string>>(statement).finally(() => client.end());
  return rows;
}
