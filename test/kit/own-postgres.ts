import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/database/embedded-postgres.js';
import { freePort } from './redis.js';
import { until } from './until.js';

/** A PostgreSQL of a test's own, which it may stop and kill. What it has committed is on the disk, as in production. */
export interface OwnPostgres {
  port: number;
  /** Of a database, reached over another port where one is given. */
  url: (port?: number) => string;
  /** Ends it as its service would (a fast shutdown: connections are told). */
  stop: () => Promise<void>;
  /** Ends it without a word, and with all that is only in memory. */
  kill: () => Promise<void>;
  /** Starts it again on the same port; resolves once it answers. */
  start: () => Promise<void>;
  rows: <Row extends pg.QueryResultRow>(statement: string, values?: unknown[]) => Promise<Row[]>;
  /** A connection of the test's own. */
  connect: () => Promise<pg.Client>;
  close: () => Promise<void>;
}

export async function startOwnPostgres(): Promise<OwnPostgres> {
  const dir = await mkdtemp(path.join(tmpdir(), 'auspex-faults-'));
  const port = await freePort();
  const started: EmbeddedPostgres[] = [];
  const start = async (): Promise<EmbeddedPostgres> => {
    const server = await startEmbeddedPostgres({ dir, port });
    started.push(server);
    return server;
  };
  const { url: ownUrl, dataDir } = await start();

  const urlAt = (at = port): string => {
    const url = new URL(ownUrl);
    url.port = String(at);
    return url.href;
  };
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: ownUrl, connectionTimeoutMillis: 5_000 });
    client.on('error', () => {}); // the test cuts it, too
    await client.connect();
    return client;
  };
  const processId = async (): Promise<number> => Number((await readFile(path.join(dataDir, 'postmaster.pid'), 'utf8')).split('\n', 1)[0]);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const id = await processId();
    process.kill(id, signal);
    await until(() => !isThere(id));
  };
  return {
    port,
    url: urlAt,
    stop: () => end('SIGINT'),
    kill: () => end('SIGQUIT'),
    start: () => start().then(() => undefined),
    connect,
    async rows(statement, values) {
      const client = await connect();
      const { rows } = await client.query(statement, values).finally(() => client.end());
      return rows;
    },
    async close() {
      for (const server of started) await server.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function isThere(id: number): boolean {
  try {
    process.kill(id, 0);
    return true;
  } catch {
    return false;
  }
}
