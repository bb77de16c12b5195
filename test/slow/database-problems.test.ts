import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Writable } from 'node:stream';
import type { MikroORM } from '@mikro-orm/postgresql';
import pg from 'pg';
import { readConfig } from '../../src/config/config.js';
import { migrate } from '../../src/database/migrate/migrate.js';
import { MigrationBlocked } from '../../src/database/migrate/migration-errors.js';
import { openOrm } from '../../src/database/orm.js';
import { waitForDatabase } from '../../src/database/wait-for-database.js';
import { domains } from '../../src/domains/index.js';
import { OperatorError } from '../../src/errors/operator-error.js';
import { createLogger, type Logger } from '../../src/telemetry/logger.js';
import { createTestDatabase, dropDatabaseAt, type TestDatabase } from '../support/database.js';
import { startFailingPostgres } from '../support/failing-postgres.js';
import { freePort } from '../support/redis.js';
import { waitUntil } from '../support/wait-until.js';

const silent = createLogger('silent');

/** A logger and its parsed lines. */
function recordingLogger(): { log: Logger; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      done();
    },
  });
  return { log: createLogger('info', sink), lines };
}

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}

/** Runs statements as the owner of the database. */
async function run(url: string, ...statements: string[]): Promise<void> {
  const client = await connected(url);
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

const orms: MikroORM[] = [];
afterAll(async () => {
  await Promise.all(orms.map((orm) => orm.close()));
});

/** Migrates as a start does. */
function migrated(url: string, options: Parameters<typeof migrate>[2] = {}): Promise<string[]> {
  const orm = openOrm({ url, entities: domains.flatMap((domain) => domain.entities), poolSize: 2 });
  orms.push(orm);
  return migrate(orm, url, options);
}

const failureOf = (work: Promise<unknown>): Promise<Error> =>
  work.then(
    () => Promise.reject(new Error('It did not fail.')),
    (error: unknown) => error as Error,
  );

/** Expects an error of one line that does not contain the password. */
async function expectOneLine(work: Promise<unknown>, pattern: RegExp): Promise<void> {
  const error = await failureOf(work);
  // Any other error is printed with its stack.
  expect(error).toBeInstanceOf(OperatorError);
  const { message } = error;
  expect(message).toMatch(pattern);
  expect(message).not.toContain('\n');
  expect(message).not.toContain('a-password');
}

describe('a database', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  const named = (): string => new URL(database.url).pathname.slice(1);
  const changed = (change: (url: URL) => void): string => {
    const url = new URL(database.url);
    change(url);
    return url.href;
  };
  const start = (url: string, log = silent): Promise<void> => waitForDatabase(url, { waitSeconds: 0, log });

  it.each(['LATIN1', 'SQL_ASCII'])(
    'in %s is rejected at start, with the remedy and without the password',
    async (encoding) => {
      const name = `${named()}_${encoding.toLowerCase()}`;
      await run(
        database.url,
        `create database ${pg.escapeIdentifier(name)} template template0 encoding '${encoding}' locale_provider libc locale 'C'`,
      );
      const url = changed((one) => (one.pathname = `/${name}`));
      try {
        await expectOneLine(
          start(url),
          new RegExp(
            `^The database ${name} has the encoding ${encoding}; Auspex needs UTF8\\. Create another one with`,
          ),
        );
        await expect(start(database.url)).resolves.toBeUndefined();
      } finally {
        await dropDatabaseAt(url);
      }
    },
  );

  it.each([
    [
      'a wrong password',
      (url: URL): unknown => (url.password = 'a-password'),
      /password authentication failed .*\); correct the user and the password in DATABASE_URL\.$/,
    ],
    [
      'a database that does not exist',
      (url: URL): unknown => (url.pathname = '/elsewhere'),
      /^The database elsewhere at .*\); create it \(createdb --encoding=UTF8 elsewhere\), or correct DATABASE_URL\.$/,
    ],
    [
      'a host that does not exist',
      (url: URL): unknown => (url.hostname = 'nowhere.invalid'),
      /at nowhere\.invalid:\d+ cannot be opened .*\); correct the host in DATABASE_URL, or its entry in the DNS\.$/,
    ],
    [
      'a server without SSL',
      (url: URL): unknown => (url.search = '?sslmode=verify-full'),
      /\); remove sslmode from DATABASE_URL, or enable SSL on the server\.$/,
    ],
    [
      'a missing certificate',
      (url: URL): unknown => (url.search = '?sslmode=verify-full&sslrootcert=/nonexistent.pem'),
      /ENOENT.*\); correct the file in DATABASE_URL\.$/,
    ],
    [
      'a missing socket',
      (url: URL): unknown => (url.hostname = '%2Fnonexistent'),
      /at \/nonexistent cannot be opened .*\); start a server with a socket in \/nonexistent that this user may open, or/,
    ],
  ])('with %s is reported in one line with the remedy', async (_what, change, pattern) => {
    await expectOneLine(start(changed(change)), pattern);
  });

  it('is opened through a Unix domain socket, by the form of Cloud SQL too', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'auspex-socket-'));
    const { hostname, port, username, password } = new URL(database.url);
    const socket = createServer((client) => {
      const server = connect(Number(port), hostname);
      client.pipe(server).pipe(client);
      for (const end of [client, server]) end.on('error', () => end.destroy());
    }).listen(path.join(folder, '.s.PGSQL.5433'));
    await once(socket, 'listening');
    try {
      const text = `postgresql://${username}:${password}@/${named()}?host=${folder}&port=5433`;
      const { url = '' } = readConfig({ DATABASE_URL: text }).database;
      await start(url);
      expect((await migrated(url)).length).toBeGreaterThan(0);
      const unknown = url.replace(named(), 'elsewhere');
      await expectOneLine(
        start(unknown),
        new RegExp(`^The database elsewhere at ${folder} cannot be opened as postgres`),
      );
    } finally {
      await Promise.all(orms.splice(0).map((orm) => orm.close()));
      socket.close();
      await rm(folder, { recursive: true });
    }
  });

  it.each([
    ['53300', 'sorry, too many clients already', /; close connections of other programs, lower DATABASE_POOL_SIZE, /],
    [
      '28000',
      'no pg_hba.conf entry for host "10.0.0.1", user "me", no encryption',
      /; the server requires SSL: add \?/,
    ],
    ['08P01', 'SSL required', /; the server requires SSL: add \?sslmode=verify-full to DATABASE_URL, /],
    [
      '28000',
      'role "me" is not permitted to log in',
      /; create the role me with login, and allow it in pg_hba\.conf, /,
    ],
    ['42501', 'permission denied for database "none"', /; grant connect on database "none" to "me"\.$/],
    ['08P01', 'no such database: none', /; add it to the connection pooler, or correct DATABASE_URL\.$/],
    ['08P01', 'unsupported startup parameter: options', /; remove this parameter from DATABASE_URL: the connection /],
    ['57P03', 'the database system is starting up', /; wait until the server accepts connections, and start again\.$/],
  ])('whose server reports %s, "%s", is reported with the remedy', async (code, reason, pattern) => {
    const { port, close } = await startFailingPostgres(code, reason);
    await expectOneLine(start(`postgresql://me:a-password@127.0.0.1:${port}/none`), pattern);
    close();
  });

  it('that does not respond is logged within three seconds, then reported', async () => {
    const server = createServer((socket) => void socket.resume()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { log, lines } = recordingLogger();
    const startedAt = performance.now();
    const failed = failureOf(start(`postgresql://me:a-password@127.0.0.1:${port}/none`, log));
    await waitUntil(() => lines.length > 0);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    expect(lines[0]).toMatchObject({ msg: 'waiting for the database to respond', server: `127.0.0.1:${port}` });
    expect((await failed).message).toMatch(
      /check the host and the port in DATABASE_URL, the network and its firewalls\.$/,
    );
    server.close();
  });

  it('that is read-only is reported, and used once it accepts changes', async () => {
    const name = pg.escapeIdentifier(named());
    await run(database.url, `alter database ${name} set default_transaction_read_only = on`);
    await expectOneLine(start(database.url), /is read-only; turn default_transaction_read_only off for the database/);
    const waiting = waitForDatabase(database.url, { waitSeconds: 20, log: silent });
    await run(
      database.url,
      'set default_transaction_read_only = off',
      `alter database ${name} reset default_transaction_read_only`,
    );
    await waiting;
  });
});

describe('migrations', () => {
  const role = `limited_${Date.now()}`;
  let database: TestDatabase;
  let limited: string;
  beforeAll(async () => {
    database = await createTestDatabase();
    await run(database.url, `create role ${role} login password 'a-password'`);
    const url = new URL(database.url);
    [url.username, url.password] = [role, 'a-password'];
    limited = url.href;
  });
  afterAll(async () => {
    await run(database.url, `drop owned by ${role}`, `drop role ${role}`);
    await database.drop();
  });

  const tables = async (): Promise<string[]> => {
    const client = await connected(database.url);
    const { rows } = await client.query<{ name: string }>(
      "select tablename as name from pg_tables where schemaname = 'auspex' order by 1",
    );
    await client.end();
    return rows.map(({ name }) => name);
  };

  it('are rejected in a database with tables of other programs, which stay as they are', async () => {
    await run(database.url, 'create schema auspex', 'create table department (dept_no char(4) primary key)');
    await expectOneLine(
      migrated(database.url),
      /^The schema auspex of the database \S+ has the table auspex\.department of another program, and nothing has changed; name a schema for Auspex alone in DATABASE_SCHEMA, which is created if it does not exist\.$/,
    );
    expect(await tables()).toEqual(['department']);
    await run(database.url, 'drop table department', 'create table migration (version int)');
    await expectOneLine(migrated(database.url), /has the table auspex\.migration of another program, and/);
    await run(
      database.url,
      'drop table migration',
      'create table migration (name text)',
      "insert into migration values ('x')",
    );
    await expectOneLine(migrated(database.url), /has the table auspex\.migration of another program, and/);
    expect(await tables()).toEqual(['migration']);
    await run(database.url, 'drop table migration');
  });

  it('are rejected for a type of another program', async () => {
    await run(database.url, "create type user_role as enum ('A')");
    await expectOneLine(
      migrated(database.url),
      /has the type auspex\.user_role of another program, and nothing has changed/,
    );
    await run(database.url, 'drop type user_role');
    expect(await tables()).toEqual([]);
  });

  it('are rejected for a role that may not create tables, with the grant that it needs', async () => {
    await expectOneLine(
      migrated(limited),
      new RegExp(
        `^The role ${role} may not create tables in the schema auspex of the database \\S+, and \\d+ migrations are pending; run as the owner of the schema: grant usage, create on schema "auspex" to "${role}"\\.`,
      ),
    );
    expect(await tables()).toEqual([]);
  });

  it('that have run are accepted for a role that may only read and write, and rejected for one that may not', async () => {
    await migrated(database.url);
    await expectOneLine(
      migrated(limited),
      new RegExp(`^The role ${role} may not read and write the table auspex\\.migration;`),
    );
    await run(database.url, `grant usage on schema auspex to ${role}`, `grant select on migration to ${role}`);
    await expectOneLine(
      migrated(limited),
      new RegExp(
        `^The role ${role} may not read and write the tables auspex\\.account_token, auspex\\.api_key, .* and \\d+ more; run as the owner of the tables: grant usage`,
      ),
    );
    await run(
      database.url,
      `grant select, insert, update, delete on all tables in schema auspex to ${role}`,
      `revoke update, delete on audit_event, audit_chain from ${role}`,
    );
    expect(await migrated(limited)).toEqual([]);
    await run(database.url, `revoke insert on audit_event from ${role}`);
    await expectOneLine(migrated(limited), /may not read and write the table auspex\.audit_event;/);
    await run(database.url, `grant insert on audit_event to ${role}`);
  });

  it('that are pending need the owner of the tables', async () => {
    await run(
      database.url,
      `grant create on schema auspex to ${role}`,
      "delete from migration where name = 'Migration20261121131447'",
    );
    await expectOneLine(
      migrated(limited),
      /must be owner of .*\): the role .* lacks a privilege; run "npm run migrate" with/,
    );
    await run(database.url, "insert into migration (name) values ('Migration20261121131447')");
  });

  it('wait for another process, log which one, and time out', async () => {
    const empty = await createTestDatabase();
    const holder = await connected(`${empty.plainUrl}?application_name=another-gateway`);
    try {
      await holder.query('begin; select pg_advisory_xact_lock(7240881503)');
      const { log, lines } = recordingLogger();
      const startedAt = performance.now();
      const failure = failureOf(migrated(empty.url, { log, waitMs: 3_500 }));
      await waitUntil(() => lines.length > 0);
      expect(performance.now() - startedAt).toBeLessThan(3_500);
      expect(lines[0]).toMatchObject({
        msg: 'waiting for another process that migrates the database',
        holder: { name: 'another-gateway' },
      });
      const error = await failure;
      expect(error).toBeInstanceOf(MigrationBlocked);
      expect(error.message).toMatch(
        /^Another process \(server process \d+, another-gateway at \S+\) has been migrating this database for 3\.5 s; .* pg_terminate_backend\(\d+\)\), and start again\.$/,
      );
      await holder.query('rollback');
      expect(await migrated(empty.url, { log })).not.toEqual([]);
      expect(lines.at(-1)).toMatchObject({ msg: 'migration applied' });
      // Without pending migrations a start needs no lock.
      await holder.query('begin; select pg_advisory_xact_lock(7240881503)');
      expect(await migrated(empty.url, { waitMs: 0 })).toEqual([]);
    } finally {
      await holder.end();
      await empty.drop();
    }
  });

  it('report an unreachable server', async () => {
    const url = `postgresql://someone:a-password@127.0.0.1:${await freePort()}/company`;
    await expectOneLine(migrated(url), /ECONNREFUSED.*\); start it, or correct DATABASE_URL\.$/);
  });
});
