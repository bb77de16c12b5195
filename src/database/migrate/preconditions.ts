import type { MikroORM } from '@mikro-orm/postgresql';
import pg from 'pg';
import { addressOf } from '../database-address.js';
import { schemaOfOrm } from '../schema-names.js';
import { MigrationRejected } from './migration-errors.js';

/** The list of migrations that have run. */
const migrationTable = 'migration';

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
  const executed = new Set(await executedMigrations(client, url, schemaOfOrm(orm)));
  return { executed, pending: [...knownMigrations(orm)].filter((name) => !executed.has(name)) };
}

/** Whether one of our migrations has run. */
export const isMigrated = (orm: MikroORM, executed: ReadonlySet<string>): boolean =>
  [...knownMigrations(orm)].some((name) => executed.has(name));

/** The migrations of this release, oldest first. */
const knownMigrations = (orm: MikroORM): Set<string> =>
  new Set(orm.config.get('migrations').migrationsList?.map(({ name }) => name));

/** @throws MigrationRejected if the table with the list belongs to another program, or the role may not read it */
export async function executedMigrations(client: pg.Client, url: string, schema: string): Promise<string[]> {
  const { rows } = await client.query<{ isReadable: boolean; hasNames: boolean }>(
    `select has_schema_privilege(pg_namespace.oid, 'usage') and has_table_privilege(pg_class.oid, 'select') as "isReadable",
       exists (select from pg_attribute where attrelid = pg_class.oid and attname = 'name' and not attisdropped) as "hasNames"
     from pg_class join pg_namespace on pg_namespace.oid = relnamespace where nspname = $1 and relname = 'migration'`,
    [schema],
  );
  const [table] = rows;
  if (!table) return [];
  const { user } = addressOf(url);
  if (!table.isReadable) throw new MigrationRejected(mayNotUse(user, schema, ['migration']));
  if (!table.hasNames) throw foreignTables(url, schema, ['migration']);
  const { rows: executed } = await client.query<{ name: string }>(
    `select name from ${pg.escapeIdentifier(schema)}.migration`,
  );
  return executed.map(({ name }) => name);
}

/**
 * Checks, before the first migration, that the schema has no tables of another program, and that the role may create tables and
 * indexes. Changes nothing.
 * @throws MigrationRejected
 */
export async function assertMigratable(
  client: pg.Client,
  { orm, url, state }: { orm: MikroORM; url: string; state: MigrationState },
): Promise<void> {
  const schema = schemaOfOrm(orm);
  if (!isMigrated(orm, state.executed)) {
    // Migrations that were reverted leave an empty list.
    const exempt = state.executed.size === 0 ? [migrationTable] : [];
    const foreign = await foreignTablesIn(client, schema, { own: ownTables(orm), exempt });
    if (foreign.length > 0) throw foreignTables(url, schema, foreign);
    const inTheWay = await foreignNamesIn(client, schema, ownTypes(orm));
    if (inTheWay.length > 0) throw foreignObjects(url, schema, inTheWay);
  }
  const { rows } = await client.query<{ role: string; isThere: boolean; mayCreate: boolean }>(
    `select current_user as role, pg_namespace.oid is not null as "isThere", case when pg_namespace.oid is null
         then has_database_privilege(current_database(), 'create') else has_schema_privilege(pg_namespace.oid, 'create, usage') end as "mayCreate"
     from (select) as one left join pg_namespace on nspname = $1`,
    [schema],
  );
  const [{ role, isThere, mayCreate } = { role: '', isThere: true, mayCreate: false }] = rows;
  if (mayCreate) return;
  const { database } = addressOf(url);
  const quoted = pg.escapeIdentifier(role);
  const name = pg.escapeIdentifier(schema);
  throw new MigrationRejected(
    isThere
      ? `The role ${role} may not create tables in the schema ${schema} of the database ${database}, and ${state.pending.length} migrations are pending; run as the owner of the schema: grant usage, create on schema ${name} to ${quoted}. Or run "npm run migrate" with DATABASE_URL of a role that may.`
      : `The role ${role} may not create the schema ${schema} (DATABASE_SCHEMA) in the database ${database}; run as the owner of the database: create schema ${name} authorization ${quoted}. Or run "npm run migrate" with DATABASE_URL of a role that may.`,
  );
}

/** @throws MigrationRejected if the role may not read and write each table; of append-only tables, read and insert */
export async function assertTablesUsable(client: pg.Client, orm: MikroORM, url: string): Promise<void> {
  const schema = schemaOfOrm(orm);
  const { rows } = await client.query<{ name: string }>(
    `select relname as name from pg_class join pg_namespace on pg_namespace.oid = relnamespace
     where nspname = $1 and relname = any ($2) and not (has_schema_privilege(pg_namespace.oid, 'usage')
       and has_table_privilege(pg_class.oid, 'select') and has_table_privilege(pg_class.oid, 'insert')
       and (exists (select from pg_trigger where tgrelid = pg_class.oid and tgname = 'auspex_append_only')
         or has_table_privilege(pg_class.oid, 'update') and has_table_privilege(pg_class.oid, 'delete'))) order by relname`,
    [schema, ownTables(orm)],
  );
  if (rows.length > 0)
    throw new MigrationRejected(
      mayNotUse(
        addressOf(url).user,
        schema,
        rows.map(({ name }) => name),
      ),
    );
}

function mayNotUse(role: string, schema: string, tables: readonly string[]): string {
  const [name, quoted] = [pg.escapeIdentifier(schema), pg.escapeIdentifier(role)];
  return `The role ${role} may not read and write ${listed(schema, tables)}; run as the owner of the tables: grant usage on schema ${name} to ${quoted}; grant select, insert, update, delete on all tables in schema ${name} to ${quoted}.`;
}

const foreignTables = (url: string, schema: string, tables: readonly string[]): MigrationRejected =>
  foreignObjects(url, schema, [listed(schema, tables)]);

const foreignObjects = (url: string, schema: string, found: readonly string[]): MigrationRejected =>
  new MigrationRejected(
    `The schema ${schema} of the database ${addressOf(url).database} has ${found.slice(0, maxNames).join(', ')} of another program, and nothing has changed; name a schema for Auspex alone in DATABASE_SCHEMA, which is created if it does not exist.`,
  );

function listed(schema: string, tables: readonly string[]): string {
  const rest = tables.length - maxNames;
  const names = tables.slice(0, maxNames).map((name) => `${schema}.${name}`);
  return `${tables.length === 1 ? 'the table' : 'the tables'} ${names.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}

/**
 * Lists the tables and views of a schema, which is for Auspex alone; in `public`, which others may use, those with the
 * name of a table of ours. Those of extensions do not count.
 */
async function foreignTablesIn(
  client: pg.Client,
  schema: string,
  { own, exempt }: { own: readonly string[]; exempt: readonly string[] },
): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select relname as name from pg_class join pg_namespace on pg_namespace.oid = relnamespace
     where nspname = $1 and relkind in ('r', 'p', 'v', 'm', 'f') and ($1 <> 'public' or relname = any ($2)) and relname <> all ($3)
       and not exists (select from pg_depend where classid = 'pg_class'::regclass and objid = pg_class.oid and deptype = 'e')
     order by relname`,
    [schema, own, exempt],
  );
  return rows.map(({ name }) => name);
}

/** Lists types and functions with the names of ours: a migration would fail, or replace a function. */
async function foreignNamesIn(client: pg.Client, schema: string, types: readonly string[]): Promise<string[]> {
  const { rows } = await client.query<{ found: string }>(
    `select format('the type %I.%I', nspname, typname) as found from pg_type join pg_namespace on pg_namespace.oid = typnamespace
       where nspname = $1 and typname = any ($2)
     union all select format('the function %I.%I', nspname, proname) from pg_proc join pg_namespace on pg_namespace.oid = pronamespace
       where nspname = $1 and starts_with(proname, 'auspex_') order by 1`,
    [schema, types],
  );
  return rows.map(({ found }) => found);
}

/** The enums that migrations create. */
export const ownTypes = (orm: MikroORM): string[] =>
  [...orm.getMetadata().getAll().values()].flatMap(({ props }) =>
    props.flatMap(({ nativeEnumName }) => (nativeEnumName === undefined ? [] : [nativeEnumName])),
  );

/** The tables that migrations create. An entity with a schema is mapped to a table of another program. */
export const ownTables = (orm: MikroORM): string[] => [
  ...new Set(
    [...orm.getMetadata().getAll().values()]
      .filter(({ abstract, schema }) => !abstract && schema === undefined)
      .map(({ tableName }) => tableName),
  ),
  migrationTable,
];
