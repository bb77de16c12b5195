import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { projectDir } from './process.js';
import { freePort } from './redis.js';
import { waitUntil } from './wait-until.js';

/** nginx with ops/nginx/auspex.conf on a free port. */
export interface TestNginx {
  url: string;
  /** The lines of its error log. */
  errors: () => Promise<string[]>;
  stop: () => Promise<void>;
}

const program = 'nginx';
const configuration = path.join(projectDir, 'ops', 'nginx', 'auspex.conf');

/**
 * Why tests with nginx are skipped, or null if it is installed.
 * @throws Error on CI, so that a missing nginx fails the tests
 */
export function reasonToSkipNginx(): string | null {
  if (spawnSync(program, ['-v']).status === 0) return null;
  const reason = 'nginx is not on the PATH; install it to run these tests';
  if (process.env.CI) throw new Error(reason);
  return reason;
}

/**
 * Starts nginx in front of replicas on these ports.
 * @throws Error if the number of replicas differs from auspex.conf
 */
export async function startNginx(ports: readonly number[]): Promise<TestNginx> {
  const folder = await mkdtemp(path.join(tmpdir(), 'auspex-nginx-'));
  const port = await freePort();
  const file = path.join(folder, 'nginx.conf');
  const log = path.join(folder, 'error.log');
  await writeFile(file, nginxConf(await serverBlock(port, ports), folder, log));
  const server = spawn(program, ['-p', folder, '-c', file, '-e', log, '-g', 'daemon off;'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const url = `http://127.0.0.1:${port}`;
  await waitUntil(
    async () => server.exitCode !== null || (await fetch(`${url}/metrics`).catch(() => null))?.status === 404,
  );
  if (server.exitCode !== null) throw new Error(`nginx did not start: ${await readFile(log, 'utf8')}`);
  return {
    url,
    errors: async () => (await readFile(log, 'utf8').catch(() => '')).split('\n').filter(Boolean),
    async stop() {
      const exited = once(server, 'exit');
      server.kill('SIGQUIT');
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** auspex.conf with other addresses. */
async function serverBlock(port: number, ports: readonly number[]): Promise<string> {
  const original = await readFile(configuration, 'utf8');
  const replicas = [...original.matchAll(/server (127\.0\.0\.1:\d+) /g)].map(([, address]) => address ?? '');
  if (replicas.length !== ports.length || !original.includes('listen 80;'))
    throw new Error(`${configuration} does not have ${ports.length} replicas and "listen 80;".`);
  const addressed = replicas.reduce(
    (text, address, index) => text.replace(address, `127.0.0.1:${ports[index]}`),
    original,
  );
  return addressed.replace('listen 80;', `listen 127.0.0.1:${port};`);
}

/** A complete configuration that writes only to the folder. */
const nginxConf = (servers: string, folder: string, log: string): string =>
  [
    // Only root can switch users.
    ...(process.getuid?.() === 0 ? ['user root;'] : []),
    'worker_processes 2;',
    `pid ${folder}/nginx.pid;`,
    `error_log ${log} warn;`,
    'events { worker_connections 512; }',
    'http {',
    'access_log off;',
    ...['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`),
    servers,
    '}',
  ].join('\n');
