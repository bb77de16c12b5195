import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openForAll } from './models.js';
import { freePort, isListening } from './redis.js';
import { waitUntil } from './wait-until.js';

/** PgBouncer in transaction mode, with its defaults. */
export interface TestPgBouncer {
  /** The URL of a database of the server through PgBouncer. */
  urlOf: (databaseUrl: string) => string;
  stop: () => Promise<void>;
}

const program = 'pgbouncer';

/**
 * @returns why tests with PgBouncer must be skipped here; null if they can run.
 * @throws Error in CI, where a skipped test must not count as passed
 */
export function reasonToSkipPgBouncer(): string | null {
  if (spawnSync(program, ['--version']).status === 0) return null;
  const reason = 'pgbouncer is not on the PATH; install it to run these tests';
  if (process.env.CI) throw new Error(reason);
  return reason;
}

/** Starts PgBouncer in front of the server of `databaseUrl`. */
export async function startPgBouncer(
  databaseUrl: string,
  { poolSize = 4 }: { poolSize?: number } = {},
): Promise<TestPgBouncer> {
  const server = new URL(databaseUrl);
  const port = await freePort();
  const folder = await mkdtemp(path.join(tmpdir(), 'auspex-pgbouncer-'));
  const users = path.join(folder, 'users.txt');
  await writeFile(users, `"${decodeURIComponent(server.username)}" "${decodeURIComponent(server.password)}"\n`);
  const file = path.join(folder, 'pgbouncer.ini');
  await writeFile(
    file,
    `[databases]
* = host=${server.hostname} port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = transaction
default_pool_size = ${poolSize}
`,
  );
  openForAll(folder);
  await chmod(folder, 0o755);
  // It refuses to start as root.
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const bouncer = spawn(program, [...user, file], { stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  for (const stream of [bouncer.stdout, bouncer.stderr]) stream.on('data', (text: Buffer) => (log += text.toString()));
  await waitUntil(async () => bouncer.exitCode !== null || (await isListening(port)), 'PgBouncer');
  if (bouncer.exitCode !== null) throw new Error(`PgBouncer did not start: ${log || (await readFile(file, 'utf8'))}`);
  return {
    urlOf(url) {
      const bounced = new URL(url);
      [bounced.hostname, bounced.port] = ['127.0.0.1', String(port)];
      // Nor does it accept options, such as a search path.
      bounced.search = '';
      return bounced.href;
    },
    async stop() {
      const exited = once(bouncer, 'exit');
      bouncer.kill('SIGKILL');
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
