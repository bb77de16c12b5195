import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { systemErrorCode, EmbeddedPostgresError } from './errors.ts';
import { findBinaries, type Binaries } from './binaries.ts';
import { clusterFolder, openCluster, type Cluster } from './cluster.ts';
import {
  findOrLaunchPostmaster,
  startTimedOut,
  stopPostmaster,
  type LaunchOptions,
  type Postmaster,
} from './postmaster.ts';
import { canReach, serverUser, type ServerUser } from './server-user.ts';
import { claimServer, type Claim } from './claim.ts';

export { EmbeddedPostgresError };

/** A PostgreSQL server in a child process. */
export interface EmbeddedPostgres {
  /** Connection URL of the database, with the superuser's name and password. */
  url: string;
  /** PGDATA. */
  dataDir: string;
  port: number;
  /**
   * Releases the server, and stops it unless another process uses it. A watchdog does the same for a process that exits or is
   * killed without calling this.
   */
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  /** Data folder; created if absent, reused by later starts. */
  dir: string;
  /** Database name; created if absent. Default: `auspex`. */
  database?: string;
  /** False turns fsync off, for tests. Default: true. */
  durable?: boolean;
  /** Default: a free port. A running server keeps its port. */
  port?: number;
  startTimeoutMs?: number;
}

const START_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 5_000;
const RETRY_MS = 25;

/**
 * Starts PostgreSQL 18 from an npm package. The first start in a folder runs initdb; later starts reuse the data. Processes
 * that use the same folder share one server.
 * @throws EmbeddedPostgresError with the remedy in its message
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { database = 'auspex', durable = true, startTimeoutMs = START_TIMEOUT_MS } = options;
  const deadline = Date.now() + startTimeoutMs;

  const { cluster, binaries, user, claim } = await prepare(options.dir, durable, startTimeoutMs).catch(
    (error: unknown) => rejectFolder(options.dir, error),
  );
  const stop = once(async () => {
    if (claim.release()) await stopPostmaster(cluster, binaries, user);
  });
  try {
    const postmaster = await startServer(
      cluster,
      database,
      { binaries, user, durable, port: options.port },
      claim.isFirst,
      deadline,
    );
    return { url: urlOf(cluster, postmaster, database), dataDir: cluster.dataDir, port: postmaster.port, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * The data folder if DATA_DIR is not set: `.data` in the project. If root starts the gateway, PostgreSQL runs as another user,
 * who cannot enter every project (a checkout in /root); the folder is then in /var/lib/auspex, named after the project.
 */
export function defaultDataDir(projectDir: string): string {
  const project = path.resolve(projectDir);
  const inProject = path.join(project, '.data');
  const user = serverUser(clusterFolder(inProject));
  if (user === null || canReach(user, project)) return inProject;

  const shortHash = createHash('sha256').update(project).digest('hex').slice(0, 8);
  return path.join('/var/lib/auspex', `${path.basename(project)}-${shortHash}`);
}

interface Prepared {
  cluster: Cluster;
  binaries: Binaries;
  user: ServerUser | null;
  claim: Claim;
}

/** Prepares the disk: folder, programs, cluster, claim. */
async function prepare(requestedDir: string, durable: boolean, timeoutMs: number): Promise<Prepared> {
  const { dir, user } = openDataFolder(path.resolve(requestedDir));
  const binaries = await findBinaries(dir, user);
  const cluster = await openCluster(dir, binaries, user, { durable, timeoutMs });
  return { cluster, binaries, user, claim: claimServer(cluster, user) };
}

function rejectFolder(dir: string, error: unknown): never {
  if (error instanceof EmbeddedPostgresError) throw error;
  const message = `The data folder ${dir} cannot be used (${String(error)}): set DATA_DIR to a writable folder, or set DATABASE_URL.`;
  throw new EmbeddedPostgresError('DATA_DIR_UNUSABLE', message, { cause: error });
}

/** Creates the folder if absent, and lets the server's user enter it. */
function openDataFolder(requested: string): { dir: string; user: ServerUser | null } {
  const user = serverUser(clusterFolder(requested));
  if (user && !canReach(user, nearestFolder(path.dirname(requested)))) rejectUnreachable(user, requested);
  makeFolder(requested);
  if (user) grantAccess(user, requested);
  // Two paths to one folder must lead to the same server.
  return { dir: realpathSync(requested), user };
}

function nearestFolder(dir: string): string {
  return existsSync(dir) ? dir : nearestFolder(path.dirname(dir));
}

function makeFolder(dir: string): void {
  if (existsSync(dir)) return;
  makeFolder(path.dirname(dir));
  mkdirSync(dir, { recursive: true });
  chmodSync(dir, 0o755); // independent of the umask; the cluster inside is 0700
}

/** Lets others enter the folder itself; never changes the folders above it. */
function grantAccess(user: ServerUser, dir: string): void {
  if (canReach(user, dir)) return;
  chmodSync(dir, statSync(dir).mode | 0o011);
  if (!canReach(user, dir)) rejectUnreachable(user, dir);
}

function rejectUnreachable(user: ServerUser, dir: string): never {
  throw new EmbeddedPostgresError(
    'DATA_DIR_UNUSABLE',
    `PostgreSQL does not run as root, and ${user.name}, the user it runs as instead, cannot enter the data folder ${dir}: ` +
      'set DATA_DIR to a folder that every user may enter, such as /var/lib/auspex, or set DATABASE_URL.',
  );
}

/** Starts or finds a server that accepts connections, and creates the database. Its last user may stop a found server meanwhile. */
async function startServer(
  cluster: Cluster,
  database: string,
  options: LaunchOptions,
  mayBeStopping: boolean,
  deadline: number,
): Promise<Postmaster> {
  for (;;) {
    const postmaster = await findOrLaunchPostmaster(cluster, options, mayBeStopping, deadline);
    try {
      await ensureDatabase(cluster, postmaster, database);
      return postmaster;
    } catch (error) {
      if (!isServerGone(error)) throw error;
      if (Date.now() > deadline) throw startTimedOut(cluster, error);
      await sleep(RETRY_MS);
    }
  }
}

/** No response, or SQLSTATE admin_shutdown, crash_shutdown or cannot_connect_now. */
function isServerGone(error: unknown): boolean {
  return !(error instanceof pg.DatabaseError) || ['57P01', '57P02', '57P03'].includes(error.code ?? '');
}

async function ensureDatabase(cluster: Cluster, postmaster: Postmaster, database: string): Promise<void> {
  const exists = await withClient(urlOf(cluster, postmaster, database), () => Promise.resolve(true)).catch(
    (error: unknown) => {
      if (systemErrorCode(error) === '3D000') return false; // invalid_catalog_name
      throw error;
    },
  );
  if (exists) return;
  await withClient(urlOf(cluster, postmaster, 'postgres'), async (client) => {
    await client.query(`create database ${pg.escapeIdentifier(database)}`).catch((error: unknown) => {
      // duplicate_database, unique_violation: another process created it meanwhile.
      if (!['42P04', '23505'].includes(systemErrorCode(error) ?? '')) throw error;
    });
  });
}

async function withClient<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  client.on('error', () => {}); // a lost connection fails the pending call
  try {
    await client.connect();
    return await use(client);
  } finally {
    await client.end().catch(() => {});
  }
}

function urlOf(cluster: Cluster, { port }: Postmaster, database: string): string {
  return `postgresql://postgres:${encodeURIComponent(cluster.password)}@127.0.0.1:${port}/${encodeURIComponent(database)}`;
}

function once(action: () => Promise<void>): () => Promise<void> {
  let result: Promise<void> | undefined;
  return () => (result ??= action());
}
