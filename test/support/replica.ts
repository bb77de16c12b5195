import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { appendFile, chmod, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../packages/embedded-postgres/src/index.ts';
import { freePort } from './redis.js';

/** A PostgreSQL primary with streaming replicas, for one test. */
export interface TestCluster {
  /** URL of an empty database on the primary. */
  url: string;
  replicas: TestReplica[];
  query<Row extends object>(text: string, values?: unknown[]): Promise<Row[]>;
  stop(): Promise<void>;
}

export interface TestReplica {
  url: string;
  /** Pauses WAL replay: received changes stay invisible. */
  pause(): Promise<void>;
  /** Resumes WAL replay. */
  resume(): Promise<void>;
  /** Whether it has replayed everything that the primary has written so far. */
  hasCaughtUp(): Promise<boolean>;
  query<Row extends object>(text: string, values?: unknown[]): Promise<Row[]>;
  /** Kills its processes. */
  kill(): Promise<void>;
  /** Suspends its processes: connections stay open without responses. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Starts it again after `kill`. */
  restart(): Promise<void>;
}

/**
 * Starts a primary and replicas. The folder of the stopped primary is copied, because the package does not contain
 * pg_basebackup.
 */
export async function startCluster(replicas: number, options: { database?: string } = {}): Promise<TestCluster> {
  const database = options.database ?? 'auspex';
  const dir = await mkdtemp(path.join(tmpdir(), 'auspex-cluster-'));
  await chmod(dir, 0o755); // as root, PostgreSQL runs as another user
  const port = await freePort();
  const primaryDir = path.join(dir, 'primary');
  await (await startEmbeddedPostgres({ dir: primaryDir, database, durable: false, port })).stop();
  const password = (await readFile(path.join(primaryDir, 'postgres', 'password'), 'utf8')).trim();
  const replicaDirs = Array.from({ length: replicas }, (_, index) => path.join(dir, `replica-${index + 1}`));
  for (const replicaDir of replicaDirs) {
    await cp(primaryDir, replicaDir, { recursive: true, preserveTimestamps: true });
    await configureStandby(replicaDir, primaryDir, `host=127.0.0.1 port=${port} user=postgres password=${password}`);
  }
  const primary = await startEmbeddedPostgres({ dir: primaryDir, database, durable: false, port });
  const standbys = await Promise.all(replicaDirs.map((replicaDir) => startReplica(replicaDir, database, primary.url)));
  return {
    url: primary.url,
    replicas: standbys,
    query: (text, values) => query(primary.url, text, values),
    async stop() {
      await Promise.all(standbys.map((replica) => replica.stop()));
      await primary.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Configures a copied folder as a standby with the same owner. */
async function configureStandby(replicaDir: string, primaryDir: string, connection: string): Promise<void> {
  const data = path.join(replicaDir, 'postgres', 'data');
  await writeFile(path.join(data, 'standby.signal'), '');
  await appendFile(
    path.join(data, 'postgresql.auto.conf'),
    `\nprimary_conninfo = '${connection}'\nwal_retrieve_retry_interval = '200ms'\n`,
  );
  const { uid, gid } = statSync(path.join(primaryDir, 'postgres', 'data'));
  // Includes the PostgreSQL binaries, which belong to the user that runs them.
  execFileSync('chown', ['-R', `${uid}:${gid}`, replicaDir]);
}

async function startReplica(
  dir: string,
  database: string,
  primaryUrl: string,
): Promise<TestReplica & { stop(): Promise<void> }> {
  let server: EmbeddedPostgres = await startEmbeddedPostgres({ dir, database, durable: false });
  const { port } = server;
  const execute = <Row extends object>(text: string, values?: unknown[]): Promise<Row[]> =>
    query<Row>(server.url, text, values);
  /** Also signals the children of the postmaster, which serve the connections. */
  const sendToAll = async (signal: NodeJS.Signals): Promise<void> => {
    const [pid = ''] = (await readFile(path.join(server.dataDir, 'postmaster.pid'), 'utf8')).split('\n');
    const children = execFileSync('ps', ['-o', 'pid=', '--ppid', pid])
      .toString()
      .split('\n')
      .map((line) => line.trim())
      .filter(Boolean);
    for (const child of [pid, ...children]) process.kill(Number(child), signal);
  };
  return {
    url: server.url,
    query: execute,
    async pause() {
      await execute('select pg_wal_replay_pause()');
      for (;;) {
        const [row] = await execute<{ state: string }>('select pg_get_wal_replay_pause_state() as state');
        if (row?.state === 'paused') return;
      }
    },
    async resume() {
      await execute('select pg_wal_replay_resume()');
    },
    async hasCaughtUp() {
      const [written] = await query<{ lsn: string }>(primaryUrl, 'select pg_current_wal_insert_lsn()::text as lsn');
      const [row] = await execute<{ has: boolean }>('select pg_last_wal_replay_lsn() >= $1::pg_lsn as has', [
        written?.lsn,
      ]);
      return row?.has === true;
    },
    async kill() {
      await sendToAll('SIGKILL');
      await server.stop();
    },
    freeze: () => sendToAll('SIGSTOP'),
    thaw: () => sendToAll('SIGCONT'),
    async restart() {
      server = await startEmbeddedPostgres({ dir, database, durable: false, port });
    },
    stop: async () => {
      await sendToAll('SIGCONT').catch(() => undefined);
      await server.stop();
    },
  };
}

async function query<Row extends object>(url: string, text: string, values?: unknown[]): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}
