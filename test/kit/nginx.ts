import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { projectDir } from './process.js';
import { freePort } from './redis.js';
import { until } from './until.js';

/** nginx with the configuration that operators are given, on a port of its own. */
export interface TestNginx {
  url: string;
  stop: () => Promise<void>;
}

const program = 'nginx';
const configuration = path.join(projectDir, 'ops', 'nginx', 'auspex.conf');

/**
 * Why tests with nginx cannot run here, or null where they can.
 * @throws Error on CI, where a missing nginx must not pass for a passed test
 */
export function reasonToSkipNginx(): string | null {
  if (spawnSync(program, ['-v']).status === 0) return null;
  const reason = 'there is no nginx on the PATH; install one to run these tests';
  if (process.env.CI) throw new Error(reason);
  return reason;
}

/** Starts nginx in front of replicas that listen on these ports. @throws Error where its configuration is not that of two replicas any more */
export async function startNginx(ports: readonly number[]): Promise<TestNginx> {
  const folder = await mkdtemp(path.join(tmpdir(), 'auspex-nginx-'));
  const port = await freePort();
  const file = path.join(folder, 'nginx.conf');
  const log = path.join(folder, 'error.log');
  await writeFile(file, around(await ownConfiguration(port, ports), folder, log));
  const server = spawn(program, ['-p', folder, '-c', file, '-e', log, '-g', 'daemon off;'], { stdio: ['ignore', 'ignore', 'inherit'] });
  const url = `http://127.0.0.1:${port}`;
  await until(async () => server.exitCode !== null || (await fetch(`${url}/metrics`).catch(() => null))?.status === 404);
  if (server.exitCode !== null) throw new Error(`nginx did not start: ${await readFile(log, 'utf8')}`);
  return {
    url,
    async stop() {
      const gone = once(server, 'exit');
      server.kill('SIGQUIT');
      await gone;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What operators are given, but for the addresses. */
async function ownConfiguration(port: number, ports: readonly number[]): Promise<string> {
  const given = await readFile(configuration, 'utf8');
  const replicas = [...given.matchAll(/server (127\.0\.0\.1:\d+) /g)].map(([, address]) => address ?? '');
  if (replicas.length !== ports.length || !given.includes('listen 80;')) throw new Error(`${configuration} is not what this test knows.`);
  const addressed = replicas.reduce((text, address, place) => text.replace(address, `127.0.0.1:${ports[place]}`), given);
  return addressed.replace('listen 80;', `listen 127.0.0.1:${port};`);
}

/** A whole configuration around it, which touches nothing outside the folder. */
const around = (servers: string, folder: string, log: string): string =>
  [
    // Who may not change its user need not.
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
