import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../packages/embedded-postgres/src/index.ts';
import { withSearchPath } from './database.js';
import { freePort } from './redis.js';
import { waitUntil } from './wait-until.js';

/** A durable PostgreSQL of one test, which may stop and kill it. */
export interface DedicatedPostgres {
  port: number;
  /** URL of the database, by default with the port of the server. */
  url: (port?: number) => string;
  /** Stops it with a fast shutdown, which terminates sessions. */
  stop: () => Promise<void>;
  /** Stops it with an immediate shutdown, like a crash: the next start needs recovery. */
  kill: () => Promise<void>;
  /** Starts it again on the same port; resolves once it accepts connections. */
  start: () => Promise<void>;
  rows: <Row extends pg.QueryResultRow>(statement: string, values?: unknown[]) => Promise<Row[]>;
  /** Opens a connection that bypasses proxies. */
  connect: () => Promise<pg.Client>;
  close: () => Promise<void>;
}

export async function startDedicatedPostgres(): Promise<DedicatedPostgres> {
  const dir = await mkdtemp(path.join(tmpdir(), 'auspex-outage-'));
  const port = await freePort();
  const started: EmbeddedPostgres[] = [];
  const start = async (): Promise<EmbeddedPostgres> => {
    const server = await startEmbeddedPostgres({ dir, port });
    started.push(server);
    return server;
  };
  const { url: serverUrl, dataDir } = await start();

  const urlAt = (at = port): string => {
    const url = new URL(serverUrl);
    url.port = String(at);
    return url.href;
  };
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: withSearchPath(serverUrl), connectionTimeoutMillis: 5_000 });
    client.on('error', () => {}); // the test terminates this connection as well
    await client.connect();
    return client;
  };
  const processId = async (): Promise<number> =>
    Number((await readFile(path.join(dataDir, 'postmaster.pid'), 'utf8')).split('\n', 1)[0]);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const id = await processId();
    process.kill(id, signal);
    await waitUntil(() => !isRunning(id));
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

function isRunning(id: number): boolean {
  try {
    process.kill(id, 0);
    return true;
  } catch {
    return false;
  }
}
