import type { MikroORM } from '@mikro-orm/postgresql';
import type pg from 'pg';
import { addressOf } from '../database-address.js';
import { MigrationRejected } from './migration-errors.js';

/** Longer lists are truncated in messages. */
const maxNames = 5;

/** The state of the migrations of a database. */
export interface MigrationState {
  executed: Set<string>;
  /** Migrations of this release that have not run, oldest first. */
  pending: string[];
}

/** Reads which migrations have run. Changes and locks nothing, and needs no privilege to create tables. */
export async function migrationState(client: pg.Client, orm: MikroORM, url: string): Promise<MigrationState> {
  const { migrationsList = [] } = orm.config.get('migrations');
  const names = migrationsList.map(({ name }) => name);
  const executed = new Set(await executedMigrations(client, url));
  return { executed, pending: names.filter((name) => !executed.has(name)) };
}

async function executedMigrations(client: pg.Client, url: string): Promise<string[]> {
  const { rows } = await client.query<{ isReadable: boolean; hasNames: boolean }>(
    `select has_table_privilege(oid, 'select') as "isReadable",
       exists (select from pg_attribute where attrelid = pg_class.oid and attname = 'name' and not attisdropped) as "hasNames"
     from pg_class where oid = to_regclass('migration')`,
  );
  const [table] = rows;
  if (!table) return [];
  const { user } = addressOf(url);
  if (!table.isReadable) throw new MigrationRejected(mayNotUse(user, ['migration']));
  if (!table.hasNames) throw foreignTables(url, ['migration']);
  return (await client.query<{ name: string }>('select name from migration')).rows.map(({ name }) => name);
}

/**
 * Checks, before the first migration, that no table of another program has the name of one of the gateway's, and that the role may
 * create tables and indexes.
 * @throws MigrationRejected
 */
export async function assertMigratable(
  client: pg.Client,
  { orm, url, state }: { orm: MikroORM; url: string; state: MigrationState },
): Promise<void> {
  const known = new Set(orm.config.get('migrations').migrationsList?.map(({ name }) => name));
  if (![...state.executed].some((name) => known.has(name))) {
    const foreign = await existingTables(client, [...tablesOf(orm), ...(state.executed.size > 0 ? ['migration'] : [])]);
    if (foreign.length > 0) throw foreignTables(url, foreign);
  }
  const { rows } = await client.query<{ role: string; schema: string | null; mayCreate: boolean | null }>(
    `select current_user as role, current_schema() as schema, has_schema_privilege(current_schema(), 'create') as "mayCreate"`,
  );
  const [{ role, schema, mayCreate } = { role: '', schema: null, mayCreate: null }] = rows;
  if (mayCreate === true) return;
  const { database } = addressOf(url);
  throw new MigrationRejected(
    `The role ${role} may not create tables in the schema ${schema ?? 'public'} of the database ${database}, and ${state.pending.length} migrations are pending; run as the owner of the schema: grant usage, create on schema ${schema ?? 'public'} to "${role}". Or run "npm run migrate" with DATABASE_URL of a role that may.`,
  );
}

/** @throws MigrationRejected if the role may not read and write each table; of append-only tables, read and insert */
export async function assertTablesUsable(client: pg.Client, orm: MikroORM, url: string): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `select relname as name from pg_class where oid in (select to_regclass(quote_ident(name)) from unnest($1::text[]) as listed (name))
       and not (has_table_privilege(oid, 'select') and has_table_privilege(oid, 'insert')
         and (exists (select from pg_trigger where tgrelid = pg_class.oid and tgname = 'auspex_append_only')
           or has_table_privilege(oid, 'update') and has_table_privilege(oid, 'delete'))) order by relname`,
    [tablesOf(orm)],
  );
  if (rows.length > 0)
    throw new MigrationRejected(
      mayNotUse(
        addressOf(url).user,
        rows.map(({ name }) => name),
      ),
    );
}

const mayNotUse = (role: string, tables: readonly string[]): string =>
  `The role ${role} may not read and write ${listed(tables)}; run as the owner of the tables: grant select, insert, update, delete on all tables in schema public to "${role}".`;

const foreignTables = (url: string, tables: readonly string[]): MigrationRejected =>
  new MigrationRejected(
    `The database ${addressOf(url).database} has ${listed(tables)} of another program; Auspex needs a database without tables of these names: name an empty one in DATABASE_URL.`,
  );

function listed(tables: readonly string[]): string {
  const rest = tables.length - maxNames;
  const named = `${tables.slice(0, maxNames).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
  return `${tables.length === 1 ? 'the table' : 'the tables'} ${named}`;
}

async function existingTables(client: pg.Client, names: readonly string[]): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select name from unnest($1::text[]) as listed (name) where to_regclass(quote_ident(name)) is not null order by name`,
    [names],
  );
  return rows.map(({ name }) => name);
}

const tablesOf = (orm: MikroORM): string[] => [
  ...new Set(
    [...orm.getMetadata().getAll().values()].filter(({ abstract }) => !abstract).map(({ tableName }) => tableName),
  ),
];
