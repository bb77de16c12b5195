import type pg from 'pg';
import type { CatalogTable } from './catalog.js';
import type { Omission } from './plan-columns.js';

type TableName = Pick<CatalogTable, 'schema' | 'table'>;

/** What errors say about the database. */
export interface DatabaseNames {
  database: string;
  role: string;
  /** The schemas that have tables or views. */
  schemas: string[];
}

/** Reads the names of the database, of the role, and of the schemas. */
export async function readNames(client: pg.Client): Promise<DatabaseNames> {
  const { rows } = await client.query<DatabaseNames>(`
    select current_database() as database, current_user as role, array(
      select distinct nspname::text from pg_namespace n join pg_class c on c.relnamespace = n.oid
      where c.relkind in ('r', 'p', 'f', 'v', 'm') and nspname not like 'pg\\_%' and nspname <> 'information_schema' order by 1
    ) as schemas`);
  const [names] = rows;
  if (!names) throw new Error('The database has no name.');
  return names;
}

/** The most names that an error lists. */
const maxNames = 20;

/**
 * Chooses the tables that get types: those of the schema that the role may read and that have no type.
 * @param table its name, or `*` for all tables of the schema
 * @param typeOf the type of a table; null if it has none
 * @throws Error that says what to change if there are none
 */
export function chooseTables(
  catalog: readonly CatalogTable[],
  { schema, table }: TableName,
  typeOf: (one: TableName) => string | null,
  { database, role, schemas }: DatabaseNames,
): { chosen: CatalogTable[]; omissions: Omission[] } {
  const found = catalog.filter((one) => one.schema === schema && (table === '*' || one.table === table));
  const listed = (names: readonly string[]): string =>
    names.length > maxNames
      ? `${names.slice(0, maxNames).join(', ')} and ${names.length - maxNames} more`
      : names.join(', ');
  if (!schemas.includes(schema))
    throw new Error(
      `The database ${database} has no tables in a schema ${schema}; schemas with tables: ${listed(schemas)}.`,
    );
  if (found.length === 0)
    throw new Error(
      `The schema ${schema} of the database ${database} has no table ${table}; it has ${listed(
        catalog.filter((one) => one.schema === schema).map((one) => one.table),
      )}.`,
    );
  const untyped = found.filter((one) => typeOf(one) === null);
  if (untyped.length === 0)
    throw new Error(
      table === '*'
        ? `All tables of ${schema} have types.`
        : `${schema}.${table} has a type: ${found.map(typeOf).join()}. Change its code, or delete its domain first.`,
    );
  const chosen = untyped.filter(({ isReadable }) => isReadable);
  const remedy = `run as the owner: grant usage on schema "${schema}" to "${role}"; grant select on all tables in schema "${schema}" to "${role}"`;
  if (chosen.length === 0)
    throw new Error(
      `The role ${role} may not read ${schema}.${
        table === '*'
          ? untyped
              .map((one) => one.table)
              .slice(0, maxNames)
              .join(', ')
          : table
      }; ${remedy}.`,
    );
  const omissions = untyped
    .filter(({ isReadable }) => !isReadable)
    .map((one) => ({
      name: `${one.schema}.${one.table}`,
      reason: `cannot be read by the role ${role}; grant select on it`,
    }));
  return { chosen, omissions };
}
