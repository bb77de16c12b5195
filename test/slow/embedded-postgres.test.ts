import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import {
  defaultDataDir,
  startEmbeddedPostgres,
  type EmbeddedPostgres,
} from '../../packages/embedded-postgres/src/index.ts';
import { waitUntil } from '../support/wait-until.js';

const support = fileURLToPath(new URL('../support/', import.meta.url));
const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;

/** Only root has to run PostgreSQL as another user. */
const itAsRoot = isRoot ? it : it.skip;
/** Inspects processes in /proc. */
const itOnLinux = process.platform === 'linux' ? it : it.skip;
/** Only root can switch users, and the other user must be able to read the checkout. */
const itAsNobody = isRoot && (await isOpenToAll(support)) ? it : it.skip;

/** Most tests share one folder, because initdb is slow; tests of a first start call `useNewDir`. */
let dir: string;
const dirs: string[] = [];
const servers: EmbeddedPostgres[] = [];
const gateways: ChildProcess[] = [];

beforeAll(async () => {
  dir = await makeDir();
});

afterEach(async () => {
  await stopAll();
  await Promise.all(gateways.splice(0).map(killOutright));
  await waitUntil(() => dirs.flatMap(processesOf).length === 0);
  dir = dirs[0] ?? dir;
});

afterAll(async () => {
  for (const made of dirs) await rm(made, { recursive: true, force: true });
});

describe('the data of an embedded database', () => {
  it('is created at the first start and kept for the second', async () => {
    const first = await start({ durable: true });
    await query(first.url, 'create table kept (word text); insert into kept values ($$Käfer$$)');
    await first.stop();

    const second = await start({ durable: true });
    expect(await query(second.url, 'select word, upper(word) as shouted from kept')).toEqual([
      { word: 'Käfer', shouted: 'KÄFER' },
    ]);
  });

  it('is protected by a password in a file that only its owner can read', async () => {
    const { url } = await start();
    const { mode } = await stat(path.join(dir, 'postgres', 'password'));
    expect(mode & 0o777).toBe(0o600);

    const wrong = new URL(url);
    wrong.password = 'guessed';
    await expect(query(wrong.href, 'select 1')).rejects.toThrow('password authentication failed');
  });

  it('is created again after a first start that was killed', async () => {
    await useNewDir();
    const gateway = spawnGateway();
    await waitUntil(async () => (await draftsIn(dir)).length > 0);
    await killOutright(gateway);
    expect(existsSync(path.join(dir, 'postgres'))).toBe(false);

    const { url } = await start();
    expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(await draftsIn(dir)).toEqual([]);
  });

  it('is not replaced if it is incomplete', async () => {
    const { dataDir } = await start();
    await stopAll();
    const part = path.join(dataDir, 'PG_VERSION');
    await rename(part, `${part}.renamed`);

    await expect(start()).rejects.toMatchObject({
      code: 'DATA_INCOMPLETE',
      message: expect.stringContaining(part) as string,
    });

    await rename(`${part}.renamed`, part);
    const { url } = await start();
    expect(await query(url, 'select word from kept')).toEqual([{ word: 'Käfer' }]);
  });
});

describe('the server of an embedded database', () => {
  itOnLinux('leaves no process behind when it is stopped', async () => {
    const server = await start();
    expect(processesOf(dir)).not.toEqual([]);
    await server.stop();
    expect(processesOf(dir)).toEqual([]);
    await expect(query(server.url, 'select 1')).rejects.toThrow('ECONNREFUSED');
  });

  it('is stopped once for concurrent calls', async () => {
    const server = await start();
    await Promise.all([server.stop(), server.stop()]);
    await expect(server.stop()).resolves.toBeUndefined();
  });

  it('starts although another process has the id in a stale postmaster.pid', async () => {
    const { dataDir } = await start();
    await stopAll();
    const anonymous = spawn(process.execPath, ['--eval', 'setTimeout(() => {}, 60_000)', dataDir], { stdio: 'ignore' });
    gateways.push(anonymous);
    await writeFile(
      path.join(dataDir, 'postmaster.pid'),
      `${anonymous.pid}\n${dataDir}\n1700000000\n5432\n\n127.0.0.1\n0 0\nready   \n`,
    );

    const { url } = await start();
    expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(anonymous.exitCode ?? anonymous.signalCode).toBeNull();
  });

  it('listens on the configured address, or reports why it cannot', async () => {
    const { port } = await start();
    await stopAll();
    const anonymous = createServer().listen(port, '127.0.0.1');
    await once(anonymous, 'listening');

    await expect(start({ port })).rejects.toMatchObject({
      code: 'SERVER_FAILED',
      message: expect.stringContaining('Address already in use') as string,
    });
    expect(processesOf(dir)).toEqual([]);

    anonymous.close();
    await once(anonymous, 'close');
    expect((await start({ port })).port).toBe(port);
  });

  it('keeps the logs of the last two starts', async () => {
    for (let starts = 0; starts < 3; starts++) {
      await start();
      await stopAll();
    }
    const logs = (await readdir(path.join(dir, 'postgres'))).filter((name) => name.includes('.log'));
    expect(logs.sort()).toEqual(['server.log', 'server.log.1']);
  });
});

describe('gateways with the same data folder', () => {
  it('share one server after concurrent first starts, which the last one stops', async () => {
    await useNewDir();
    const [one, other] = await Promise.all([startGateway(), startGateway()]);
    expect(one.port).toBe(other.port);
    await query(one.url, 'create table shared (n int); insert into shared values (7)');

    await endGateway(one.gateway);
    expect(await query(other.url, 'select n from shared')).toEqual([{ n: 7 }]);

    await endGateway(other.gateway);
    await expect(query(other.url, 'select 1')).rejects.toThrow('ECONNREFUSED');
  });

  itOnLinux('stop the server when the last of them is killed', async () => {
    const [one, other] = await Promise.all([startGateway(), startGateway()]);
    await killOutright(one.gateway);
    expect(await query(other.url, 'select 1 as one')).toEqual([{ one: 1 }]);

    await killOutright(other.gateway);
    await waitUntil(() => processesOf(dir).length === 0);
    await expect(query(other.url, 'select 1')).rejects.toThrow('ECONNREFUSED');
  });

  itOnLinux('adopt a server without a gateway or watchdog', async () => {
    const left = await startGateway();
    const watchdogs = await readdir(path.join(dir, 'postgres', 'users'));
    for (const pid of watchdogs) process.kill(Number(pid), 'SIGKILL');
    await killOutright(left.gateway);
    expect(await query(left.url, 'select 1 as one')).toEqual([{ one: 1 }]);

    const adopted = await start();
    expect(adopted.port).toBe(left.port);
    await adopted.stop();
    expect(processesOf(dir)).toEqual([]);
  });

  it('may start while another is stopping', async () => {
    const before = await start();
    const [, after] = await Promise.all([before.stop(), start()]);
    expect(await query(after.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });
});

describe('the data folder', () => {
  itAsRoot('is rejected with the remedy if the user of the server cannot access it', async () => {
    const closed = path.join(dir, 'closed');
    await mkdir(closed, { mode: 0o700 });
    const unreachable = path.join(closed, 'data');

    await expect(startEmbeddedPostgres({ dir: unreachable })).rejects.toMatchObject({
      code: 'DATA_DIR_UNUSABLE',
      message: expect.stringMatching(/does not run as root.*set DATA_DIR to .* or set DATABASE_URL/) as string,
    });
    expect(await readdir(closed)).toEqual([]);
  });

  it('is rejected with the remedy if it is inside a file', async () => {
    const file = path.join(dir, 'file');
    await writeFile(file, 'mine');
    await expect(startEmbeddedPostgres({ dir: path.join(file, 'data') })).rejects.toMatchObject({
      code: 'DATA_DIR_UNUSABLE',
      message: expect.stringContaining('set DATA_DIR') as string,
    });
    expect(await readFile(file, 'utf8')).toBe('mine');
  });

  it('is in the project by default', async () => {
    await chmod(dir, 0o755);
    expect(defaultDataDir(dir)).toBe(path.join(dir, '.data'));
  });

  itAsRoot('is outside a project that the user of the server cannot access', async () => {
    const project = path.join(dir, 'project');
    await mkdir(project, { mode: 0o700 });
    expect(defaultDataDir(project)).toMatch(/^\/var\/lib\/auspex\/project-[0-9a-f]{8}$/);
  });

  itAsNobody('may belong to an unprivileged user, who then runs the server', async () => {
    await useNewDir();
    await chmod(dir, 0o777);
    const { url, gateway } = await startGateway({ uid: NOBODY, gid: NOBODY });
    expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }]);
    expect((await stat(path.join(dir, 'postgres', 'data'))).uid).toBe(NOBODY);
    await endGateway(gateway);

    const asRoot = await start();
    expect(await query(asRoot.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });
});

async function makeDir(): Promise<string> {
  const made = await mkdtemp(path.join(tmpdir(), 'auspex-embedded-'));
  dirs.push(made);
  return made;
}

async function useNewDir(): Promise<void> {
  dir = await makeDir();
}

async function start(options: { durable?: boolean; port?: number } = {}): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dir, durable: false, ...options });
  servers.push(server);
  return server;
}

async function stopAll(): Promise<void> {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
}

/** A process that starts the server, so that it can be killed. */
function spawnGateway(as: { uid?: number; gid?: number } = {}): ChildProcess {
  const args = [
    '--import',
    path.join(support, 'run-typescript.js'),
    path.join(support, 'embedded-postgres-child.js'),
    dir,
  ];
  const gateway = spawn(process.execPath, args, { ...as, stdio: ['pipe', 'pipe', 'inherit'] });
  gateways.push(gateway);
  return gateway;
}

async function startGateway(as?: {
  uid: number;
  gid: number;
}): Promise<{ url: string; port: number; gateway: ChildProcess }> {
  const gateway = spawnGateway(as);
  if (!gateway.stdout) throw new Error('The gateway has no standard output.');
  for await (const line of createInterface(gateway.stdout))
    return { gateway, ...(JSON.parse(line) as { url: string; port: number }) };
  throw new Error('The gateway ended before its server was ready.');
}

async function endGateway(gateway: ChildProcess): Promise<void> {
  const exit = once(gateway, 'exit');
  gateway.stdin?.end();
  await exit;
}

async function killOutright(gateway: ChildProcess): Promise<void> {
  if (gateway.exitCode !== null || gateway.signalCode !== null) return;
  const exit = once(gateway, 'exit');
  gateway.kill('SIGKILL');
  await exit;
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {}); // some tests stop the server during a query
  try {
    await client.connect();
    const { rows } = await client.query<Record<string, unknown>>(text);
    return rows;
  } finally {
    await client.end();
  }
}

async function draftsIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.includes('.draft-'));
}

/** Command lines of all processes that use the folder, except the gateways. */
function processesOf(folder: string): string[] {
  if (process.platform !== 'linux') return [];
  const inProc = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return inProc.map(commandLineOf).filter((line) => line.includes(folder) && !line.includes(support));
}

function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return ''; // the process has just ended
  }
}

async function isOpenToAll(folder: string): Promise<boolean> {
  const { mode } = await stat(folder);
  const parent = path.dirname(folder);
  return (mode & 0o005) === 0o005 && (parent === folder || isOpenToAll(parent));
}
