import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import WebSocket from 'ws';
import { Callers, post, signIn } from '../kit/callers.js';
import { patience, startFaultGateway, type FaultGateway } from '../kit/fault-gateway.js';
import { expectPromiseKept, type Felt } from '../kit/fault-promise.js';
import { fillFaultStore } from '../kit/fault-store.js';
import type { Any } from '../kit/gateway.js';
import { startOwnPostgres, type OwnPostgres } from '../kit/own-postgres.js';
import { buildProgram, reachableFolder } from '../kit/process.js';
import { socketUrl } from '../kit/streams.js';
import { startProxy, type TcpProxy } from '../kit/tcp-proxy.js';
import { until } from '../kit/until.js';

/** For a connection, for a statement, and to notice that nothing comes any more; and for a busy machine. */
const longestMs = patience.connectionMs + patience.statementMs + patience.graceMs + 2_000;
/** What was sent into a network that swallows everything is given up after a statement's time, also once the network is there again. */
const swallowedMs = patience.statementMs + patience.graceMs + 2_000;

let dir: string;
let postgres: OwnPostgres;
let proxy: TcpProxy;
let gateway: FaultGateway;
let callers: Callers;

beforeAll(async () => {
  buildProgram();
  dir = await reachableFolder();
  const modelStore = path.join(dir, 'store');
  await fillFaultStore(modelStore);
  postgres = await startOwnPostgres();
  proxy = await startProxy(postgres.port);
  gateway = await startFaultGateway({ databaseUrl: postgres.url(proxy.port), modelStore, dir });
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

/** Holds what the callers felt of a fault that is over against the promise. */
const expectRecovery = (fault: string, felt: Pick<Felt, 'sinceMs' | 'overMs' | 'codes' | 'recoveryMs'>): Promise<void> =>
  expectPromiseKept(callers, { fault, longestMs, rows: (statement, values) => postgres.rows(statement, values), ...felt });

describe('PostgreSQL', () => {
  it('is away: every door says so, and that it is worth trying again', async () => {
    await callers.stop();
    const token = await signIn(gateway.url, 'user');
    await postgres.stop();
    try {
      const refusals = {
        'a query': await knock({ authorization: `Bearer ${token}` }, '{ me { email } }'),
        'a query with an error of another kind': await knock({ authorization: `Bearer ${token}` }, '{ me { email } employee(id: "nobody") { name } }'),
        'an API key': await knock({ 'x-api-key': `auspex_${'a'.repeat(43)}` }, '{ me { email } }'),
        'server-sent events': await knock({ authorization: `Bearer ${token}`, accept: 'text/event-stream' }, 'subscription { predictionRecorded { id } }'),
      };
      for (const [door, response] of Object.entries(refusals)) {
        const { errors }: Any = await response.json();
        const told = errors.find(({ extensions }: Any) => extensions.code === 'SERVICE_UNAVAILABLE')?.message;
        expect([door, response.status, response.headers.get('retry-after'), told]).toEqual([door, 503, '1', 'The database cannot be reached at the moment; try again in 1 s.']);
      }
      expect(await closeCodeOf(gateway.url, token)).toBe(1013);
      expect((await fetch(gateway.url.replace('/graphql', '/livez'))).status).toBe(200);
      expect((await fetch(gateway.url.replace('/graphql', '/readyz'))).status).toBe(503);
    } finally {
      await postgres.start();
    }
    await until(async () => (await knock({ authorization: `Bearer ${token}` }, '{ me { email } }')).status === 200);
  }, 60_000);

  it('is restarted', async () => {
    const sinceMs = performance.now();
    const linesBefore = gateway.logs().length;
    await postgres.stop();
    await sleep(1_000);
    await postgres.start();
    await expectRecovery('PostgreSQL restarted', { sinceMs, overMs: performance.now(), codes: ['SERVICE_UNAVAILABLE'] });
    const faults = gateway.logs().slice(linesBefore).filter(({ level, msg }) => Number(level) >= 40 && msg !== 'operation');
    // At most one of each part that looks after the database: the pool, the history, and those who follow tables.
    expect(faults.length).toBeLessThan(10);
  }, 60_000);

  it('is killed, and recovers what it had committed', async () => {
    const sinceMs = performance.now();
    await postgres.kill();
    await sleep(500);
    await postgres.start();
    await expectRecovery('PostgreSQL killed', { sinceMs, overMs: performance.now(), codes: ['SERVICE_UNAVAILABLE'] });
  }, 60_000);

  it('has its connections terminated, again and again', async () => {
    const sinceMs = performance.now();
    const admin = await postgres.connect();
    for (let round = 0; round < 40; round += 1) {
      await admin.query(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`);
      await sleep(50);
    }
    await admin.end();
    await expectRecovery('connections terminated 40 times in 2 s', { sinceMs, overMs: performance.now(), codes: ['SERVICE_UNAVAILABLE'] });
  }, 60_000);

  it('has its connections reset by the network, again and again', async () => {
    const sinceMs = performance.now();
    for (let round = 0; round < 40; round += 1) {
      proxy.reset();
      await sleep(50);
    }
    await expectRecovery('connections reset 40 times in 2 s', { sinceMs, overMs: performance.now(), codes: ['SERVICE_UNAVAILABLE'] });
  }, 60_000);

  it('is behind a network that swallows everything', async () => {
    const sinceMs = performance.now();
    proxy.blackhole();
    await sleep(4_000);
    proxy.restore();
    await expectRecovery('the network to the database swallowed everything for 4 s', { sinceMs, overMs: performance.now(), codes: ['SERVICE_UNAVAILABLE'], recoveryMs: swallowedMs });
  }, 60_000);

  it('has every connection of the pool taken by calls that wait for a lock', async () => {
    const sinceMs = performance.now();
    const holder = await postgres.connect();
    await holder.query('begin');
    await holder.query('lock table employee in access exclusive mode');
    await sleep(4_000);
    await holder.query('commit');
    await holder.end();
    await expectRecovery('a table locked for 4 s, the pool exhausted', { sinceMs, overMs: performance.now(), codes: ['SERVICE_UNAVAILABLE', 'TIMEOUT'] });
  }, 60_000);

  it('takes too long for one statement, which is given up, and the others are answered', async () => {
    await callers.stop();
    callers = await Callers.start({ urls: [gateway.url], readers: 0, writers: 0 });
    const token = await signIn(gateway.url, 'admin');
    await withSlowDepartments(await postgres.connect(), async () => {
      const sinceMs = performance.now();
      const { status, body } = await post(gateway.url, token, '{ departments { id name } }');
      expect([status, body.errors?.[0]?.extensions?.code]).toEqual([504, 'TIMEOUT']);
      expect(performance.now() - sinceMs).toBeLessThan(patience.statementMs + 1_500);
      expect(callers.calls.filter(({ kind, startMs, codes }) => kind === 'predict' && startMs > sinceMs && codes.length === 0).length).toBeGreaterThan(5);
    });
    await expectRecovery('a statement slower than its timeout', { sinceMs: 0, overMs: performance.now(), codes: [] });
  }, 60_000);
});

const knock = (headers: Record<string, string>, query: string): Promise<Response> =>
  fetch(gateway.url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify({ query }) });

/** With which a socket is closed that would be opened. */
async function closeCodeOf(url: string, token: string): Promise<number> {
  const socket = new WebSocket(socketUrl(url), 'graphql-transport-ws');
  socket.on('open', () => socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } })));
  const [code] = (await once(socket, 'close')) as [number];
  return code;
}

/** Makes a view of the departments whose reading takes for ever. */
async function withSlowDepartments(admin: pg.Client, use: () => Promise<void>): Promise<void> {
  await admin.query('alter table department rename to department_kept');
  await admin.query('create view department as select department_kept.* from department_kept, lateral (select pg_sleep(60)) as late');
  try {
    await use();
  } finally {
    await admin.query('drop view department');
    await admin.query('alter table department_kept rename to department');
    await admin.end();
  }
}
