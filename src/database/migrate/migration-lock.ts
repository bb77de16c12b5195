import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Logger } from '../../telemetry/logger.js';
import { secondsSince } from '../progress.js';
import { MigrationBlocked } from './migration-errors.js';

/** Any number that all replicas share. */
const lockId = 7_240_881_503;
const pauseMs = 250;
const reportMs = { first: 2_000, later: 10_000 };
/** A transaction that does nothing may be ended by a connection pooler. */
const keepAliveMs = 10_000;

export interface LockOptions {
  /** Limit of the wait for another process: its migrations may take minutes on a large table. */
  waitMs: number;
  log?: Logger | undefined;
  /** Ends the wait. */
  signal?: AbortSignal | undefined;
}

/**
 * Runs work while no other process migrates this database, and logs the wait for another one. The lock belongs to a transaction
 * of this connection, so that it also works through a connection pooler and ends with the connection. The transaction has no
 * snapshot and locks no table; nothing waits for it, not even `create index concurrently`.
 * @throws MigrationBlocked if another process migrates for longer than the limit
 */
export async function withMigrationLock<Result>(
  client: pg.Client,
  { waitMs, log, signal }: LockOptions,
  work: () => Promise<Result>,
): Promise<Result> {
  await takeLock(client, { waitMs, log, signal });
  const keepAlive = setInterval(() => {
    client.query('select 1').catch((error: unknown) => {
      clearInterval(keepAlive);
      log?.warn({ err: error }, 'migration lock lost; do not start other processes until the migrations have run');
    });
  }, keepAliveMs).unref();
  try {
    return await work();
  } finally {
    clearInterval(keepAlive);
    await client.query('rollback').catch(() => undefined); // a lost connection has released it
  }
}

/** Polls: a waiting statement would have a snapshot, for which `create index concurrently` of the other process would wait. */
async function takeLock(client: pg.Client, { waitMs, log, signal }: LockOptions): Promise<void> {
  const startMs = performance.now();
  let reportAtMs = startMs + reportMs.first;
  for (;;) {
    signal?.throwIfAborted();
    if (await tryLock(client)) return;
    const nowMs = performance.now();
    if (nowMs > startMs + waitMs) throw new MigrationBlocked(waitedFor(waitMs, await holderOf(client)));
    if (nowMs > reportAtMs) {
      reportAtMs = nowMs + reportMs.later;
      const fields = { waitedSeconds: secondsSince(startMs), holder: await holderOf(client) };
      log?.warn(fields, 'waiting for another process that migrates the database');
    }
    await sleep(pauseMs);
  }
}

/** Begins a transaction with the lock and without time limits, named after this process. @returns false if another has it */
async function tryLock(client: pg.Client): Promise<boolean> {
  const name = pg.escapeLiteral(`auspex migration on ${hostname()}, process ${process.pid}`.slice(0, 63));
  // The isolation level may be set for the role; a higher one would retain a snapshot.
  const results = (await client.query(
    `begin isolation level read committed;
     select set_config(name, '0', true) from pg_settings where name in ('idle_in_transaction_session_timeout', 'transaction_timeout');
     select set_config('application_name', ${name}, true);
     select pg_try_advisory_xact_lock(${lockId}) as "isTaken"`,
  )) as unknown as pg.QueryResult<{ isTaken: boolean }>[];
  if (results.at(-1)?.rows[0]?.isTaken === true) return true;
  await client.query('rollback');
  return false;
}

/** The process that has the lock, as far as this role may see it. */
interface LockHolder {
  pid: number;
  name: string | null;
  address: string | null;
  sinceSeconds: number | null;
}

async function holderOf(client: pg.Client): Promise<LockHolder | null> {
  const { rows } = await client.query<LockHolder>(
    `select pid, application_name as name, host(client_addr) as address,
       extract(epoch from clock_timestamp() - coalesce(xact_start, state_change))::integer as "sinceSeconds"
     from pg_locks join pg_stat_activity using (pid)
     where locktype = 'advisory' and granted and objsubid = 1 and (classid::bigint << 32) | objid::bigint = $1
       and database = (select oid from pg_database where datname = current_database())`,
    [lockId],
  );
  return rows[0] ?? null;
}

function waitedFor(waitMs: number, holder: LockHolder | null): string {
  const waited = `for ${waitMs / 1000} s`;
  if (holder === null)
    return `Another process has been migrating this database ${waited}; see what it waits for (select * from pg_stat_activity), and start again.`;
  const named = [holder.name, holder.address].filter((part) => part !== null && part !== '').join(' at ');
  return `Another process (server process ${holder.pid}${named === '' ? '' : `, ${named}`}) has been migrating this database ${waited}; see what it waits for (select * from pg_stat_activity where pid = ${holder.pid}), or end it (select pg_terminate_backend(${holder.pid})), and start again.`;
}
