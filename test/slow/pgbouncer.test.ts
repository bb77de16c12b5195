import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { MikroORM } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import pg from 'pg';
import { migrate } from '../../src/database/migrate/migrate.js';
import { migrations } from '../../src/database/migrations/index.js';
import { databaseOf, openOrm } from '../../src/database/orm.js';
import { domains } from '../../src/domains/index.js';
import { createTestDatabase, withSearchPath, type TestDatabase } from '../support/database.js';
import { codesOf, demoDatabase, startGateway, type AnyData } from '../support/gateway.js';
import { reasonToSkipPgBouncer, startPgBouncer, type TestPgBouncer } from '../support/pgbouncer.js';
import { waitUntil } from '../support/wait-until.js';

const reason = reasonToSkipPgBouncer();
const describeWithPgBouncer = reason === null ? describe : describe.skip;

/** Short, so that a test exceeds it. */
const statementMs = 400;

describeWithPgBouncer(`PgBouncer in transaction mode${reason === null ? '' : `: ${reason}`}`, () => {
  let database: TestDatabase;
  let bouncer: TestPgBouncer;
  let direct: pg.Client;
  const orms: MikroORM[] = [];
  beforeAll(async () => {
    database = await createTestDatabase();
    bouncer = await startPgBouncer(database.url);
    direct = await connected(database.url);
  });
  afterAll(async () => {
    await Promise.all(orms.map((orm) => orm.close()));
    await direct.end();
    await bouncer.stop();
    await database.drop();
  });

  const open = (url = bouncer.urlOf(database.url)): MikroORM => {
    const orm = openOrm({
      url,
      entities: domains.flatMap((domain) => domain.entities),
      poolSize: 2,
      timeouts: { connectionMs: 5_000, statementMs },
    });
    orms.push(orm);
    return orm;
  };

  const running = async (): Promise<number> =>
    (
      await direct.query(
        "select from pg_stat_activity where state = 'active' and query like '%pg_sleep%' and pid <> pg_backend_pid()",
      )
    ).rowCount ?? 0;

  it('runs migrations once for concurrent starts, with indexes built concurrently, and leaves no lock', async () => {
    const url = bouncer.urlOf(database.url);
    const ran = await Promise.all([1, 2, 3].map(() => migrate(open(), url)));
    expect(ran.flat()).toEqual(migrations.map(({ name }) => name));
    expect(await migrate(open(), url)).toEqual([]);
    // Other suites migrate on the same server.
    const { rows } = await direct.query(
      `select pid from pg_locks join pg_database on pg_database.oid = pg_locks.database
       where locktype = 'advisory' and datname = current_database()`,
    );
    expect(rows).toEqual([]);
  });

  it('moves the tables of an earlier release, but not while a gateway of it polls them', async () => {
    const other = await createTestDatabase();
    const inPublic = openOrm({
      url: withSearchPath(other.plainUrl, 'public'),
      schema: 'public',
      entities: domains.flatMap((domain) => domain.entities),
      poolSize: 1,
    });
    await inPublic.migrator.up({ to: 'Migration20261127211700' });
    await inPublic.close();
    const url = bouncer.urlOf(other.plainUrl);
    const moved = open(url);
    const gateway = await connected(url);
    // As that release writes it.
    const poll = 'select "model" from "model_deployment" order by "model"';
    const polling = setInterval(() => void gateway.query(poll).catch(() => undefined), 500);
    try {
      await gateway.query("insert into department (id, name) values (gen_random_uuid(), 'Kept')");
      await expect(migrate(moved, url)).rejects.toThrow('a gateway still uses them');
      expect((await gateway.query('select from public.department')).rowCount).toBe(1);
      clearInterval(polling);
      await waitUntil(async () => {
        const ran = await migrate(moved, url).catch(() => []);
        return ran.length > 0;
      }, 'The move');
      expect(await databaseOf(moved).selectFrom('department').select('name').execute()).toEqual([{ name: 'Kept' }]);
      // The trigger finds its tables without a search path.
      await databaseOf(moved).deleteFrom('session').execute();
    } finally {
      clearInterval(polling);
      await gateway.end();
      await moved.close();
      await other.drop();
    }
  }, 90_000);

  it('cancels a statement that exceeds its time limit, and uses the next connection', async () => {
    const db = databaseOf(open());
    const failed = sql`select pg_sleep(20)`.execute(db);
    await waitUntil(async () => (await running()) > 0);
    await expect(failed).rejects.toMatchObject({ code: '57014' });
    await waitUntil(async () => (await running()) === 0);
    expect((await sql<{ one: number }>`select 1 as one`.execute(db)).rows).toEqual([{ one: 1 }]);
  });

  it('limits statements of a transaction, and no setting remains on the server', async () => {
    const db = databaseOf(open());
    const limits = sql<{ statement: string; idle: string }>`
      select current_setting('statement_timeout') as statement, current_setting('idle_in_transaction_session_timeout') as idle`;
    const inTransaction = await db.transaction().execute((transaction) => limits.execute(transaction));
    expect(inTransaction.rows).toEqual([{ statement: `${statementMs}ms`, idle: `${statementMs}ms` }]);
    const slow = db.transaction().execute((transaction) => sql`select pg_sleep(20)`.execute(transaction));
    await expect(slow).rejects.toMatchObject({ code: '57014' });
    expect((await limits.execute(db)).rows).toEqual([{ statement: '0', idle: '0' }]);
  });

  it('serves queries, mutations and changes of other processes', async () => {
    const prepared = await createTestDatabase(demoDatabase);
    const gateway = await startGateway({ DATABASE_URL: bouncer.urlOf(prepared.url) });
    try {
      const { data } = await gateway.execute<AnyData>('admin', '{ departments { id } employees { totalCount } }');
      const input = {
        name: 'Pooled',
        email: 'pooled@example.com',
        age: 30,
        jobTitle: 'Analyst',
        jobLevel: 2,
        hiredOn: '2020-01-01',
        salary: 1000,
        departmentId: data.departments[0].id as string,
      };
      const create = 'mutation ($input: CreateEmployeeInput!) { createEmployee(input: $input) { id } }';
      const created = await gateway.execute<AnyData>('admin', create, { input });
      expect(created.errors).toEqual([]);
      const rejected = await gateway.execute('admin', create, { input });
      expect(codesOf(rejected)).toEqual(['BAD_USER_INPUT']);
      const { data: after } = await gateway.execute<AnyData>('admin', '{ employees { totalCount } }');
      expect(after.employees.totalCount).toBe((data.employees.totalCount as number) + 1);
      expect(gateway.logs.map(({ msg }) => msg)).toContain(
        'connection pooler detected; polling instead of listening for notifications',
      );
      // Other suites listen on the same server.
      const { rows } = await direct.query(
        "select query from pg_stat_activity where query ilike 'listen%' and datname = $1",
        [new URL(prepared.url).pathname.slice(1)],
      );
      expect(rows).toEqual([]);
    } finally {
      await gateway.close();
      await prepared.drop();
    }
  });
});

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}
