import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import WebSocket from 'ws';
import { Callers, post, signIn } from '../support/callers.js';
import { startOutageGateway, timeouts, type OutageGateway } from '../support/outage-gateway.js';
import { expectResilience, type OutageExpectation } from '../support/outage-expectation.js';
import { fillOutageStore } from '../support/outage-store.js';
import type { AnyData } from '../support/gateway.js';
import { startDedicatedPostgres, type DedicatedPostgres } from '../support/dedicated-postgres.js';
import { buildProgram, reachableFolder } from '../support/process.js';
import { socketUrl } from '../support/streams.js';
import { startProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { waitUntil } from '../support/wait-until.js';

/** The timeouts of a connection and a statement, the grace period, and tolerance for a busy machine. */
const longestMs = timeouts.connectionMs + timeouts.statementMs + timeouts.graceMs + 2_000;
/** Statements lost in a blackholed network time out, also after the network has recovered. */
const swallowedMs = timeouts.statementMs + timeouts.graceMs + 2_000;

let dir: string;
let postgres: DedicatedPostgres;
let proxy: TcpProxy;
let gateway: OutageGateway;
let callers: Callers;

beforeAll(async () => {
  buildProgram();
  dir = await reachableFolder();
  const modelStore = path.join(dir, 'store');
  await fillOutageStore(modelStore);
  postgres = await startDedicatedPostgres();
  proxy = await startProxy(postgres.port);
  gateway = await startOutageGateway({ databaseUrl: postgres.url(proxy.port), modelStore, dir });
}, 120_000);

afterAll(async () => {
  await gateway.stop();
  await proxy.close();
  await postgres.close();
  await rm(dir, { recursive: true, force: true });
}, 60_000);

beforeEach(async () => {
  callers = await Callers.start({ urls: [gateway.url] });
  await callers.served();
}, 30_000);

afterEach(() => callers.stop());

/** Asserts that the impact of a past failure on the callers is within the promised limits. */
const expectRecovery = (
  outage: string,
  affected: Pick<OutageExpectation, 'sinceMs' | 'overMs' | 'codes' | 'recoveryMs'>,
): Promise<void> =>
  expectResilience(callers, {
    outage,
    longestMs,
    rows: (statement, values) => postgres.rows(statement, values),
    ...affected,
  });

describe('PostgreSQL', () => {
  it('may be stopped: every transport returns SERVICE_UNAVAILABLE with Retry-After', async () => {
    await callers.stop();
    const token = await signIn(gateway.url, 'user');
    await postgres.stop();
    try {
      const rejections = {
        'a query': await send({ authorization: `Bearer ${token}` }, '{ employees { totalCount } }'),
        'a query with another error': await send(
          { authorization: `Bearer ${token}` },
          '{ employees { totalCount } employee(id: "nobody") { name } }',
        ),
        'an API key': await send({ 'x-api-key': `auspex_${'a'.repeat(43)}` }, '{ me { email } }'),
        'server-sent events': await send(
          { authorization: `Bearer ${token}`, accept: 'text/event-stream' },
          'subscription { predictionRecorded { id } }',
        ),
      };
      for (const [kind, response] of Object.entries(rejections)) {
        const { errors }: AnyData = await response.json();
        const reported = errors.find(({ extensions }: AnyData) => extensions.code === 'SERVICE_UNAVAILABLE')?.message;
        expect([kind, response.status, response.headers.get('retry-after'), reported]).toEqual([
          kind,
          503,
          '1',
          'The database is unavailable; retry in 1 s.',
        ]);
      }
      expect(await closeCodeOf(gateway.url, token)).toBe(1013);
      expect((await fetch(gateway.url.replace('/graphql', '/livez'))).status).toBe(200);
      expect((await fetch(gateway.url.replace('/graphql', '/readyz'))).status).toBe(503);
    } finally {
      await postgres.start();
    }
    await waitUntil(async () => (await send({ authorization: `Bearer ${token}` }, '{ me { email } }')).status === 200);
  }, 60_000);

  it('may restart: the gateway recovers and logs few lines', async () => {
    const sinceMs = performance.now();
    const linesBefore = gateway.logs().length;
    await postgres.stop();
    await sleep(1_000);
    await postgres.start();
    await expectRecovery('PostgreSQL restarted', {
      sinceMs,
      overMs: performance.now(),
      codes: ['SERVICE_UNAVAILABLE'],
    });
    const problems = gateway
      .logs()
      .slice(linesBefore)
      .filter(({ level, msg }) => ['warn', 'error', 'fatal'].includes(String(level)) && msg !== 'operation');
    // At most one line of each component that uses the database: the pool, the history, and the watchers.
    expect(problems.length).toBeLessThan(10);
  }, 60_000);

  it('may be killed: no committed change is lost', async () => {
    const sinceMs = performance.now();
    await postgres.kill();
    await sleep(500);
    await postgres.start();
    await expectRecovery('PostgreSQL killed', { sinceMs, overMs: performance.now(), codes: ['SERVICE_UNAVAILABLE'] });
  }, 60_000);

  it('may terminate its connections repeatedly', async () => {
    const sinceMs = performance.now();
    const admin = await postgres.connect();
    for (let round = 0; round < 40; round += 1) {
      await admin.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
      );
      await sleep(50);
    }
    await admin.end();
    await expectRecovery('connections terminated 40 times in 2 s', {
      sinceMs,
      overMs: performance.now(),
      codes: ['SERVICE_UNAVAILABLE'],
    });
  }, 60_000);

  it('may have its connections reset repeatedly', async () => {
    const sinceMs = performance.now();
    for (let round = 0; round < 40; round += 1) {
      proxy.reset();
      await sleep(50);
    }
    await expectRecovery('connections reset 40 times in 2 s', {
      sinceMs,
      overMs: performance.now(),
      codes: ['SERVICE_UNAVAILABLE'],
    });
  }, 60_000);

  it('may be behind a network that drops all packets', async () => {
    const sinceMs = performance.now();
    proxy.blackhole();
    await sleep(4_000);
    proxy.restore();
    await expectRecovery('the network to the database blackholed for 4 s', {
      sinceMs,
      overMs: performance.now(),
      codes: ['SERVICE_UNAVAILABLE'],
      recoveryMs: swallowedMs,
    });
  }, 60_000);

  it('may block all connections of the pool on a lock', async () => {
    const sinceMs = performance.now();
    const holder = await postgres.connect();
    await holder.query('begin');
    await holder.query('lock table employee in access exclusive mode');
    await sleep(4_000);
    await holder.query('commit');
    await holder.end();
    await expectRecovery('a table locked for 4 s, the pool exhausted', {
      sinceMs,
      overMs: performance.now(),
      codes: ['SERVICE_UNAVAILABLE', 'TIMEOUT'],
    });
  }, 60_000);

  it('cancels a slow statement without affecting others', async () => {
    await callers.stop();
    callers = await Callers.start({ urls: [gateway.url], readers: 0, writers: 0 });
    const token = await signIn(gateway.url, 'admin');
    await withSlowDepartments(await postgres.connect(), async () => {
      const sinceMs = performance.now();
      const { status, body } = await post(gateway.url, token, '{ departments { id name } }');
      expect([status, body.errors?.[0]?.extensions?.code]).toEqual([504, 'TIMEOUT']);
      expect(performance.now() - sinceMs).toBeLessThan(timeouts.statementMs + 1_500);
      expect(
        callers.calls.filter(
          ({ kind, startMs, codes }) => kind === 'predict' && startMs > sinceMs && codes.length === 0,
        ).length,
      ).toBeGreaterThan(5);
    });
    await expectRecovery('a statement slower than its timeout', { sinceMs: 0, overMs: performance.now(), codes: [] });
  }, 60_000);
});

const send = (headers: Record<string, string>, query: string): Promise<Response> =>
  fetch(gateway.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query }),
  });

/** The close code of a new WebSocket. */
async function closeCodeOf(url: string, token: string): Promise<number> {
  const socket = new WebSocket(socketUrl(url), 'graphql-transport-ws');
  socket.on('open', () =>
    socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } })),
  );
  const [code] = (await once(socket, 'close')) as [number];
  return code;
}

/** Replaces the departments with a view that never finishes reading. */
async function withSlowDepartments(admin: pg.Client, use: () => Promise<void>): Promise<void> {
  await admin.query('alter table department rename to department_renamed');
  await admin.query(
    'create view department as select department_renamed.* from department_renamed, lateral (select pg_sleep(60)) as late',
  );
  try {
    await use();
  } finally {
    await admin.query('drop view department');
    await admin.query('alter table department_renamed rename to department');
    await admin.end();
  }
}
