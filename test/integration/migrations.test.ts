import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { MikroORM } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { DatabaseUnreachable, migrate } from '../../src/database/migrate.js';
import { migrations } from '../../src/database/migrations/index.js';
import { databaseOf, openOrm } from '../../src/database/orm.js';
import { domains } from '../../src/domains/index.js';
import { createTestDatabase, type TestDatabase } from '../kit/database.js';
import { freePort } from '../kit/redis.js';

let database: TestDatabase;
const orms: MikroORM[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await Promise.all(orms.map((orm) => orm.close()));
  await database.drop();
});

function open(): MikroORM {
  const orm = openOrm({ url: database.url, entities: domains.flatMap((domain) => domain.entities), poolSize: 2 });
  orms.push(orm);
  return orm;
}

describe('migrations', () => {
  it('run once, in order, however many start at the same time', async () => {
    const ran = await Promise.all([1, 2, 3, 4].map(() => migrate(open(), database.url)));
    const names = migrations.map((migration) => migration.name);
    expect(ran.flat()).toEqual(names);
    const { rows } = await sql<{ name: string }>`select name from migration order by id`.execute(databaseOf(open()));
    expect(rows.map((row) => row.name)).toEqual(names);
  });

  it('leave nothing between the database and the entities', async () => {
    const orm = open();
    await migrate(orm, database.url);
    expect(await orm.schema.getUpdateSchemaSQL({ wrap: false })).toBe('');
  });

  it('are asked for by that comparison where a column is missing, so that it can be trusted', async () => {
    const orm = open();
    await sql`alter table department drop column name`.execute(databaseOf(orm));
    expect(await orm.schema.getUpdateSchemaSQL({ wrap: false })).toContain('alter table "department" add "name"');
  });

  it('can be taken back to an empty database', async () => {
    const other = await createTestDatabase();
    const orm = openOrm({ url: other.url, entities: domains.flatMap((domain) => domain.entities), poolSize: 2 });
    try {
      await migrate(orm, other.url);
      await orm.migrator.down({ to: 0 });
      const { rows } = await sql<{ name: string }>`select tablename as name from pg_tables where schemaname = 'public'`.execute(databaseOf(orm));
      expect(rows).toEqual([{ name: 'migration' }]);
      expect(await migrate(orm, other.url)).toEqual(migrations.map((migration) => migration.name));
    } finally {
      await orm.close();
      await other.drop();
    }
  });

  it('say which database does not answer, and no password', async () => {
    const url = `postgresql://someone:a-password@127.0.0.1:${await freePort()}/company`;
    const failure: unknown = await migrate(open(), url).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(DatabaseUnreachable);
    const { message } = failure as Error;
    expect(message).toMatch(/^The database company at 127\.0\.0\.1:\d+ cannot be opened as someone \(.*ECONNREFUSED.*\); start it, or correct DATABASE_URL\.$/);
    expect(message).not.toContain('a-password');
  });
});
