import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { Agent, request, type IncomingMessage } from 'node:http';
import { connect, createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { migrations } from '../../src/database/migrations/index.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startFailingPostgres } from '../support/failing-postgres.js';
import type { AnyData } from '../support/gateway.js';
import { gatewayProgram, buildProgram, reachableFolder, startProgram, type TestProcess } from '../support/process.js';
import { freePort } from '../support/redis.js';
import { waitUntil } from '../support/wait-until.js';

let folder: string;
/** A data folder with an embedded database, created by the first test that needs it. */
let dataDir: string;
const databases: TestDatabase[] = [];
const processes: TestProcess[] = [];
beforeAll(async () => {
  buildProgram();
  folder = await reachableFolder();
  dataDir = path.join(folder, 'data');
}, 60_000);
afterAll(async () => {
  for (const started of processes) started.signal('SIGTERM');
  await Promise.all(processes.map((started) => started.ended));
  await Promise.all(databases.map((database) => database.drop()));
  await rm(folder, { recursive: true, force: true });
});

async function emptyDatabase(): Promise<string> {
  const database = await createTestDatabase();
  databases.push(database);
  return database.url;
}

function start(env: Record<string, string>, cwd = folder, program = gatewayProgram, args: string[] = []): TestProcess {
  const started = startProgram(program, { env: { HOST: '127.0.0.1', PORT: '0', ...env }, cwd, args });
  processes.push(started);
  return started;
}

async function stop(started: TestProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  started.signal(signal);
  expect([await started.ended, started.stderr()]).toEqual([0, '']);
}

/** @returns the data of the response. @throws Error if it has errors or there is no response */
async function execute(
  url: string,
  query: string,
  { token, variables = {} }: { token?: string; variables?: object } = {},
): Promise<AnyData> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors }: AnyData = await response.json();
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}

async function signIn(url: string, email = 'admin@example.com'): Promise<string> {
  const { login } = await execute(
    url,
    'mutation ($email: String!) { login(input: { email: $email, password: "auspex-demo-2026" }) { accessToken } }',
    { variables: { email } },
  );
  return login.accessToken as string;
}

async function rowsOf(url: string, statement: string): Promise<AnyData[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<AnyData>(statement).finally(() => client.end());
  return rows;
}

/** The log lines of a process. */
const linesOf = (running: TestProcess): AnyData[] =>
  running
    .stdout()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));

/** Sends a request over the agent's connection or a new one. @returns the status and the `Connection` header */
async function requestOnce(
  url: string,
  agent = new Agent({ keepAlive: true }),
): Promise<{ status: number; connection: string | undefined }> {
  const sent = request(url, { agent, method: 'POST', headers: { 'content-type': 'application/json' } });
  sent.end('{"query":"{ __typename }"}');
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'end');
  return { status: response.statusCode ?? 0, connection: response.headers.connection };
}

/** Asserts that a start fails with this exit code and without a stack trace. @returns its message */
async function failureOf(started: TestProcess, code = 1): Promise<string> {
  expect(await started.ended).toBe(code);
  expect(started.stdout()).toBe('');
  expect(started.stderr()).not.toMatch(/^\s+at /m);
  return started.stderr().trim();
}

/** Requests predictions until the gateway stops, and adds the ids of those that are returned. */
async function predictForever(url: string, token: string, workers: number, returned: string[]): Promise<void> {
  let row = 0;
  const work = async (): Promise<void> => {
    for (;;) {
      const inputs = Array.from({ length: 5 }, () => ({
        petal_length: 1 + ((row += 1) % 5000) / 1000,
        petal_width: 0.5,
      }));
      const query = 'query ($inputs: [JSONObject!]!) { predict(model: "iris", inputs: $inputs) { id } }';
      const data: AnyData = await execute(url, query, { token, variables: { inputs } }).catch((error: unknown) => {
        // A stopping gateway must not return errors.
        expect(String(error)).toContain('fetch failed');
        return null;
      });
      if (data === null) return;
      returned.push(...data.predict.map((prediction: AnyData) => prediction.id as string));
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
}

/** Sign-ins with a wrong password, which are slow. @returns their responses */
const slowLogins = (url: string, count: number): Promise<AnyData>[] =>
  Array.from({ length: count }, async (_none, position) => {
    const query = `mutation { login(input: { email: "nobody${position}@example.com", password: "wrong password" }) { accessToken } }`;
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    });
    return response.json();
  });

describe('a gateway with an embedded database', () => {
  it('prints its ready message and keeps its data for the next start', async () => {
    const first = start({ DATA_DIR: dataDir });
    const url = await first.ready();
    const departments: AnyData = await execute(url, '{ departments { id } }', { token: await signIn(url) });
    const input = {
      name: 'Kept Person',
      email: 'kept@example.com',
      age: 33,
      jobTitle: 'Keeper',
      jobLevel: 2,
      hiredOn: '2024-02-29',
      salary: 1000,
      departmentId: departments.departments[0].id as string,
    };
    const { createEmployee } = await execute(
      url,
      'mutation ($input: CreateEmployeeInput!) { createEmployee(input: $input) { id } }',
      { token: await signIn(url), variables: { input } },
    );
    const token = await signIn(url);
    await stop(first);
    expect(first.stdout()).toBe(
      [
        `Creating an embedded PostgreSQL in ${dataDir}...`,
        'Loading the demo data...',
        `Auspex is ready. Open GraphiQL at ${url.replace('/graphql', '/graphiql')}`,
        `  GraphQL   ${url} (metrics: ${url.replace('/graphql', '/metrics')})`,
        '  Accounts  user@example.com, manager@example.com, admin@example.com; password auspex-demo-2026',
        `  Data      ${dataDir}`,
        '',
      ].join('\n'),
    );

    const second = start({ DATA_DIR: dataDir });
    const again = await second.ready();
    const { employee } = await execute(again, 'query ($id: ID!) { employee(id: $id) { name email hiredOn } }', {
      token,
      variables: { id: createEmployee.id as string },
    });
    expect(employee).toEqual({ name: 'Kept Person', email: 'kept@example.com', hiredOn: '2024-02-29' });
    await stop(second);
    // Nothing to report: only a first start takes long.
    expect(second.stdout()).toMatch(/^Auspex is ready\./);
  }, 60_000);

  it('loses no returned prediction at SIGINT under load', async () => {
    const running = start({ DATA_DIR: dataDir });
    const url = await running.ready();
    const token = await signIn(url, 'user@example.com');
    const returned: string[] = [];
    const load = predictForever(url, token, 8, returned);
    await waitUntil(() => returned.length > 100, 'A load of predictions');
    await stop(running, 'SIGINT');
    await load;
    expect(existsSync(path.join(dataDir, 'postgres', 'data', 'postmaster.pid'))).toBe(false);

    const next = start({ DATA_DIR: dataDir });
    const { predictions } = await execute(await next.ready(), '{ predictions { totalCount nodes { id } } }', { token });
    expect(predictions.totalCount).toBeGreaterThanOrEqual(returned.length);
    await stop(next);
  }, 60_000);

  it('stops together with the shell of npm, which does not forward signals', async () => {
    const env = { HOST: '127.0.0.1', PORT: '0', DATA_DIR: dataDir, npm_lifecycle_event: 'start' };
    const started = startProgram(gatewayProgram, { env, cwd: folder, inShell: true });
    processes.push(started);
    const url = await started.ready();
    started.signal('SIGTERM');
    await started.ended; // all pipes of the gateway are closed
    await expect(fetch(url)).rejects.toThrow();
    expect(started.stderr()).toBe('');
  });

  it('starts in Node’s watch mode, as in npm run dev', async () => {
    const watched = startProgram('main.js', {
      env: { HOST: '127.0.0.1', PORT: '0', DATA_DIR: dataDir },
      cwd: folder,
      nodeArgs: ['--watch'],
    });
    processes.push(watched);
    const url = await watched.ready();
    const { predict } = await execute(
      url,
      '{ predict(model: "iris", inputs: [{ petal_length: 4.8, petal_width: 1.6 }]) { output } }',
      { token: await signIn(url) },
    );
    expect(predict).toHaveLength(1);
    watched.signal('SIGTERM');
    await watched.ended;
  }, 60_000);

  it('leaves no database process behind if its port is taken', async () => {
    const squatter = createServer().listen(0, '127.0.0.1');
    await once(squatter, 'listening');
    const { port } = squatter.address() as AddressInfo;
    const message = await failureOf(start({ DATA_DIR: dataDir, PORT: String(port) }));
    squatter.close();
    expect(message).toBe(
      `The configuration is invalid:\n  - PORT ${port} is in use on 127.0.0.1; stop the program that listens there, or set another port`,
    );
    expect(existsSync(path.join(dataDir, 'postgres', 'data', 'PG_VERSION'))).toBe(true);
    expect(existsSync(path.join(dataDir, 'postgres', 'data', 'postmaster.pid'))).toBe(false);
  }, 60_000);

  it('leaves no database process behind if a model is invalid and models are strict', async () => {
    const store = path.join(folder, 'broken-store');
    await mkdir(path.join(store, 'oracle', '1'), { recursive: true });
    await writeFile(path.join(store, 'oracle', 'model.yaml'), 'title: Oracle\n');
    await writeFile(path.join(store, 'oracle', '1', 'model.onnx'), 'no model');
    const message = await failureOf(start({ DATA_DIR: dataDir, MODEL_STORE: store, STRICT_MODELS: 'true' }));
    expect(message).toMatch(/^The model repository is invalid\. .*\n {2}- oracle\/model\.yaml: inputs is missing\n/);
    expect(existsSync(path.join(dataDir, 'postgres', 'data', 'postmaster.pid'))).toBe(false);
  }, 60_000);
});

describe('a gateway with an external database', () => {
  it('completes requests in flight and loses no returned prediction at SIGTERM under load', async () => {
    const databaseUrl = await emptyDatabase();
    const running = start({ DATA_DIR: dataDir, DATABASE_URL: databaseUrl, DEMO_DATA: 'true' });
    const url = await running.ready();
    const token = await signIn(url);
    const returned: string[] = [];
    const load = predictForever(url, token, 16, returned);
    await waitUntil(() => returned.length > 100, 'A load of predictions');
    const slow = slowLogins(url, 4);
    await sleep(200);
    const signalledAt = performance.now();
    await stop(running);
    // A client that stays connected must not delay the shutdown.
    expect(performance.now() - signalledAt).toBeLessThan(8000);
    for (const result of await Promise.all(slow))
      expect(result).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });

    await load;
    const { TypeID } = await import('typeid-js');
    const recorded = new Set((await rowsOf(databaseUrl, 'select id from prediction')).map((row) => row.id as string));
    expect(returned.filter((id) => !recorded.has(TypeID.fromString(id).toUUID()))).toEqual([]);
  }, 60_000);

  it('migrates and fills an empty database once if five start together', async () => {
    const databaseUrl = await emptyDatabase();
    const env = { DATA_DIR: dataDir, DATABASE_URL: databaseUrl, DEMO_DATA: 'true', INFERENCE_THREADS: '1' };
    const five = Array.from({ length: 5 }, () => start(env));
    const urls = await Promise.all(five.map((one) => one.ready(120_000)));
    const tokens = await Promise.all(urls.map((url) => signIn(url)));
    // They share the secret generated in the data folder.
    const counts = await Promise.all(
      urls.map((url, position) =>
        execute(url, '{ employees(first: 1) { totalCount } }', { token: tokens.at(position - 1) ?? '' }),
      ),
    );
    expect(counts).toEqual(urls.map(() => ({ employees: { totalCount: 240 } })));
    const migrated = await rowsOf(databaseUrl, 'select name from migration order by id');
    expect(migrated.map((row) => row.name as string)).toEqual(migrations.map(({ name }) => name));
    await Promise.all(five.map((one) => stop(one)));
  }, 180_000);

  it('reads .env in the working directory, and names a misspelt variable in it', async () => {
    const cwd = path.join(folder, 'configured');
    await mkdir(cwd);
    const databaseUrl = new URL(await emptyDatabase());
    await writeFile(
      path.join(cwd, '.env'),
      `# for this test\nDATABASE_URL="${databaseUrl.href}"\nMAX_ROOT_FIELDS=1\nDATA_DIR=${dataDir}\nPORT=not-this-one\nRATE_LIMIT_PER_VIEWR=a-secret-value\n`,
    );
    const running = start({}, cwd);
    const url = await running.ready();
    const [misspelt = '', ...message] = running.stdout().split('\n');
    expect(JSON.parse(misspelt)).toMatchObject({
      level: 'warn',
      msg: 'RATE_LIMIT_PER_VIEWR is unknown; did you mean RATE_LIMIT_PER_VIEWER?',
    });
    expect(misspelt).not.toContain('a-secret-value');
    expect(message.join('\n')).toBe(
      [
        `Auspex is ready. Open GraphiQL at ${url.replace('/graphql', '/graphiql')}`,
        `  GraphQL   ${url} (metrics: ${url.replace('/graphql', '/metrics')})`,
        '  Accounts  none yet; create one: npm run admin -- you@example.com',
        `  Database  ${databaseUrl.pathname.slice(1)} at ${databaseUrl.host}`,
        '',
      ].join('\n'),
    );
    await expect(execute(url, '{ __typename a: __typename }')).rejects.toThrow('QUERY_TOO_LARGE');
    await stop(running);
  }, 60_000);
});

describe('a process', () => {
  it('does not exit in the middle of the start when nothing that is open keeps it', async () => {
    // As long as the first server closes, which finds a free port, nothing is referenced.
    const unref = `import { Server } from 'node:net';
      const { close } = Server.prototype;
      Server.prototype.close = function (done) {
        Server.prototype.close = close;
        for (const handle of process._getActiveHandles()) handle.unref?.();
        return close.call(this, (error) => setTimeout(() => done?.(error), 300).unref());
      };`;
    const running = startProgram('main.js', {
      env: { HOST: '127.0.0.1', PORT: '0', DATA_DIR: path.join(folder, 'unreferenced') },
      cwd: folder,
      nodeArgs: ['--import', `data:text/javascript,${encodeURIComponent(unref)}`],
    });
    processes.push(running);
    await running.ready();
    await stop(running);
  }, 60_000);
});

describe('the log of production', () => {
  it('is one JSON object per line from the first line to "stopped", warnings of Node.js included', async () => {
    const warn = 'setTimeout(() => process.emitWarning("deprecated"), 500)';
    const running = startProgram('main.js', {
      env: {
        HOST: '127.0.0.1',
        PORT: '0',
        NODE_ENV: 'production',
        JWT_SECRET: randomBytes(48).toString('base64'),
        DATABASE_URL: await emptyDatabase(),
        DATA_DIR: dataDir,
        SHUTDOWN_DELAY_SECONDS: '0',
      },
      cwd: folder,
      nodeArgs: ['--import', `data:text/javascript,${encodeURIComponent(warn)}`],
    });
    processes.push(running);
    await execute(await running.ready(), '{ __typename }');
    await waitUntil(() => running.stdout().includes('Node.js warning'), 'The warning');
    await stop(running);
    const lines = running.stdout().trimEnd().split('\n');
    const entries = lines.map((line): AnyData => JSON.parse(line));
    expect(entries.map(({ msg }) => msg as string)).toEqual(
      expect.arrayContaining(['ready', 'operation', 'Node.js warning', 'stopping']),
    );
    expect(entries.at(-1)).toMatchObject({ level: 'info', exitCode: 0, msg: 'stopped' });
    const instances = new Set(entries.map(({ service, version, instance }) => [service, version, instance].join(' ')));
    expect([...instances]).toEqual([expect.stringMatching(/^auspex \d+\.\d+\.\d+ \S+-\d+$/)]);
  }, 60_000);
});

describe('a start without a database', () => {
  const elsewhere = async (): Promise<{ databaseUrl: string; port: number }> => {
    const port = await freePort();
    return { port, databaseUrl: `postgresql://me:hidden@127.0.0.1:${port}/none` };
  };

  it('waits, then fails with one message', async () => {
    const { port, databaseUrl } = await elsewhere();
    const waiting = start({ DATA_DIR: dataDir, DATABASE_URL: databaseUrl, DATABASE_START_SECONDS: '2' });
    expect(await waiting.ended).toBe(1);
    expect(waiting.stderr().trim()).toMatch(
      new RegExp(
        `^The database none at 127\\.0\\.0\\.1:${port} cannot be opened as me \\(.*ECONNREFUSED.*\\); start it, or correct DATABASE_URL\\.$`,
      ),
    );
    const attempts = linesOf(waiting).map(({ msg, attempt }) => [msg, attempt]);
    expect(attempts.length).toBeGreaterThan(2);
    expect(attempts).toEqual(attempts.map((_line, position) => ['database not ready; retrying', position + 1]));
    expect(waiting.stdout() + waiting.stderr()).not.toContain('hidden');
  }, 60_000);

  it('continues as soon as the database is available', async () => {
    const databaseUrl = await emptyDatabase();
    const given = new URL(databaseUrl);
    const port = await freePort();
    const unavailable = new URL(databaseUrl);
    unavailable.port = String(port);
    const waiting = start({ DATA_DIR: dataDir, DATABASE_URL: unavailable.href, DATABASE_START_SECONDS: '60' });
    await waitUntil(() => linesOf(waiting).length > 0, 'The change', 30_000);
    const bridge = createServer((socket) => {
      const onward = connect(Number(given.port), given.hostname);
      socket.pipe(onward).pipe(socket);
      for (const end of [socket, onward]) end.on('error', () => end.destroy());
    }).listen(port, '127.0.0.1');
    const url = await waiting.ready();
    expect(await execute(url, '{ __typename }')).toEqual({ __typename: 'Query' });
    waiting.signal('SIGTERM');
    expect(await waiting.ended).toBe(0);
    bridge.close();
  }, 60_000);

  it.each([
    ['a wrong password', (url: URL) => (url.password = 'wrong'), /password authentication failed/],
    [
      'a database that does not exist',
      (url: URL) => (url.pathname = '/elsewhere'),
      /database "elsewhere" does not exist/,
    ],
  ])(
    'does not wait for %s',
    async (_what, spoil, reason) => {
      const url = new URL(await emptyDatabase());
      spoil(url);
      // Longer than the timeout of the test.
      const message = await failureOf(
        start({ DATA_DIR: dataDir, DATABASE_URL: url.href, DATABASE_START_SECONDS: '600' }),
      );
      expect(message).toMatch(reason);
      expect(message).toMatch(/^The database .* cannot be opened as/);
    },
    60_000,
  );

  it('waits for a database that is starting', async () => {
    // As during recovery.
    const { port, close } = await startFailingPostgres('57P03', 'the database system is starting up');
    const waiting = start({
      DATA_DIR: dataDir,
      DATABASE_URL: `postgresql://me@127.0.0.1:${port}/none`,
      DATABASE_START_SECONDS: '600',
    });
    await waitUntil(() => linesOf(waiting).length > 1, 'The change', 30_000);
    expect(linesOf(waiting)[1]).toMatchObject({
      attempt: 2,
      reason: expect.stringContaining('the database system is starting up'),
    });
    waiting.signal('SIGTERM');
    expect([await waiting.ended, waiting.stderr()]).toEqual([0, '']);
    close();
  }, 60_000);

  it('stops immediately on a signal while it waits', async () => {
    const { databaseUrl } = await elsewhere();
    const waiting = start({ DATA_DIR: dataDir, DATABASE_URL: databaseUrl, DATABASE_START_SECONDS: '600', PORT: '0' });
    await waitUntil(() => linesOf(waiting).length > 2, 'The change', 30_000);
    const signalledAt = performance.now();
    waiting.signal('SIGINT');
    expect([await waiting.ended, waiting.stderr()]).toEqual([0, '']);
    // Before the wait ends and before the shutdown times out.
    expect(performance.now() - signalledAt).toBeLessThan(10_000);
  }, 60_000);
});

describe('a shutdown with a delay', () => {
  const seconds = 5;

  async function startWithDelay(
    more: Record<string, string> = {},
  ): Promise<{ running: TestProcess; url: string; metricsUrl: string }> {
    const metricsPort = await freePort();
    const env = {
      DATA_DIR: dataDir,
      DATABASE_URL: await emptyDatabase(),
      METRICS_PORT: String(metricsPort),
      SHUTDOWN_DELAY_SECONDS: String(seconds),
      ...more,
    };
    const running = start(env);
    return { running, url: await running.ready(), metricsUrl: `http://127.0.0.1:${metricsPort}/metrics` };
  }

  it('is unready immediately and serves requests, also over new connections, during the delay', async () => {
    const { running, url, metricsUrl } = await startWithDelay();
    const ready = url.replace('/graphql', '/readyz');
    expect((await fetch(ready)).status).toBe(200);
    const signalledAt = performance.now();
    running.signal('SIGTERM');
    await waitUntil(async () => (await fetch(ready)).status === 503, '/readyz with 503', (seconds - 1) * 1000);
    expect(await (await fetch(ready)).json()).toMatchObject({ status: 'draining' });
    let returned = 0;
    while (performance.now() - signalledAt < (seconds - 1) * 1000) {
      expect(await requestOnce(url)).toMatchObject({ status: 200, connection: 'keep-alive' });
      returned += 1;
    }
    expect(returned).toBeGreaterThan(0);
    expect((await fetch(metricsUrl)).status).toBe(200);
    expect([await running.ended, running.stderr()]).toEqual([0, '']);
    expect(performance.now() - signalledAt).toBeGreaterThan(seconds * 1000);
  }, 60_000);

  it('rejects new connections after the delay and completes open requests', async () => {
    const { running, url, metricsUrl } = await startWithDelay({ SHUTDOWN_DELAY_SECONDS: '3' });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    expect(await requestOnce(url, agent)).toMatchObject({ status: 200, connection: 'keep-alive' });
    running.signal('SIGTERM');
    await waitUntil(
      () =>
        requestOnce(url).then(
          () => false,
          (error: unknown) => String(error).includes('ECONNREFUSED'),
        ),
      'The rejection of new connections',
      15_000,
    );
    expect((await fetch(metricsUrl)).status).toBe(200);
    // Requests over a keep-alive connection are still served.
    expect(await requestOnce(url, agent)).toMatchObject({ status: 200, connection: 'close' });
    expect([await running.ended, running.stderr()]).toEqual([0, '']);
  }, 60_000);

  it('skips the delay at the second signal', async () => {
    const { running } = await startWithDelay({
      SHUTDOWN_DELAY_SECONDS: '300',
      SHUTDOWN_SECONDS: '301',
      LOG_LEVEL: 'info',
    });
    running.signal('SIGINT');
    await waitUntil(() => running.stdout().includes('"stopping"'));
    await sleep(400); // an earlier signal counts as the same Ctrl-C, forwarded by npm
    const signalledAt = performance.now();
    running.signal('SIGINT');
    expect([await running.ended, running.stderr()]).toEqual([0, '']);
    expect(performance.now() - signalledAt).toBeLessThan(20_000);
  }, 60_000);
});

describe('a start with an invalid configuration', () => {
  it('lists every problem in one message and exits 1', async () => {
    expect(await failureOf(start({ PORT: 'x', MAX_QUERY_COST: '0' }))).toBe(
      [
        'The configuration is invalid:',
        '  - PORT must be a whole number from 0 to 65535',
        '  - MAX_QUERY_COST must be a whole number from 1 to 100000000',
      ].join('\n'),
    );
  });

  it('logs every problem in production as one line of JSON', async () => {
    const failed = start({ NODE_ENV: 'production', PORT: 'x' });
    expect(await failed.ended).toBe(1);
    expect(failed.stderr()).toBe('');
    expect(
      failed
        .stdout()
        .trim()
        .split('\n')
        .map((line): unknown => JSON.parse(line)),
    ).toEqual([
      expect.objectContaining({
        level: 'fatal',
        service: 'auspex',
        msg: 'start failed',
        reason: [
          'The configuration is invalid:',
          '  - PORT must be a whole number from 0 to 65535',
          '  - JWT_SECRET must be set in production; create one with: openssl rand -base64 48',
          '  - DATABASE_URL must be set in production; to use the embedded database, set ALLOW_EMBEDDED_DATABASE=true',
        ].join('\n'),
      }),
    ]);
  });

  it('fails in the scripts with the same message', async () => {
    expect(await failureOf(start({ PORT: 'x' }, folder, 'scripts/migrate.js'))).toBe(
      'The configuration is invalid:\n  - PORT must be a whole number from 0 to 65535',
    );
  });
});

describe('the scripts', () => {
  it('migrate a database once and add the requested number of employees', async () => {
    const databaseUrl = await emptyDatabase();
    const run = async (script: string, ...args: string[]): Promise<string> => {
      const running = start({ DATABASE_URL: databaseUrl }, folder, `scripts/${script}.js`, args);
      expect([await running.ended, running.stderr()]).toEqual([0, '']);
      return running.stdout().trim();
    };
    expect(await run('migrate')).toMatch(/^Migrated: Migration\d+/);
    expect(await run('migrate')).toBe('The database is up to date.');
    expect(await run('seed', '--employees', '500')).toMatch(/^Added 500 employees in [\d.]+ s\.$/);
    expect(await run('seed', '--employees', '1')).toMatch(/^Added 1 employees/);
    expect(
      await rowsOf(databaseUrl, 'select count(*)::int as total, count(distinct email)::int as emails from employee'),
    ).toEqual([{ total: 501, emails: 501 }]);
    expect(await rowsOf(databaseUrl, 'select from user_account')).toEqual([]);
  }, 60_000);

  it('reject an invalid number of employees', async () => {
    const databaseUrl = await emptyDatabase();
    for (const count of ['0', '-5', 'many', '1.5']) {
      expect(
        await failureOf(start({ DATABASE_URL: databaseUrl }, folder, 'scripts/seed.js', [`--employees=${count}`]), 2),
      ).toMatch(`--employees must be a whole number from 1 to 1000000; it is ${count}\n\nUsage: npm run seed`);
    }
  }, 60_000);
});
