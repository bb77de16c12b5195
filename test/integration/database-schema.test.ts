import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { MikroORM } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import pg from 'pg';
import { Role } from '../../src/auth/viewer.js';
import { lock, notify } from '../../src/database/execute.js';
import { Listener } from '../../src/database/listen-notify.js';
import { migrate } from '../../src/database/migrate/migrate.js';
import { migrations } from '../../src/database/migrations/index.js';
import { databaseOf, openOrm } from '../../src/database/orm.js';
import { domains } from '../../src/domains/index.js';
import { newId } from '../../src/database/base.entity.js';
import { createPartitionsAhead } from '../../src/domains/prediction/history/partitions.js';
import { createLogger, type Logger } from '../../src/telemetry/logger.js';
import { describeCatalog } from '../support/catalog.js';
import { createTestDatabase, withSearchPath, type Preparation, type TestDatabase } from '../support/database.js';
import { codesOf, startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { addPerson, setRole } from '../support/people.js';
import { waitUntil } from '../support/wait-until.js';

const silent = createLogger('silent');
const lastBefore = 'Migration20261127211700';
const lastUuid = 'ffffffff-ffff-7fff-bfff-ffffffffffff';

/** What is open at the end of a test. */
const opened: (() => unknown)[] = [];
afterAll(async () => {
  for (const close of opened.reverse()) await close();
});

const openDatabase = async (content?: Preparation): Promise<TestDatabase & { client: pg.Client }> => {
  const database = await createTestDatabase(content);
  opened.push(() => database.drop());
  const client = new pg.Client({ connectionString: database.plainUrl });
  client.on('error', () => {});
  await client.connect();
  opened.push(() => client.end());
  return { ...database, client };
};

const openSchema = (url: string, schema = 'auspex'): MikroORM => {
  const orm = openOrm({ url, schema, entities: domains.flatMap((domain) => domain.entities), poolSize: 2 });
  opened.push(() => orm.close());
  return orm;
};

const recorded = (lines: { fields: Record<string, unknown>; message: string }[]): Logger =>
  new Proxy(silent, {
    get: (logger, name) =>
      name === 'info'
        ? (fields: Record<string, unknown>, message: string) => void lines.push({ fields, message })
        : (Reflect.get(logger, name) as unknown),
  });

/** Tables, types and functions of another program that have the names of ours. */
const foreignObjects = `
  create type user_role as enum ('OWNER', 'GUEST');
  create table department (id serial primary key, title text unique);
  create table employee (id serial primary key, department integer references department, role user_role);
  create table "user" (id serial primary key, name text);
  create table user_account (id serial primary key);
  create table migration (id serial primary key, name text, applied boolean);
  create table prediction (day date primary key) partition by range (day);
  create table prediction_20990101 partition of prediction for values from ('2099-01-01') to ('2099-01-02');
  create function auspex_append_only() returns trigger language plpgsql as $$ begin return null; end $$;
  create function auspex_first_prediction_id(day date) returns text language sql as $$ select 'other' $$;
  create trigger auspex_append_only before delete on "user" for each row execute function auspex_append_only();
  create schema crm; create table crm.customer (id int primary key);
  create schema tools; create extension pg_trgm schema tools;
  insert into department (title) values ('Theirs');
  insert into employee (department, role) values (1, 'GUEST');
  insert into "user" (name) values ('Someone');
  insert into migration (name, applied) values ('${migrations[0]?.name ?? ''}x', true);`;

describe('two gateways with different schemas in one database', () => {
  let first: TestGateway;
  let second: TestGateway;
  beforeAll(async () => {
    first = await startGateway();
    second = await startGateway({ DATABASE_URL: first.plainUrl, DATABASE_SCHEMA: 'Second_1', DEMO_DATA: 'true' });
  });
  afterAll(async () => {
    await second.close();
    await first.close();
  });

  const departments = async (gateway: TestGateway): Promise<string[]> => {
    const { data } = await gateway.execute<AnyData>('admin', '{ departments { name } }');
    return data.departments.map(({ name }: { name: string }) => name);
  };

  it('do not see what the other one writes', async () => {
    const times = { created_at: new Date(), updated_at: new Date() };
    await second.db
      .insertInto('department')
      .values({ id: newId(), name: 'Second only', ...times })
      .execute();
    expect(await departments(second)).toContain('Second only');
    expect(await departments(first)).not.toContain('Second only');
    // A person of one schema is unknown in the other, although both accept the same keys.
    const person = await addPerson(second, Role.ADMIN);
    expect(codesOf(await second.execute(person, '{ me { email } }'))).toEqual([]);
    expect((await first.execute<AnyData>(person, '{ me { email } }')).data).toEqual({ me: null });
  });

  it('follow changes of credentials in their own schema alone, by triggers that need no search path', async () => {
    const person = await addPerson(second);
    await setRole(second, person, Role.MANAGER);
    const { rows } = await sql<{ own: number; other: number }>`select
      (select count(*) from "Second_1".credential_change where id = ${person.uuid}::uuid)::integer as own,
      (select count(*) from auspex.credential_change where id = ${person.uuid}::uuid)::integer as other`.execute(
      second.db,
    );
    expect(rows).toEqual([{ own: 1, other: 0 }]);
  });

  it('create the partitions of predictions each in its schema', async () => {
    await createPartitionsAhead(second.db, Date.now(), 20);
    const { rows } = await sql<{ schema: string; count: number }>`
      select nspname as schema, count(*)::integer as count from pg_inherits join pg_class on pg_class.oid = inhrelid
      join pg_namespace on pg_namespace.oid = relnamespace where relname like 'prediction%' and relkind = 'r' group by 1 order by 1`.execute(
      second.db,
    );
    expect(rows.map(({ schema }) => schema)).toEqual(['Second_1', 'auspex']);
    expect(rows[0]?.count).toBeGreaterThan(rows[1]?.count ?? 0);
  });

  it('share neither locks nor notifications', async () => {
    const [one, other] = [openSchema(first.plainUrl), openSchema(first.plainUrl, 'Second_1')];
    const received: string[] = [];
    const listeners = ['auspex', 'Second_1'].map(
      (schema) =>
        new Listener({
          databaseUrl: first.plainUrl,
          channel: 'auspex_test',
          schema,
          onMessage: () => received.push(schema),
          log: silent,
        }),
    );
    for (const listener of listeners) opened.push(() => listener.close());
    await Promise.all(listeners.map(({ attempted }) => attempted));
    received.length = 0;
    await databaseOf(one)
      .transaction()
      .execute(async (outer) => {
        await lock(outer, 'a lock');
        // Would otherwise wait for the transaction around it.
        await databaseOf(other)
          .transaction()
          .execute(async (inner) => {
            await sql`set local lock_timeout = '5s'`.execute(inner);
            await lock(inner, 'a lock');
            await notify(inner, 'auspex_test');
          });
        await notify(outer, 'auspex_test');
      });
    await waitUntil(() => received.includes('auspex') && received.includes('Second_1'));
    expect(received.toSorted()).toEqual(['Second_1', 'auspex']);
  });
});

describe('a database of another program', () => {
  it('is left as it is, also where names are the same, and so is an extension in another schema', async () => {
    const { client, plainUrl } = await openDatabase();
    await client.query(foreignObjects);
    const before = await describeCatalog(client, { except: 'auspex' });
    expect(before.length).toBeGreaterThan(60);
    const orm = openSchema(plainUrl);
    expect(await migrate(orm, plainUrl)).toEqual(migrations.map(({ name }) => name));
    const db = databaseOf(orm);
    await db
      .insertInto('department')
      .values({ id: lastUuid, name: 'Ours', created_at: new Date(), updated_at: new Date() })
      .execute();
    expect(await describeCatalog(client, { except: 'auspex' })).toEqual(before);
    const { rows } = await client.query(`select to_regclass('auspex.employee_search_index') is not null as "isThere"`);
    expect(rows).toEqual([{ isThere: true }]);
    expect(await migrate(orm, plainUrl)).toEqual([]);
  });

  it('is not used if the schema has other tables; the error says what to do, and nothing has changed', async () => {
    const { client, plainUrl } = await openDatabase();
    await client.query('create schema auspex');
    for (const name of ['department', 'b', 'c', 'd', 'e', 'f'])
      await client.query(`create table auspex.${name} (id int)`);
    const before = await describeCatalog(client, { except: null });
    await expect(migrate(openSchema(plainUrl), plainUrl)).rejects.toThrow(
      /^The schema auspex of the database \S+ has the tables auspex\.b, auspex\.c, auspex\.d, auspex\.department, auspex\.e and 1 more of another program, and nothing has changed; name a schema for Auspex alone in DATABASE_SCHEMA, which is created if it does not exist\.$/,
    );
    expect(await describeCatalog(client, { except: null })).toEqual(before);
  });

  it.each([
    ["type user_role as enum ('OWNER')", 'the type auspex.user_role'],
    [
      "function auspex_audit_hash() returns text language sql as $$ select 'theirs' $$",
      'the function auspex.auspex_audit_hash',
    ],
  ])('is not used if the schema has a %s', async (definition, found) => {
    const { client, plainUrl } = await openDatabase();
    await client.query(`create schema auspex; set search_path = auspex; create ${definition}`);
    const before = await describeCatalog(client, { except: null });
    await expect(migrate(openSchema(plainUrl), plainUrl)).rejects.toThrow(
      `has ${found} of another program, and nothing has changed`,
    );
    expect(await describeCatalog(client, { except: null })).toEqual(before);
  });

  it('needs a role that may create the schema; the error says how', async () => {
    const { client, plainUrl } = await openDatabase();
    const role = `schema_${process.pid}_${Date.now()}`;
    await client.query(`create role ${role} login password 'a-password'`);
    opened.push(() => client.query(`drop owned by ${role}; drop role ${role}`));
    const url = new URL(plainUrl);
    [url.username, url.password] = [role, 'a-password'];
    await expect(migrate(openSchema(url.href), url.href)).rejects.toThrow(
      `run as the owner of the database: create schema "auspex" authorization "${role}"`,
    );
    await client.query(`create schema "auspex" authorization "${role}"`);
    expect(await migrate(openSchema(url.href), url.href)).toHaveLength(migrations.length);
  });
});

/** A database as a release without schemas leaves it. */
const earlier: Preparation = {
  name: 'a release without schemas',
  async run(url) {
    const orm = openOrm({
      url: withSearchPath(url, 'public'),
      schema: 'public',
      entities: domains.flatMap((domain) => domain.entities),
      poolSize: 1,
    });
    try {
      await orm.migrator.up({ to: lastBefore });
      for (const statement of [
        `insert into department (id, name) select gen_random_uuid(), 'Department ' || number from generate_series(1, 300) number`,
        `insert into user_account (id, email, password_hash, role, is_active) values ('${newId()}', 'a@example.com', 'none', 'ADMIN', true)`,
        `insert into session (id, user_id, refresh_token_hash, expires_at)
           select gen_random_uuid(), id, 'hash', now() + interval '1 day' from user_account`,
        'select auspex_create_prediction_partitions(array[current_date + 9])',
      ])
        await orm.em.fork().execute(statement);
    } finally {
      await orm.close();
    }
  },
};

describe('the tables of a release without schemas', () => {
  it('move with their rows in one transaction, and work there', async () => {
    const { client, plainUrl } = await openDatabase(earlier);
    await client.query(`create table theirs (id int); create view report as select name from department`);
    const role = `reader_${process.pid}_${Date.now()}`;
    await client.query(`create role ${role}; grant select on department to ${role}`);
    opened.push(() => client.query(`drop owned by ${role}; drop role ${role}`));
    const files = `select relname, relfilenode from pg_class where relname in ('department', 'session') order by 1`;
    const { rows: filesBefore } = await client.query(files);
    const lines: { fields: Record<string, unknown>; message: string }[] = [];
    const orm = openSchema(plainUrl);

    const ran = await migrate(orm, plainUrl, { log: recorded(lines) });

    expect(ran).toEqual(
      migrations.map(({ name }) => name).slice(migrations.findIndex(({ name }) => name === lastBefore) + 1),
    );
    expect(lines.map(({ message }) => message)).toEqual([
      'tables moved to another schema',
      ...ran.map(() => 'migration applied'),
    ]);
    expect(lines[0]?.fields).toMatchObject({ from: 'public', to: 'auspex', types: 3 });
    // The same files: no row was copied.
    expect((await client.query(files)).rows).toEqual(filesBefore);
    const { rows: left } = await client.query(
      `select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'S')
       union select proname from pg_proc where pronamespace = 'public'::regnamespace and proname like 'auspex%'
       union select typname from pg_type where typnamespace = 'public'::regnamespace and typtype = 'e' order by 1`,
    );
    expect(left).toEqual([{ name: 'report' }, { name: 'theirs' }]);
    const db = databaseOf(orm);
    expect(await db.selectFrom('department').select('id').execute()).toHaveLength(300);
    expect((await client.query('select from report')).rowCount).toBe(300);
    const { rows: usage } = await client.query(`select has_schema_privilege($1, 'auspex', 'usage') as "mayUse"`, [
      role,
    ]);
    expect(usage).toEqual([{ mayUse: true }]);
    // Triggers, functions and partitions, without a search path.
    await db.deleteFrom('session').execute();
    expect(await db.selectFrom('credential_change').select('kind').execute()).toEqual([{ kind: 'session' }]);
    await createPartitionsAhead(db, Date.now(), 14);
    await sql`insert into auspex.audit_event (id, at, action, outcome, count) values (${newId()}, now(), 'LOGIN', 'SUCCESS', 1)`.execute(
      db,
    );
    expect((await client.query('select from auspex.audit_chain')).rowCount).toBe(1);
    expect(await orm.schema.getUpdateSchemaSQL({ wrap: false, schema: 'auspex' })).toBe('');
    expect(await migrate(orm, plainUrl)).toEqual([]);
  });

  it('are found by the release before through the search path of its role, and by this one after it', async () => {
    const { client, plainUrl } = await openDatabase(earlier);
    await migrate(openSchema(plainUrl), plainUrl);
    const { rows } = await client.query<{ text: string }>(
      `select format('alter role %I in database %I set search_path = auspex', current_user, current_database()) as text`,
    );
    await client.query(rows[0]?.text ?? '');
    // That release names no schema, in statements, functions and types.
    const before = new pg.Client({ connectionString: plainUrl });
    await before.connect();
    opened.push(() => before.end());
    expect((await before.query('select id from department')).rowCount).toBe(300);
    await before.query(`update user_account set role = 'MANAGER'::user_role`);
    await before.query('select auspex_create_prediction_partitions(array[current_date + 20])');
    await before.query(`insert into department (id, name) values ('${newId()}', 'Of the release before')`);
    expect((await before.query('select name from migration')).rowCount).toBe(migrations.length);
    const again = openSchema(plainUrl);
    expect(await migrate(again, plainUrl)).toEqual([]);
    expect(await databaseOf(again).selectFrom('department').select('id').execute()).toHaveLength(301);
  });

  it('do not move while a gateway of that release runs; the error names it and the ways out', async () => {
    const { client, plainUrl } = await openDatabase(earlier);
    const gateway = new pg.Client({ connectionString: plainUrl });
    await gateway.connect();
    opened.push(() => gateway.end());
    await gateway.query('listen "auspex_model_deployment"');
    const before = await describeCatalog(client, { except: null });
    await expect(migrate(openSchema(plainUrl), plainUrl)).rejects.toThrow(
      /a gateway still uses them \(server process \d+, role \S+, from \S+\) and would not find them there\. Nothing has changed\. Stop all gateways that use them and start again; or set DATABASE_SCHEMA=public/,
    );
    expect(await describeCatalog(client, { except: null })).toEqual(before);
  });

  it('stay with DATABASE_SCHEMA=public, and another gateway gets its own tables beside them', async () => {
    const { client, plainUrl } = await openDatabase(earlier);
    const kept = openSchema(plainUrl, 'public');
    await migrate(kept, plainUrl);
    expect(await databaseOf(kept).selectFrom('department').select('id').execute()).toHaveLength(300);
    const other = openSchema(plainUrl);
    expect(await migrate(other, plainUrl)).toHaveLength(migrations.length);
    expect(await databaseOf(other).selectFrom('department').select('id').execute()).toEqual([]);
    expect((await client.query('select from public.department')).rowCount).toBe(300);
    // Another gateway that runs with its own schema does not prevent a move by request.
    const listener = new Listener({
      databaseUrl: plainUrl,
      channel: 'auspex_x',
      schema: 'auspex',
      onMessage: () => undefined,
      log: silent,
    });
    opened.push(() => listener.close());
    await listener.attempted;
    const third = openSchema(plainUrl, 'third');
    await expect(migrate(other, plainUrl, { moveFrom: 'public' })).rejects.toThrow(
      'The schema auspex (DATABASE_SCHEMA) has tables of Auspex already',
    );
    await expect(migrate(third, plainUrl, { moveFrom: 'crm' })).rejects.toThrow(
      'The schema crm has no tables of Auspex',
    );
    expect(await migrate(third, plainUrl, { moveFrom: 'public' })).toEqual([]);
    expect(await databaseOf(third).selectFrom('department').select('id').execute()).toHaveLength(300);
  });

  it('do not move for a role that does not own them; the error names the role to use', async () => {
    const { client, plainUrl } = await openDatabase(earlier);
    const role = `mover_${process.pid}_${Date.now()}`;
    await client.query(`create role ${role} login password 'a-password'`);
    await client.query(`create schema auspex authorization ${role}`);
    await client.query(`grant select, insert, update, delete on all tables in schema public to ${role}`);
    opened.push(() => client.query(`drop owned by ${role}; drop role ${role}`));
    const url = new URL(plainUrl);
    [url.username, url.password] = [role, 'a-password'];
    const before = await describeCatalog(client, { except: null });
    await expect(migrate(openSchema(url.href), url.href)).rejects.toThrow(
      /may not move the tables of Auspex from the schema public to auspex \(must be owner of .*Nothing has changed\./,
    );
    expect(await describeCatalog(client, { except: null })).toEqual(before);
  });
});
