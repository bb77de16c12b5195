import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Binaries } from './binaries.js';
import type { Cluster } from './cluster.js';
import { codeOf } from '../../shared/error-code.js';
import { EmbeddedPostgresError } from './error.js';
import { CLEAN_ENVIRONMENT, isAlive, isRunningWith, runProgram } from './process.js';
import { asUser, type ServerUser } from './server-user.js';

/** A server that serves its cluster. */
export interface Postmaster {
  port: number;
}

/** What a launch needs to know. */
export interface LaunchOptions {
  binaries: Binaries;
  user: ServerUser | null;
  durable: boolean;
  /** Without it a free one is taken. */
  port: number | undefined;
}

const POLL_MS = 10;
const FAST_SHUTDOWN_MS = 20_000;
const IMMEDIATE_SHUTDOWN_MS = 5_000;
const LOG_TAIL_CHARACTERS = 1_500;

/** Long enough for a watchdog that has just found itself to be the last one to send its signal. */
const LAST_SIGNAL_MS = 300;

/**
 * The cluster's server, found serving or launched. There is no lock for two that start at once, since a lock can be left
 * behind: PostgreSQL lets only one server onto a cluster, and whoever launched a second one finds the first here.
 * @param mayBeStopping whether the gateway that used the server before may be about to stop it.
 * @throws EmbeddedPostgresError with the end of the server's log when it will not start.
 */
export async function findOrLaunchPostmaster(cluster: Cluster, options: LaunchOptions, mayBeStopping: boolean, deadline: number): Promise<Postmaster> {
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

/** Stops the cluster's server, if it runs: first as is proper, in the end by force. Returns when it is gone. */
export async function stopPostmaster(cluster: Cluster, binaries: Binaries, user: ServerUser | null): Promise<void> {
  if (process.platform === 'win32') {
    // Windows knows no signals; pg_ctl reaches the server another way.
    await runProgram(binaries.pgCtl, ['stop', '-D', cluster.dataDir, '-m', 'fast', '-w'], { user, cwd: cluster.folder, timeoutMs: FAST_SHUTDOWN_MS });
    return;
  }
  const pid = readPidFile(cluster)?.pid ?? 0;
  const steps = [
    { signal: 'SIGINT', patienceMs: FAST_SHUTDOWN_MS },
    { signal: 'SIGQUIT', patienceMs: IMMEDIATE_SHUTDOWN_MS },
    { signal: 'SIGKILL', patienceMs: IMMEDIATE_SHUTDOWN_MS },
  ] as const;
  for (const { signal, patienceMs } of steps) {
    if (!isPostmaster(pid, cluster)) return;
    sendSignal(pid, signal);
    await waitUntilGone(pid, cluster, patienceMs);
  }
}

/** For a server that does not serve in time; with the end of its log. */
export function startTimedOut(cluster: Cluster, cause?: unknown): EmbeddedPostgresError {
  const message = `The embedded PostgreSQL in ${cluster.folder} was not ready in time. The end of its log:\n${logTail(cluster)}`;
  return new EmbeddedPostgresError('START_TIMED_OUT', message, { cause });
}

interface PidFile {
  pid: number;
  port: number;
  status: string;
}

/** What the server says of itself; PostgreSQL's miscadmin.h gives the lines (LOCK_FILE_LINE_*). */
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

/** The way `spawnServer` starts it. A watchdog has the folder on its command line too, and may have got the id after a reboot. */
function isPostmaster(pid: number, { dataDir }: Cluster): boolean {
  return isRunningWith(pid, ['-D', dataDir]);
}

/**
 * PostgreSQL takes any process that has the id in its file for a server of its own, also a zombie or a stranger, and will not
 * start. Where the id is free the file stays: it leads PostgreSQL to what may be left of the old server.
 */
function removeStalePidFile({ dataDir }: Cluster, pid: number): void {
  if (isAlive(pid)) rmSync(pidFileIn(dataDir), { force: true });
}

/** Starts a server and waits until it serves; null where another one stands in its way, which is worth a second look. */
async function launch(cluster: Cluster, options: LaunchOptions, deadline: number): Promise<Postmaster | null> {
  const port = options.port ?? (await freePort());
  const ownLog = `${ownLogPrefix(cluster)}${process.pid}-${port}`;
  const server = spawnServer(cluster, options, port, ownLog);
  const outcome = await firstOutcome(server, cluster, deadline);

  if (typeof outcome === 'object' && isWorthAnotherTry(readTail(ownLog), options.port)) {
    rmSync(ownLog, { force: true });
    return null;
  }
  keepLog(cluster, ownLog);
  if (outcome === 'serves') return { port };
  if (outcome === 'is late') throw startTimedOut(cluster);
  const message = `The embedded PostgreSQL in ${cluster.folder} did not start: ${outcome.reason}. The end of its log:\n${logTail(cluster)}`;
  throw new EmbeddedPostgresError('SERVER_FAILED', message);
}

/** What became of a server that was just started; a late one is told to end. */
async function firstOutcome(server: ChildProcess, cluster: Cluster, deadline: number): Promise<'serves' | 'is late' | { reason: string }> {
  let failure: Error | undefined;
  server.once('error', (error) => {
    failure = error;
  });
  while (Date.now() < deadline) {
    const now = readPidFile(cluster);
    if (now && now.pid === server.pid && now.status === 'ready') return 'serves';
    if (failure) return { reason: String(failure) };
    if (server.exitCode !== null || server.signalCode !== null) return { reason: `it ended with ${server.exitCode ?? server.signalCode}` };
    await sleep(POLL_MS);
  }
  server.kill('SIGQUIT');
  return 'is late';
}

/** Another server on the cluster, the last backend of a killed one, or somebody who took the free port first. */
function isWorthAnotherTry(log: string, wantedPort: number | undefined): boolean {
  if (/lock file "postmaster.pid" (already exists|is empty)|pre-existing shared memory block/.test(log)) return true;
  return wantedPort === undefined && log.includes('could not bind');
}

function spawnServer(cluster: Cluster, { binaries, user, durable }: LaunchOptions, port: number, logFile: string): ChildProcess {
  const log = openSync(logFile, 'w', 0o600);
  try {
    const server = spawn(binaries.postgres, ['-D', cluster.dataDir, ...settings(port, durable)], {
      ...asUser(user),
      cwd: cluster.folder,
      env: CLEAN_ENVIRONMENT,
      // Out of the terminal's process group: Ctrl-C must not stop the server before the gateway has answered its last requests.
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
    jit: 'off', // it costs more than it saves on a gateway's short statements
    random_page_cost: 1.1, // disks turn no more: with the default of old an index is passed over that would lead straight to the rows
    timezone: 'UTC',
    log_timezone: 'UTC',
    // A statement's error goes to the gateway, which logs it; here it would only fill the disk, perhaps with secrets.
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
 * Each launch writes a log of its own, which becomes the cluster's log once it matters, so that one that lost the race does not
 * push the winner's aside. The one before is kept, to read of a crash; those before that go, so that logs stay small.
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

/** Of gateways that were killed during a launch. */
function removeAbandonedLogs(cluster: Cluster): void {
  const prefix = path.basename(ownLogPrefix(cluster));
  const ownLogs = readdirSync(cluster.folder).filter((name) => name.startsWith(prefix));
  const abandoned = ownLogs.filter((name) => !isAlive(Number.parseInt(name.slice(prefix.length), 10)));
  for (const name of abandoned) rmSync(path.join(cluster.folder, name), { force: true });
}

function logTail(cluster: Cluster): string {
  return readTail(logFileIn(cluster)) || '(there is none)';
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
      probe.close(() => (typeof address === 'object' && address ? resolve(address.port) : reject(new Error('The system gave no port.'))));
    });
  });
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error; // it ended by itself just now
  }
}

async function waitUntilGone(pid: number, cluster: Cluster, patienceMs: number): Promise<void> {
  const until = Date.now() + patienceMs;
  while (isPostmaster(pid, cluster) && Date.now() < until) await sleep(POLL_MS);
}
