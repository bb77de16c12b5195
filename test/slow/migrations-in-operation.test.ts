import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { MikroORM } from '@mikro-orm/postgresql';
import { Migration } from '@mikro-orm/migrations';
import { sql } from 'kysely';
import pg from 'pg';
import { migrate } from '../../src/database/migrate/migrate.js';
import { MigrationBlocked } from '../../src/database/migrate/migration-errors.js';
import { migrations } from '../../src/database/migrations/index.js';
import { databaseOf, openOrm } from '../../src/database/orm.js';
import { domains } from '../../src/domains/index.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { demoDatabase, startGateway, type AnyData } from '../support/gateway.js';
import { waitUntil } from '../support/wait-until.js';

let database: TestDatabase;
const orms: MikroORM[] = [];
beforeAll(async () => {
  database = await createTestDatabase(demoDatabase);
});
afterAll(async () => {
  await Promise.all(orms.map((orm) => orm.close()));
  await database.drop();
});

/** The ORM of the next release, with one more migration, in a transaction unless it builds an index concurrently. */
function openNext(url: string, ...statements: string[]): MikroORM {
  class MigrationOfTheNextRelease extends Migration {
    override name = 'MigrationOfTheNextRelease';
    override isTransactional(): boolean {
      return !statements.some((statement) => statement.includes('concurrently'));
    }
    override up(): void {
      for (const statement of statements) this.addSql(statement);
    }
  }
  const orm = openOrm({
    url,
    entities: domains.flatMap((domain) => domain.entities),
    poolSize: 2,
    timeouts: { connectionMs: 5_000, statementMs: 500 },
  });
  orm.config.set('migrations', {
    ...orm.config.get('migrations'),
    migrationsList: [...migrations, MigrationOfTheNextRelease],
  });
  orms.push(orm);
  return orm;
}

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}

describe('a migration during operation', () => {
  it('lets the previous release read, write and restart', async () => {
    const gateway = await startGateway();
    try {
      const next = openNext(
        gateway.databaseUrl,
        'alter table employee add column nickname varchar(100) null',
        'create table office (id uuid primary key)',
      );
      expect(await migrate(next, gateway.databaseUrl)).toEqual(['MigrationOfTheNextRelease']);

      const { data } = await gateway.execute<AnyData>('admin', '{ departments { id } }');
      const input = {
        name: 'After Migration',
        email: 'after@example.com',
        age: 33,
        jobTitle: 'Keeper',
        jobLevel: 2,
        hiredOn: '2024-02-29',
        salary: 1000,
        departmentId: data.departments[0].id as string,
      };
      const created = await gateway.execute<AnyData>(
        'admin',
        'mutation ($input: CreateEmployeeInput!) { createEmployee(input: $input) { id } }',
        { input },
      );
      const read = await gateway.execute<AnyData>(
        'admin',
        'query ($id: ID!) { employee(id: $id) { name department { name } } }',
        { id: created.data.createEmployee.id as string },
      );
      expect([created.errors, read.errors, read.data.employee.name]).toEqual([[], [], 'After Migration']);
      // The previous release restarts, for example after a crash, and ignores the unknown migration.
      const before = openOrm({
        url: gateway.databaseUrl,
        entities: domains.flatMap((domain) => domain.entities),
        poolSize: 2,
      });
      orms.push(before);
      expect(await migrate(before, gateway.databaseUrl)).toEqual([]);
    } finally {
      await gateway.close();
    }
  });

  it('may take longer than the statement timeout', async () => {
    const next = openNext(database.url, 'select pg_sleep(1.2)');
    expect(await migrate(next, database.url)).toEqual(['MigrationOfTheNextRelease']);
    await sql`delete from migration where name = 'MigrationOfTheNextRelease'`.execute(databaseOf(next));
  });

  it('times out on a blocked lock, so that others do not queue behind it, and retries', async () => {
    const [holder, reader] = await Promise.all([connected(database.url), connected(database.url)]);
    try {
      await holder.query('begin; lock table document_usage in access share mode');
      const next = openNext(database.url, 'alter table document_usage add column note text null');
      const migrated = migrate(next, database.url, { lockTimeoutMs: 200 });
      const waiting =
        "select count(*)::int as count from pg_locks where not granted and relation = 'document_usage'::regclass and database = (select oid from pg_database where datname = current_database()) and mode = 'AccessExclusiveLock'";
      const isWaiting = async (): Promise<boolean> =>
        ((await reader.query<{ count: number }>(waiting)).rows[0]?.count ?? 0) > 0;
      await waitUntil(isWaiting);
      // A reader behind the waiting migration is blocked only for its lock timeout.
      const startedAt = performance.now();
      await reader.query('select count(*) from document_usage');
      expect(performance.now() - startedAt).toBeLessThan(2_000);
      await waitUntil(async () => !(await isWaiting()));
      await waitUntil(isWaiting); // it retries
      await holder.query('commit');
      expect(await migrated).toEqual(['MigrationOfTheNextRelease']);
      await reader.query('alter table document_usage drop column note');
      await reader.query("delete from migration where name = 'MigrationOfTheNextRelease'");
    } finally {
      await Promise.all([holder.end(), reader.end()]);
    }
  });

  it('may build an index concurrently while other replicas wait', async () => {
    const statements = [
      'set lock_timeout = 0',
      'create index concurrently document_usage_note on document_usage (hash)',
      'reset lock_timeout',
    ];
    const ran = await Promise.all([1, 2, 3].map(() => migrate(openNext(database.url, ...statements), database.url)));
    expect(ran.flat()).toEqual(['MigrationOfTheNextRelease']);
    const client = await connected(database.url);
    const { rows } = await client.query(
      "select indisvalid from pg_index where indexrelid = 'document_usage_note'::regclass",
    );
    expect(rows).toEqual([{ indisvalid: true }]);
    await client.query(
      "drop index document_usage_note; delete from migration where name = 'MigrationOfTheNextRelease'",
    );
    await client.end();
  });

  it('fails with the reason if it stays blocked, and changes nothing', async () => {
    const holder = await connected(database.url);
    try {
      await holder.query('begin; lock table document_usage in access share mode');
      const next = openNext(
        database.url,
        'create table half_done (id int)',
        'alter table document_usage add column note text null',
      );
      const failure: unknown = await migrate(next, database.url, { lockTimeoutMs: 50, attempts: 2 }).catch(
        (error: unknown) => error,
      );
      expect(failure).toBeInstanceOf(MigrationBlocked);
      expect((failure as Error).message).toMatch(
        /^A migration tried 2 times for the locks that it needs, and others held them \(.*lock timeout.*\); end the long transactions/,
      );
      const { rows } = await holder.query(
        "select to_regclass('half_done') as half_done, (select count(*)::int from migration) as count",
      );
      expect(rows).toEqual([{ half_done: null, count: migrations.length }]);
    } finally {
      await holder.end();
    }
  });
});
