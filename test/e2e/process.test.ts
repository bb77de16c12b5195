import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { Agent, request, type IncomingMessage } from 'node:http';
import { connect, createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { migrations } from '../../src/database/migrations/index.js';
import { createTestDatabase, type TestDatabase } from '../kit/database.js';
import type { Any } from '../kit/gateway.js';
import { buildProgram, reachableFolder, startProgram, type TestProcess } from '../kit/process.js';
import { freePort } from '../kit/redis.js';
import { until } from '../kit/until.js';

let folder: string;
/** With an embedded database in it, made by the first test that needs one. */
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

function start(env: Record<string, string>, cwd = folder, program = 'main.js', args: string[] = []): TestProcess {
  const started = startProgram(program, { env: { HOST: '127.0.0.1', PORT: '0', ...env }, cwd, args });
  processes.push(started);
  return started;
}

async function stop(started: TestProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  started.signal(signal);
  expect([await started.ended, started.stderr()]).toEqual([0, '']);
}

/** The answer's data. @throws Error where there are errors, or nobody answers */
async function ask(url: string, query: string, { token, variables = {} }: { token?: string; variables?: object } = {}): Promise<Any> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors }: Any = await response.json();
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}

async function signIn(url: string, email = 'admin@example.com'): Promise<string> {
  const { login } = await ask(url, 'mutation ($email: String!) { login(input: { email: $email, password: "auspex-demo-2026" }) { accessToken } }', { variables: { email } });
  return login.accessToken as string;
}

async function rowsOf(url: string, statement: string): Promise<Any[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<Any>(statement).finally(() => client.end());
  return rows;
}

/** What a process has logged. */
const linesOf = (running: TestProcess): Any[] =>
  running
    .stdout()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));

/** Asks over a connection that the agent keeps, or over a new one; says what is to become of the connection. */
async function askOnce(url: string, agent = new Agent({ keepAlive: true })): Promise<{ status: number; connection: string | undefined }> {
  const asked = request(url, { agent, method: 'POST', headers: { 'content-type': 'application/json' } });
  asked.end('{"query":"{ __typename }"}');
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'end');
  return { status: response.statusCode ?? 0, connection: response.headers.connection };
}

/** What a start that cannot succeed says; it must end with exit code 1, and say it without a stack. */
async function failureOf(started: TestProcess): Promise<string> {
  expect(await started.ended).toBe(1);
  expect(started.stdout()).toBe('');
  expect(started.stderr()).not.toMatch(/^\s+at /m);
  return started.stderr().trim();
}

/** Asks for predictions without a pause until nobody answers any more; gives the ids of those that were answered. */
async function askForever(url: string, token: string, workers: number): Promise<string[]> {
  const answered: string[] = [];
  let row = 0;
  const work = async (): Promise<void> => {
    for (;;) {
      const inputs = Array.from({ length: 5 }, () => ({ petal_length: 1 + ((row += 1) % 5000) / 1000, petal_width: 0.5 }));
      const query = 'query ($inputs: [JSONObject!]!) { predict(model: "iris", inputs: $inputs) { id } }';
      const data: Any = await ask(url, query, { token, variables: { inputs } }).catch((error: unknown) => {
        // Refused with words would be an answer that a client cannot do anything with.
        expect(String(error)).toContain('fetch failed');
        return null;
      });
      if (data === null) return;
      answered.push(...data.predict.map((prediction: Any) => prediction.id as string));
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  return answered;
}

/** Sign-ins with a wrong password, which take a while: what is answered to them. */
const slowQuestions = (url: string, count: number): Promise<Any>[] =>
  Array.from({ length: count }, async (_none, position) => {
    const query = `mutation { login(input: { email: "nobody${position}@example.com", password: "wrong password" }) { accessToken } }`;
    const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query }) });
    return response.json();
  });

describe('a gateway with a database of its own', () => {
  it('prints one ready line at its first start, and keeps what was entered for the next', async () => {
    const first = start({ DATA_DIR: dataDir });
    const url = await first.ready();
    const departments: Any = await ask(url, '{ departments { id } }', { token: await signIn(url) });
    const input = { name: 'Kept Person', email: 'kept@example.com', age: 33, jobTitle: 'Keeper', jobLevel: 2, hiredOn: '2024-02-29', salary: 1000, departmentId: departments.departments[0].id as string };
    const { createEmployee } = await ask(url, 'mutation ($input: CreateEmployeeInput!) { createEmployee(input: $input) { id } }', { token: await signIn(url), variables: { input } });
    const token = await signIn(url);
    await stop(first);
    expect(first.stdout()).toBe(
      `Auspex is ready at ${url} | GraphiQL at ${url.replace('/graphql', '/graphiql')} | demo accounts admin@example.com, manager@example.com, user@example.com, password auspex-demo-2026 | data in ${dataDir}\n`,
    );

    const second = start({ DATA_DIR: dataDir });
    const again = await second.ready();
    const { employee } = await ask(again, 'query ($id: ID!) { employee(id: $id) { name email hiredOn } }', { token, variables: { id: createEmployee.id as string } });
    expect(employee).toEqual({ name: 'Kept Person', email: 'kept@example.com', hiredOn: '2024-02-29' });
    await stop(second);
  }, 60_000);

  it('loses no answered prediction at SIGINT under load', async () => {
    const running = start({ DATA_DIR: dataDir });
    const url = await running.ready();
    const token = await signIn(url, 'user@example.com');
    const load = askForever(url, token, 8);
    await sleep(800);
    await stop(running, 'SIGINT');
    const answered = await load;
    expect(answered.length).toBeGreaterThan(100);
    expect(existsSync(path.join(dataDir, 'postgres', 'data', 'postmaster.pid'))).toBe(false);

    const next = start({ DATA_DIR: dataDir });
    const { predictions } = await ask(await next.ready(), '{ predictions { totalCount nodes { id } } }', { token });
    expect(predictions.totalCount).toBeGreaterThanOrEqual(answered.length);
    await stop(next);
  }, 60_000);

  it('stops when npm’s shell is ended, which does not pass the signal on', async () => {
    const env = { HOST: '127.0.0.1', PORT: '0', DATA_DIR: dataDir, npm_lifecycle_event: 'start' };
    const started = startProgram('main.js', { env, cwd: folder, inShell: true });
    processes.push(started);
    const url = await started.ready();
    started.signal('SIGTERM');
    await started.ended; // the pipes that the gateway itself holds are closed
    await expect(fetch(url)).rejects.toThrow();
    expect(started.stderr()).toBe('');
  });

  it('gets ready while Node watches its files, as in npm run dev', async () => {
    const watched = startProgram('main.js', { env: { HOST: '127.0.0.1', PORT: '0', DATA_DIR: dataDir }, cwd: folder, nodeArgs: ['--watch'] });
    processes.push(watched);
    const url = await watched.ready();
    const { predict } = await ask(url, '{ predict(model: "iris", inputs: [{ petal_length: 4.8, petal_width: 1.6 }]) { output } }', { token: await signIn(url) });
    expect(predict).toHaveLength(1);
    watched.signal('SIGTERM');
    await watched.ended;
  }, 60_000);

  it('leaves no database process behind where its port is taken', async () => {
    const squatter = createServer().listen(0, '127.0.0.1');
    await once(squatter, 'listening');
    const { port } = squatter.address() as AddressInfo;
    const message = await failureOf(start({ DATA_DIR: dataDir, PORT: String(port) }));
    squatter.close();
    expect(message).toBe(`The configuration is not usable:\n  - PORT ${port} is taken on 127.0.0.1; stop what listens there, or set another`);
    expect(existsSync(path.join(dataDir, 'postgres', 'data', 'PG_VERSION'))).toBe(true);
    expect(existsSync(path.join(dataDir, 'postgres', 'data', 'postmaster.pid'))).toBe(false);
  }, 60_000);

  it('leaves no database process behind where a model is broken', async () => {
    const store = path.join(folder, 'broken-store');
    await mkdir(path.join(store, 'oracle', '1'), { recursive: true });
    await writeFile(path.join(store, 'oracle', 'model.yaml'), 'title: Oracle\n');
    await writeFile(path.join(store, 'oracle', '1', 'model.onnx'), 'no model');
    const message = await failureOf(start({ DATA_DIR: dataDir, MODEL_STORE: store }));
    expect(message).toMatch(/^The model store is not usable\. .*\n {2}- oracle\/model\.yaml: inputs is missing\n/);
    expect(existsSync(path.join(dataDir, 'postgres', 'data', 'postmaster.pid'))).toBe(false);
  }, 60_000);
});

describe('a gateway with a database that it was given', () => {
  it('answers what is under way and loses no answered prediction at SIGTERM under load', async () => {
    const databaseUrl = await emptyDatabase();
    const running = start({ DATA_DIR: dataDir, DATABASE_URL: databaseUrl, DEMO_DATA: 'true' });
    const url = await running.ready();
    const token = await signIn(url);
    const load = askForever(url, token, 16);
    await sleep(800);
    const slow = slowQuestions(url, 4);
    await sleep(200);
    const signalledAt = performance.now();
    await stop(running);
    // A client that stays connected must not hold the shutdown up.
    expect(performance.now() - signalledAt).toBeLessThan(8000);
    for (const answer of await Promise.all(slow)) expect(answer).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });

    const answered = await load;
    expect(answered.length).toBeGreaterThan(100);
    const { TypeID } = await import('typeid-js');
    const recorded = new Set((await rowsOf(databaseUrl, 'select id from prediction')).map((row) => row.id as string));
    expect(answered.filter((id) => !recorded.has(TypeID.fromString(id).toUUID()))).toEqual([]);
  }, 60_000);

  it('is one of five that start at once on an empty database, which is migrated and filled once', async () => {
    const databaseUrl = await emptyDatabase();
    const env = { DATA_DIR: dataDir, DATABASE_URL: databaseUrl, DEMO_DATA: 'true', INFERENCE_THREADS: '1' };
    const five = Array.from({ length: 5 }, () => start(env));
    const urls = await Promise.all(five.map((one) => one.ready(120_000)));
    const tokens = await Promise.all(urls.map((url) => signIn(url)));
    // They share the secret that was made in the data folder.
    const counts = await Promise.all(urls.map((url, position) => ask(url, '{ employees(first: 1) { totalCount } }', { token: tokens.at(position - 1) ?? '' })));
    expect(counts).toEqual(urls.map(() => ({ employees: { totalCount: 240 } })));
    const migrated = await rowsOf(databaseUrl, 'select name from migration order by id');
    expect(migrated.map((row) => row.name as string)).toEqual(migrations.map(({ name }) => name));
    await Promise.all(five.map((one) => stop(one)));
  }, 180_000);

  it('reads the .env file of the folder that it is started in', async () => {
    const cwd = path.join(folder, 'configured');
    await mkdir(cwd);
    await writeFile(path.join(cwd, '.env'), `# for this test\nDATABASE_URL="${await emptyDatabase()}"\nMAX_ROOT_FIELDS=1\nDATA_DIR=${dataDir}\nPORT=not-this-one\n`);
    const running = start({}, cwd);
    const url = await running.ready();
    expect(running.stdout()).toBe(`Auspex is ready at ${url} | GraphiQL at ${url.replace('/graphql', '/graphiql')} | data in ${dataDir}\n`);
    await expect(ask(url, '{ __typename a: __typename }')).rejects.toThrow('QUERY_TOO_LARGE');
    await stop(running);
  }, 60_000);

});

describe('a start without its database', () => {
  const elsewhere = async (): Promise<{ databaseUrl: string; port: number }> => {
    const port = await freePort();
    return { port, databaseUrl: `postgresql://me:hidden@127.0.0.1:${port}/none` };
  };

  it('waits for it, and then says in one message that it does not answer', async () => {
    const { port, databaseUrl } = await elsewhere();
    const waiting = start({ DATA_DIR: dataDir, DATABASE_URL: databaseUrl, DATABASE_START_SECONDS: '2' });
    expect(await waiting.ended).toBe(1);
    expect(waiting.stderr().trim()).toMatch(new RegExp(`^The database none at 127\\.0\\.0\\.1:${port} cannot be opened as me \\(.*ECONNREFUSED.*\\); start it, or correct DATABASE_URL\\.$`));
    const attempts = linesOf(waiting).map(({ msg, attempt }) => [msg, attempt]);
    expect(attempts.length).toBeGreaterThan(2);
    expect(attempts).toEqual(attempts.map((_line, position) => ['the database is not there yet; trying again', position + 1]));
    expect(waiting.stdout() + waiting.stderr()).not.toContain('hidden');
  }, 60_000);

  it('goes on as soon as it is there', async () => {
    const databaseUrl = await emptyDatabase();
    const given = new URL(databaseUrl);
    const port = await freePort();
    const away = new URL(databaseUrl);
    away.port = String(port);
    const waiting = start({ DATA_DIR: dataDir, DATABASE_URL: away.href, DATABASE_START_SECONDS: '60' });
    await until(() => linesOf(waiting).length > 0, 30_000);
    const bridge = createServer((socket) => {
      const onward = connect(Number(given.port), given.hostname);
      socket.pipe(onward).pipe(socket);
      for (const end of [socket, onward]) end.on('error', () => end.destroy());
    }).listen(port, '127.0.0.1');
    const url = await waiting.ready();
    expect(await ask(url, '{ __typename }')).toEqual({ __typename: 'Query' });
    waiting.signal('SIGTERM');
    expect(await waiting.ended).toBe(0);
    bridge.close();
  }, 60_000);

  it.each([
    ['a wrong password', (url: URL) => (url.password = 'wrong'), /password authentication failed/],
    ['a database that does not exist', (url: URL) => (url.pathname = '/elsewhere'), /database "elsewhere" does not exist/],
  ])('does not wait where there is %s', async (_what, spoil, reason) => {
    const url = new URL(await emptyDatabase());
    spoil(url);
    // So long that the test would fail by its own time.
    const message = await failureOf(start({ DATA_DIR: dataDir, DATABASE_URL: url.href, DATABASE_START_SECONDS: '600' }));
    expect(message).toMatch(reason);
    expect(message).toMatch(/^The database .* cannot be opened as/);
  }, 60_000);

  it('waits for one that is starting up', async () => {
    const starting = createServer((socket) => {
      // What PostgreSQL says while it recovers: an error of severity FATAL and code 57P03.
      const fields = Buffer.from('SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0');
      const head = Buffer.alloc(5);
      head.write('E');
      head.writeInt32BE(fields.length + 4, 1);
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end(Buffer.concat([head, fields])));
    }).listen(0, '127.0.0.1');
    await once(starting, 'listening');
    const { port } = starting.address() as AddressInfo;
    const waiting = start({ DATA_DIR: dataDir, DATABASE_URL: `postgresql://me@127.0.0.1:${port}/none`, DATABASE_START_SECONDS: '600' });
    await until(() => linesOf(waiting).length > 1, 30_000);
    expect(linesOf(waiting)[1]).toMatchObject({ attempt: 2, reason: expect.stringContaining('the database system is starting up') });
    waiting.signal('SIGTERM');
    expect([await waiting.ended, waiting.stderr()]).toEqual([0, '']);
    starting.close();
  }, 60_000);

  it('stops at once when it is told to while it waits', async () => {
    const { databaseUrl } = await elsewhere();
    const waiting = start({ DATA_DIR: dataDir, DATABASE_URL: databaseUrl, DATABASE_START_SECONDS: '600', PORT: '0' });
    await until(() => linesOf(waiting).length > 2, 30_000);
    const signalledAt = performance.now();
    waiting.signal('SIGINT');
    expect([await waiting.ended, waiting.stderr()]).toEqual([0, '']);
    // Long before the wait would be over, and before the shutdown would be cut off.
    expect(performance.now() - signalledAt).toBeLessThan(10_000);
  }, 60_000);
});

describe('a shutdown with a delay', () => {
  const seconds = 5;

  async function startWithDelay(more: Record<string, string> = {}): Promise<{ running: TestProcess; url: string; metricsUrl: string }> {
    const metricsPort = await freePort();
    const env = { DATA_DIR: dataDir, DATABASE_URL: await emptyDatabase(), METRICS_PORT: String(metricsPort), SHUTDOWN_DELAY_SECONDS: String(seconds), ...more };
    const running = start(env);
    return { running, url: await running.ready(), metricsUrl: `http://127.0.0.1:${metricsPort}/metrics` };
  }

  it('is unready at once and answers on, also over new connections, until the delay is over', async () => {
    const { running, url, metricsUrl } = await startWithDelay();
    const ready = url.replace('/graphql', '/readyz');
    expect((await fetch(ready)).status).toBe(200);
    const signalledAt = performance.now();
    running.signal('SIGTERM');
    await until(async () => (await fetch(ready)).status === 503, (seconds - 1) * 1000);
    expect(await (await fetch(ready)).json()).toMatchObject({ status: 'draining' });
    let answered = 0;
    while (performance.now() - signalledAt < (seconds - 1) * 1000) {
      expect(await askOnce(url)).toMatchObject({ status: 200, connection: 'keep-alive' });
      answered += 1;
    }
    expect(answered).toBeGreaterThan(0);
    expect((await fetch(metricsUrl)).status).toBe(200);
    expect([await running.ended, running.stderr()]).toEqual([0, '']);
    expect(performance.now() - signalledAt).toBeGreaterThan(seconds * 1000);
  }, 60_000);

  it('lets nobody new in then, and ends what is open by its answer', async () => {
    const { running, url, metricsUrl } = await startWithDelay({ SHUTDOWN_DELAY_SECONDS: '3' });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    expect(await askOnce(url, agent)).toMatchObject({ status: 200, connection: 'keep-alive' });
    running.signal('SIGTERM');
    await until(() => askOnce(url).then(() => false, (error: unknown) => String(error).includes('ECONNREFUSED')), 15_000);
    expect((await fetch(metricsUrl)).status).toBe(200);
    // What a proxy sends over a connection that it has kept is answered.
    expect(await askOnce(url, agent)).toMatchObject({ status: 200, connection: 'close' });
    expect([await running.ended, running.stderr()]).toEqual([0, '']);
  }, 60_000);

  it('is over at the second signal', async () => {
    const { running } = await startWithDelay({ SHUTDOWN_DELAY_SECONDS: '300', SHUTDOWN_SECONDS: '301', LOG_LEVEL: 'info' });
    running.signal('SIGINT');
    await until(() => running.stdout().includes('"stopping"'));
    await sleep(400); // what comes sooner is npm's echo of the same Ctrl-C
    const signalledAt = performance.now();
    running.signal('SIGINT');
    expect([await running.ended, running.stderr()]).toEqual([0, '']);
    expect(performance.now() - signalledAt).toBeLessThan(20_000);
  }, 60_000);
});

describe('a start with mistakes in its configuration', () => {
  it('names all of them in one message and exits 1', async () => {
    expect(await failureOf(start({ NODE_ENV: 'production', PORT: 'x', MAX_QUERY_COST: '0' }))).toBe(
      [
        'The configuration is not usable:',
        '  - PORT must be a whole number from 0 to 65535',
        '  - MAX_QUERY_COST must be a whole number from 1 to 100000000',
        '  - JWT_SECRET must be set in production; make one with: openssl rand -base64 48',
        '  - DATABASE_URL must be set in production; to run on the embedded database all the same, set ALLOW_EMBEDDED_DATABASE=true',
      ].join('\n'),
    );
  });

  it('is told by the scripts in the same way', async () => {
    expect(await failureOf(start({ PORT: 'x' }, folder, 'scripts/migrate.js'))).toBe('The configuration is not usable:\n  - PORT must be a whole number from 0 to 65535');
  });
});

describe('the scripts', () => {
  it('migrate a database once, and fill it with as many employees as asked', async () => {
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
    expect(await rowsOf(databaseUrl, 'select count(*)::int as total, count(distinct email)::int as emails from employee')).toEqual([{ total: 501, emails: 501 }]);
    expect(await rowsOf(databaseUrl, 'select from user_account')).toEqual([]);
  }, 60_000);

  it('refuse a number of employees that is none', async () => {
    const databaseUrl = await emptyDatabase();
    for (const count of ['0', '-5', 'many', '1.5']) {
      expect(await failureOf(start({ DATABASE_URL: databaseUrl }, folder, 'scripts/seed.js', [`--employees=${count}`]))).toBe(`--employees must be a whole number from 1 to 1000000; it is ${count}`);
    }
  }, 60_000);
});
