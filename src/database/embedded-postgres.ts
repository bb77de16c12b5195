import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { findBinaries, type Binaries } from './embedded/binaries.js';
import { clusterFolder, openCluster, type Cluster } from './embedded/cluster.js';
import { codeOf } from '../shared/error-code.js';
import { EmbeddedPostgresError } from './embedded/error.js';
import { findOrLaunchPostmaster, startTimedOut, stopPostmaster, type LaunchOptions, type Postmaster } from './embedded/postmaster.js';
import { canReach, serverUser, type ServerUser } from './embedded/server-user.js';
import { claimServer, type Claim } from './embedded/users.js';

export { EmbeddedPostgresError };

/** A PostgreSQL server that runs beside the gateway. */
export interface EmbeddedPostgres {
  /** Of the asked-for database, with the superuser's name and password. */
  url: string;
  /** What PostgreSQL calls PGDATA. */
  dataDir: string;
  port: number;
  /**
   * Gives the server up, and stops it unless another gateway still uses it. A gateway that ends without this, or is killed,
   * takes its server with it all the same.
   */
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  /** Where everything lies, also over restarts; made if absent. */
  dir: string;
  /** Made if absent; `auspex` unless said otherwise. */
  database?: string;
  /** False gives up the safety of the data for speed, for tests; true unless said otherwise. */
  durable?: boolean;
  /** A free one unless said otherwise; a server that is found running keeps the port it has. */
  port?: number;
  startTimeoutMs?: number;
}

const START_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 5_000;
const RETRY_MS = 25;

/**
 * A real PostgreSQL 18 out of an npm package, for a gateway that was given no DATABASE_URL. The first start in a folder makes
 * the database; later ones find the data as it was left. A server that already serves the folder is shared.
 * @throws EmbeddedPostgresError with the next step in its message.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { database = 'auspex', durable = true, startTimeoutMs = START_TIMEOUT_MS } = options;
  const deadline = Date.now() + startTimeoutMs;

  const { cluster, binaries, user, claim } = await prepare(options.dir, durable, startTimeoutMs).catch((error: unknown) => refuseFolder(options.dir, error));
  const stop = once(async () => {
    if (claim.release()) await stopPostmaster(cluster, binaries, user);
  });
  try {
    const postmaster = await serve(cluster, database, { binaries, user, durable, port: options.port }, claim.isFirst, deadline);
    return { url: urlOf(cluster, postmaster, database), dataDir: cluster.dataDir, port: postmaster.port, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * Where data lies when DATA_DIR is not set: `.data` in the project, or, where root's PostgreSQL, which runs as somebody else,
 * cannot reach the project (a checkout in /root), a folder in /var/lib/auspex that is the project's own.
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

/** All that happens on the disk before a server is there. */
async function prepare(wantedDir: string, durable: boolean, timeoutMs: number): Promise<Prepared> {
  const { dir, user } = openDataFolder(path.resolve(wantedDir));
  const binaries = await findBinaries(dir, user);
  const cluster = await openCluster(dir, binaries, user, { durable, timeoutMs });
  return { cluster, binaries, user, claim: claimServer(cluster, user) };
}

function refuseFolder(dir: string, error: unknown): never {
  if (error instanceof EmbeddedPostgresError) throw error;
  const message = `The data folder ${dir} cannot be used (${String(error)}): set DATA_DIR to a folder that may be written, or set DATABASE_URL.`;
  throw new EmbeddedPostgresError('DATA_DIR_UNUSABLE', message, { cause: error });
}

/** Makes the folder if need be, and sees to it that the server's user can reach it. */
function openDataFolder(wanted: string): { dir: string; user: ServerUser | null } {
  const user = serverUser(clusterFolder(wanted));
  if (user && !canReach(user, nearestFolder(path.dirname(wanted)))) refuseUnreachable(user, wanted);
  makeFolder(wanted);
  if (user) letPass(user, wanted);
  // Two gateways may know one folder by two names, but must see that they mean the same server.
  return { dir: realpathSync(wanted), user };
}

function nearestFolder(dir: string): string {
  return existsSync(dir) ? dir : nearestFolder(path.dirname(dir));
}

function makeFolder(dir: string): void {
  if (existsSync(dir)) return;
  makeFolder(path.dirname(dir));
  mkdirSync(dir, { recursive: true });
  chmodSync(dir, 0o755); // whatever the umask: the cluster inside has a folder of its own that nobody else may enter
}

/** The folder itself may be opened, for it was given to us; those above it were not. */
function letPass(user: ServerUser, dir: string): void {
  if (canReach(user, dir)) return;
  chmodSync(dir, statSync(dir).mode | 0o011);
  if (!canReach(user, dir)) refuseUnreachable(user, dir);
}

function refuseUnreachable(user: ServerUser, dir: string): never {
  throw new EmbeddedPostgresError(
    'DATA_DIR_UNUSABLE',
    `PostgreSQL refuses to run as root, and ${user.name}, as whom it runs instead, cannot reach the data folder ${dir}: ` +
      'set DATA_DIR to a folder below one that everybody may enter, such as /var/lib/auspex, or set DATABASE_URL.',
  );
}

/** A server that answers, and has the database. One that was found may be stopped by its last user before it answers. */
async function serve(cluster: Cluster, database: string, options: LaunchOptions, mayBeStopping: boolean, deadline: number): Promise<Postmaster> {
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

/** No answer at all, or PostgreSQL's admin_shutdown, crash_shutdown or cannot_connect_now. */
function isServerGone(error: unknown): boolean {
  return !(error instanceof pg.DatabaseError) || ['57P01', '57P02', '57P03'].includes(error.code ?? '');
}

async function ensureDatabase(cluster: Cluster, postmaster: Postmaster, database: string): Promise<void> {
  const isThere = await withClient(urlOf(cluster, postmaster, database), () => Promise.resolve(true)).catch((error: unknown) => {
    if (codeOf(error) === '3D000') return false; // invalid_catalog_name
    throw error;
  });
  if (isThere) return;
  await withClient(urlOf(cluster, postmaster, 'postgres'), async (client) => {
    await client.query(`create database ${pg.escapeIdentifier(database)}`).catch((error: unknown) => {
      // duplicate_database and unique_violation: another gateway's first start was faster.
      if (!['42P04', '23505'].includes(codeOf(error) ?? '')) throw error;
    });
  });
}

async function withClient<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  client.on('error', () => {}); // whatever cuts the connection fails the call that is waiting
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
