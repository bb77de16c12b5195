import { setTimeout as sleep } from 'node:timers/promises';
import type { MikroORM } from '@mikro-orm/postgresql';
import pg from 'pg';
import { systemErrorCode } from '../../errors/system-error-code.js';
import type { Logger } from '../../telemetry/logger.js';
import { addressOf, type DatabaseAddress } from '../database-address.js';
import { schemaOfOrm } from '../schema-names.js';
import { applyToSession } from '../session-settings.js';
import { MigrationRejected } from './migration-errors.js';
import { executedMigrations, isMigrated, ownTables, type MigrationState } from './preconditions.js';

/** The first migration of releases with `DATABASE_SCHEMA`. Where it has run, the tables are in the schema that was chosen for them. */
const firstWithSchema = 'Migration20261128140000';

/** Gateways behind a connection pooler show by their polls that they run: every 5 seconds. */
const pollMs = 6_000;
const pauseMs = 500;
const connectTimeoutMs = 5_000;

/** The tables that gateways poll. */
const polledTables = 'model_deployment|credential_change|document_release';

/**
 * Finds the schema in which a release without `DATABASE_SCHEMA` has created the tables, as that release finds it: by the search
 * path of the role.
 * @returns null if there is none, or if this release has used it already
 */
export async function earlierSchemaOf(
  client: pg.Client,
  { orm, url, state }: { orm: MikroORM; url: string; state: MigrationState },
): Promise<string | null> {
  if (isMigrated(orm, state.executed)) return null;
  const { rows } = await client.query<{ name: string }>(
    `select nspname as name from pg_class join pg_namespace on pg_namespace.oid = relnamespace
     where pg_class.oid = to_regclass('migration') and nspname <> $1 and has_table_privilege(pg_class.oid, 'select')
       and exists (select from pg_attribute where attrelid = pg_class.oid and attname = 'name')`,
    [schemaOfOrm(orm)],
  );
  const [found] = rows;
  if (!found) return null;
  const executed = new Set(await executedMigrations(client, url, found.name));
  return isMigrated(orm, executed) && !executed.has(firstWithSchema) ? found.name : null;
}

/**
 * Checks that a schema has tables of Auspex, which move by request.
 * @throws MigrationRejected
 */
export async function assertMovable(
  client: pg.Client,
  { orm, url, from, state }: { orm: MikroORM; url: string; from: string; state: MigrationState },
): Promise<void> {
  const to = schemaOfOrm(orm);
  if (isMigrated(orm, state.executed))
    throw new MigrationRejected(
      `The schema ${to} (DATABASE_SCHEMA) has tables of Auspex already; nothing has changed.`,
    );
  if (!isMigrated(orm, new Set(await executedMigrations(client, url, from))))
    throw new MigrationRejected(`The schema ${from} has no tables of Auspex; nothing has changed.`);
}

export interface Move {
  orm: MikroORM;
  url: string;
  /** The schema that has the tables. */
  from: string;
  lockTimeoutMs: number;
  log: Logger | undefined;
}

/**
 * Moves the tables, types and functions into the configured schema, in one transaction. No row is copied. Roles that may use a table
 * may use the schema.
 * @param client has the migration lock
 * @throws MigrationRejected if a gateway runs that would not find its tables any more, or the role is not the owner; nothing has
 * changed then
 */
export async function moveTables(client: pg.Client, { orm, url, from, lockTimeoutMs, log }: Move): Promise<void> {
  const to = schemaOfOrm(orm);
  await assertNoGatewayRuns(client, from, to);
  const moving = new pg.Client({ connectionString: url, connectionTimeoutMillis: connectTimeoutMs });
  moving.on('error', () => {}); // A lost connection fails its statements.
  await moving.connect();
  try {
    await moving.query(`begin; set local lock_timeout = ${lockTimeoutMs}; set local statement_timeout = 0`);
    const counts = await move(moving, ownTables(orm), from, to);
    await moving.query('commit');
    log?.info({ from, to, ...counts }, 'tables moved to another schema');
  } catch (error) {
    await moving.query('rollback').catch(() => undefined);
    throw systemErrorCode(error) === '42501' ? mayNotMove(addressOf(url), from, to, error) : error;
  } finally {
    await moving.end();
  }
}

interface MovedObject {
  kind: 'table' | 'type' | 'function';
  /** Quoted, with the schema and the types of arguments. */
  name: string;
  /** Settings of a function: `search_path=pg_catalog, public, pg_temp`. */
  settings: string[] | null;
  /** Quoted roles that may use a table. */
  roles: string[];
}

/** The tables with their partitions, the enums of their columns, and the functions. Indexes, constraints and triggers follow their table. */
const movedObjects = `
  with recursive own (oid) as (
    select pg_class.oid from pg_class join pg_namespace on pg_namespace.oid = relnamespace
    where nspname = $1 and relname = any ($2) and relkind in ('r', 'p')
    union
    select inhrelid from own join pg_inherits on inhparent = own.oid
  )
  select 'table' as kind, own.oid::regclass::text as name, null as settings, array(
    select distinct quote_ident(pg_get_userbyid(grantee)) from aclexplode(relacl) where grantee not in (0, relowner)
  ) as roles
  from own join pg_class using (oid)
  union all
  select distinct 'type', pg_type.oid::regtype::text, null::text[], '{}'::text[]
  from own join pg_attribute on attrelid = own.oid join pg_type on pg_type.oid = atttypid join pg_namespace on pg_namespace.oid = typnamespace
  where typtype = 'e' and nspname = $1
  union all
  select 'function', pg_proc.oid::regprocedure::text, proconfig, '{}'
  from pg_proc join pg_namespace on pg_namespace.oid = pronamespace
  where nspname = $1 and proname like 'auspex\\_%'`;

async function move(client: pg.Client, tables: string[], from: string, to: string): Promise<Record<string, number>> {
  const schema = pg.escapeIdentifier(to);
  // Names are quoted with their schema, which is not in this path.
  await client.query(`set local search_path = pg_catalog`);
  const { rows: objects } = await client.query<MovedObject>(movedObjects, [from, tables]);
  // The name of a function has the types of its arguments, which are still where they were.
  const inOrder = objects.toSorted((one, other) => one.kind.localeCompare(other.kind));
  const statements = inOrder.flatMap(({ kind, name, settings }) => {
    const path = settings?.find((setting) => setting.startsWith('search_path='))?.slice('search_path='.length);
    return [
      ...(path === undefined ? [] : [`alter function ${name} set search_path = ${pathWith(path, from, to)}`]),
      `alter ${kind} ${name} set schema ${schema}`,
    ];
  });
  const roles = [...new Set(objects.flatMap((object) => object.roles))];
  const { rowCount } = await client.query('select from pg_namespace where nspname = $1', [to]);
  await client.query(
    [
      ...(rowCount === 0 ? [`create schema ${schema}`] : []),
      ...statements,
      ...roles.map((role) => `grant usage on schema ${schema} to ${role}`),
    ].join('; '),
  );
  const count = (kind: MovedObject['kind']): number => objects.filter((object) => object.kind === kind).length;
  return { tables: count('table'), types: count('type'), functions: count('function') };
}

const pathWith = (path: string, from: string, to: string): string =>
  path
    .split(', ')
    .map((name) => (name === from || name === pg.escapeIdentifier(from) ? pg.escapeIdentifier(to) : name))
    .join(', ');

/** @throws MigrationRejected if a gateway uses the tables */
async function assertNoGatewayRuns(client: pg.Client, from: string, to: string): Promise<void> {
  // Behind a connection pooler no gateway listens, and its polls are all there is to see.
  const hasSession = await applyToSession(client, {});
  const untilMs = performance.now() + (hasSession ? 0 : pollMs);
  for (;;) {
    // The view shows one state for the whole transaction, unless it is cleared.
    await client.query('select pg_stat_clear_snapshot()');
    const { rows } = await client.query<{ pid: number; role: string; address: string | null }>(
      `select pid, usename as role, host(client_addr) as address from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid() and (
         query ~ ('^listen "auspex_\\w+"( /\\* ' || $1 || ' \\*/)?$') or query ~ ('from ("' || $1 || '"\\.)?"(${polledTables})"')
           and greatest(query_start, state_change) > clock_timestamp() - make_interval(secs => $2))
       order by backend_start limit 1`,
      [from, pollMs / 1000],
    );
    const [running] = rows;
    if (running) throw gatewayRuns(running, from, to);
    if (performance.now() >= untilMs) return;
    await sleep(pauseMs);
  }
}

const gatewayRuns = (
  { pid, role, address }: { pid: number; role: string; address: string | null },
  from: string,
  to: string,
): MigrationRejected =>
  new MigrationRejected(
    `The tables of Auspex are in the schema ${from} and belong into ${to} (DATABASE_SCHEMA), but a gateway still uses them (server process ${pid}, role ${role}${address === null ? '' : `, from ${address}`}) and would not find them there. Nothing has changed. Stop all gateways that use them and start again; or set DATABASE_SCHEMA=${from}, which leaves the tables where they are and needs no downtime.`,
  );

const mayNotMove = ({ user, database }: DatabaseAddress, from: string, to: string, cause: unknown): MigrationRejected =>
  new MigrationRejected(
    `The role ${user} may not move the tables of Auspex from the schema ${from} to ${to} (${cause instanceof Error ? cause.message : String(cause)}). Nothing has changed. Run "npm run migrate" with DATABASE_URL of the role that owns the tables, which needs the privilege to create a schema: grant create on database "${database}" to its owner. Or set DATABASE_SCHEMA=${from}, which leaves the tables where they are.`,
    cause,
  );
