import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Binaries } from './binaries.ts';
import type { Cluster } from './cluster.ts';
import { systemErrorCode, EmbeddedPostgresError } from './errors.ts';
import { CLEAN_ENVIRONMENT, isAlive, isRunningWith, runProgram } from './process.ts';
import { asUser, type ServerUser } from './server-user.ts';

/** A server that accepts connections. */
export interface Postmaster {
  port: number;
}

export interface LaunchOptions {
  binaries: Binaries;
  user: ServerUser | null;
  durable: boolean;
  /** Undefined: a free port. */
  port: number | undefined;
}

const POLL_MS = 10;
const FAST_SHUTDOWN_MS = 20_000;
const IMMEDIATE_SHUTDOWN_MS = 5_000;
const LOG_TAIL_CHARACTERS = 1_500;

/** Lets a watchdog that has just become the last user send its signal. */
const LAST_SIGNAL_MS = 300;

/**
 * Finds the cluster's running server, or launches one. Concurrent starts need no lock, which a crash could leave behind:
 * PostgreSQL allows one server per cluster, and a process whose launch fails finds the other server here.
 * @param mayBeStopping whether the previous user may be about to stop the server
 * @throws EmbeddedPostgresError with the end of the server's log if it does not start
 */
export async function findOrLaunchPostmaster(
  cluster: Cluster,
  options: LaunchOptions,
  mayBeStopping: boolean,
  deadline: number,
): Promise<Postmaster> {
  while (Date.now() < deadline) {
    const found = readPidFile(cluster);
    if (found && isPostmaster(found.pid, cluster)) {
      if (mayBeStopping) await sleep(LAST_SIGNAL_MS);
      const now = readPidFile(cluster);
      if (now?.pid === found.pid && now.status === 'ready' && isPostmaster(now.pid, cluster)) return { port: now.port };
    } else {
      if (found) removeStalePidFile(cluster, found.pid);
      const launched = await launch(cluster, options, deadline);
      if (launched) return launched;
    }
    await sleep(POLL_MS);
  }
  throw startTimedOut(cluster);
}

/** Stops the cluster's server: a fast shutdown, then an immediate one, then SIGKILL. Resolves once it has exited. */
export async function stopPostmaster(cluster: Cluster, binaries: Binaries, user: ServerUser | null): Promise<void> {
  if (process.platform === 'win32') {
    // Windows has no signals.
    await runProgram(binaries.pgCtl, ['stop', '-D', cluster.dataDir, '-m', 'fast', '-w'], {
      user,
      cwd: cluster.folder,
      timeoutMs: FAST_SHUTDOWN_MS,
    });
    return;
  }
  const pid = readPidFile(cluster)?.pid ?? 0;
  const steps = [
    { signal: 'SIGINT', timeoutMs: FAST_SHUTDOWN_MS },
    { signal: 'SIGQUIT', timeoutMs: IMMEDIATE_SHUTDOWN_MS },
    { signal: 'SIGKILL', timeoutMs: IMMEDIATE_SHUTDOWN_MS },
  ] as const;
  for (const { signal, timeoutMs } of steps) {
    if (!isPostmaster(pid, cluster)) return;
    sendSignal(pid, signal);
    await waitUntilGone(pid, cluster, timeoutMs);
  }
}

/** The error for a start that timed out, with the end of the server's log. */
export function startTimedOut(cluster: Cluster, cause?: unknown): EmbeddedPostgresError {
  const message = `The embedded PostgreSQL in ${cluster.folder} was not ready in time. The end of its log:\n${logTail(cluster)}`;
  return new EmbeddedPostgresError('START_TIMED_OUT', message, { cause });
}

interface PidFile {
  pid: number;
  port: number;
  status: string;
}

/** Parses postmaster.pid; for its lines see LOCK_FILE_LINE_* in PostgreSQL's miscadmin.h. */
function readPidFile({ dataDir }: Cluster): PidFile | null {
  try {
    const lines = readFileSync(pidFileIn(dataDir), 'utf8').split('\n');
    return { pid: Number(lines[0]), port: Number(lines[3]), status: lines[7]?.trim() ?? '' };
  } catch {
    return null;
  }
}

function pidFileIn(dataDir: string): string {
  return path.join(dataDir, 'postmaster.pid');
}

/** Matches the arguments of `spawnServer`: a watchdog's command line holds the folder, too, and may reuse the pid. */
function isPostmaster(pid: number, { dataDir }: Cluster): boolean {
  return isRunningWith(pid, ['-D', dataDir]);
}

/**
 * PostgreSQL does not start while any process has the pid in its file, also an unrelated one. If no process has it, the file
 * stays: PostgreSQL cleans up after the old server by it.
 */
function removeStalePidFile({ dataDir }: Cluster, pid: number): void {
  if (isAlive(pid)) rmSync(pidFileIn(dataDir), { force: true });
}

/** Launches a server and waits until it is ready. @returns null if another server is in the way: look again */
async function launch(cluster: Cluster, options: LaunchOptions, deadline: number): Promise<Postmaster | null> {
  const port = options.port ?? (await freePort());
  const ownLog = `${ownLogPrefix(cluster)}${process.pid}-${port}`;
  const server = spawnServer(cluster, options, port, ownLog);
  const outcome = await firstOutcome(server, cluster, deadline);

  if (typeof outcome === 'object' && isRetryable(readTail(ownLog), options.port)) {
    rmSync(ownLog, { force: true });
    return null;
  }
  keepLog(cluster, ownLog);
  if (outcome === 'ready') return { port };
  if (outcome === 'timed-out') throw startTimedOut(cluster);
  const message = `The embedded PostgreSQL in ${cluster.folder} did not start: ${outcome.reason}. The end of its log:\n${logTail(cluster)}`;
  throw new EmbeddedPostgresError('SERVER_FAILED', message);
}

/** Waits until the launched server is ready, has exited or timed out; stops it if it timed out. */
async function firstOutcome(
  server: ChildProcess,
  cluster: Cluster,
  deadline: number,
): Promise<'ready' | 'timed-out' | { reason: string }> {
  let failure: Error | undefined;
  server.once('error', (error) => {
    failure = error;
  });
  while (Date.now() < deadline) {
    const now = readPidFile(cluster);
    if (now && now.pid === server.pid && now.status === 'ready') return 'ready';
    if (failure) return { reason: String(failure) };
    if (server.exitCode !== null || server.signalCode !== null)
      return { reason: `it exited with ${server.exitCode ?? server.signalCode}` };
    await sleep(POLL_MS);
  }
  server.kill('SIGQUIT');
  return 'timed-out';
}

/** Whether another server, the last backend of a killed one, or a port that was taken meanwhile prevented the launch. */
function isRetryable(log: string, requestedPort: number | undefined): boolean {
  if (/lock file "postmaster.pid" (already exists|is empty)|pre-existing shared memory block/.test(log)) return true;
  return requestedPort === undefined && log.includes('could not bind');
}

function spawnServer(
  cluster: Cluster,
  { binaries, user, durable }: LaunchOptions,
  port: number,
  logFile: string,
): ChildProcess {
  const log = openSync(logFile, 'w', 0o600);
  try {
    const server = spawn(binaries.postgres, ['-D', cluster.dataDir, ...settings(port, durable)], {
      ...asUser(user),
      cwd: cluster.folder,
      env: CLEAN_ENVIRONMENT,
      // Outside the terminal's process group: Ctrl-C must not stop the server before the gateway has drained.
      detached: true,
      stdio: ['ignore', log, log],
      windowsHide: true,
    });
    server.unref();
    return server;
  } finally {
    closeSync(log);
  }
}

function settings(port: number, durable: boolean): string[] {
  const values = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: 100,
    max_wal_size: '256MB',
    jit: 'off', // costs more than it saves on short statements
    random_page_cost: 1.1, // for SSDs; the default of 4 makes the planner avoid indexes
    timezone: 'UTC',
    log_timezone: 'UTC',
    // The gateway logs errors of statements; here they would fill the disk, perhaps with secrets.
    log_min_messages: 'log',
    log_checkpoints: 'off',
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  };
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

function logFileIn({ folder }: Cluster): string {
  return path.join(folder, 'server.log');
}

/**
 * Renames a launch's log to server.log, and the previous one to server.log.1. Each launch writes its own file, so that a launch
 * that lost a race does not replace the winner's log.
 */
function keepLog(cluster: Cluster, ownLog: string): void {
  const log = logFileIn(cluster);
  if (existsSync(log)) renameSync(log, `${log}.1`);
  renameSync(ownLog, log);
  removeAbandonedLogs(cluster);
}

function ownLogPrefix(cluster: Cluster): string {
  return `${logFileIn(cluster)}.of-`;
}

/** Removes logs of processes that were killed during a launch. */
function removeAbandonedLogs(cluster: Cluster): void {
  const prefix = path.basename(ownLogPrefix(cluster));
  const ownLogs = readdirSync(cluster.folder).filter((name) => name.startsWith(prefix));
  const abandoned = ownLogs.filter((name) => !isAlive(Number.parseInt(name.slice(prefix.length), 10)));
  for (const name of abandoned) rmSync(path.join(cluster.folder, name), { force: true });
}

function logTail(cluster: Cluster): string {
  return readTail(logFileIn(cluster)) || '(empty)';
}

function readTail(file: string): string {
  try {
    return readFileSync(file, 'utf8').slice(-LOG_TAIL_CHARACTERS).trim();
  } catch {
    return '';
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() =>
        typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no free port')),
      );
    });
  });
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (systemErrorCode(error) !== 'ESRCH') throw error; // already exited
  }
}

async function waitUntilGone(pid: number, cluster: Cluster, timeoutMs: number): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (isPostmaster(pid, cluster) && Date.now() < deadline) await sleep(POLL_MS);
}
