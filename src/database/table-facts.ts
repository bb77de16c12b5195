import { sql } from 'kysely';
import { schemaOf } from './schema-names.js';
import type { Database } from './tables.js';

/** What PostgreSQL knows of a table, by which a statement is judged before it runs. */
export interface TableFacts {
  /** An estimate. */
  rows: number;
  /**
   * The columns that a B-tree index of the whole table starts with, in the default order of their type: for each the collations of
   * those indexes, and `own` for that of the column, or if its type has none.
   */
  indexedColumns: ReadonlyMap<string, ReadonlySet<string>>;
  indexes: ReadonlySet<string>;
}

/** Time after which facts are read again. */
const maxAgeMs = 5 * 60_000;

/** Reads facts of tables, and refreshes them in the background. */
export class TableCatalog {
  /** By the tables of the gateway, so that there is an end of them. */
  readonly #known = new Map<string, { facts: TableFacts; atMs: number }>();

  constructor(private readonly db: Database) {}

  /** The facts of a table; see `known`. */
  async facts(table: string): Promise<TableFacts> {
    return this.known(table) ?? this.#read(table);
  }

  /** The facts of a table that were read; those that are some minutes old at most, unless the database does not respond. */
  known(table: string): TableFacts | null {
    const known = this.#known.get(table);
    if (!known) return null;
    if (performance.now() - known.atMs > maxAgeMs) {
      // One request refreshes them, and none waits for it.
      this.#known.set(table, { ...known, atMs: performance.now() });
      this.#read(table).catch(() => undefined);
    }
    return known.facts;
  }

  async #read(table: string): Promise<TableFacts> {
    const facts = await readFacts(this.db, table);
    this.#known.set(table, { facts, atMs: performance.now() });
    return facts;
  }
}

/**
 * The rows of a table or a partition, as the planner estimates them: its present size by the density when it was analyzed last. For a table that
 * was never analyzed, or was empty then, a row takes 64 bytes.
 */
const estimatedRows = sql.raw(`case when part.reltuples > 0 and part.relpages > 0
  then part.reltuples / part.relpages * pg_relation_size(part.oid) / current_setting('block_size')::integer
  else pg_relation_size(part.oid) / 64 end`);

/**
 * Reads the facts of a table.
 * @throws Error if there is no such table
 */
async function readFacts(db: Database, table: string): Promise<TableFacts> {
  // The rows of a partitioned table are in its partitions.
  const { rows } = await sql<{ rows: number; columns: [column: string, collation: string][]; indexes: string[] }>`
    select
      (select coalesce(sum(${estimatedRows}), 0)::double precision
        from pg_class as part where part.oid = named.oid or part.oid in (select relid from pg_partition_tree(named.oid) where isleaf)) as rows,
      (select coalesce(json_agg(json_build_array(attname, usable.order_of) order by indexrelid), '[]') from pg_index join pg_class as index on index.oid = indexrelid
        join pg_am on pg_am.oid = index.relam
        join pg_attribute as attribute on attrelid = indrelid and attnum = indkey[0]
        join pg_opclass on pg_opclass.oid = indclass[0]
        cross join lateral (select 'own' where indcollation[0] = attcollation
          union all select quote_ident(collname) from pg_collation where oid = indcollation[0]) as usable (order_of)
        where indrelid = named.oid and indisvalid and indpred is null and amname = 'btree'
          and exists (select from pg_opclass as usual where usual.opcfamily = pg_opclass.opcfamily and usual.opcdefault)) as columns,
      array(select index.relname::text from pg_index join pg_class as index on index.oid = indexrelid
        where indrelid = named.oid and indisvalid) as indexes
    from (select ${nameOf(db, table)}::regclass::oid as oid) as named`.execute(db);
  const [facts] = rows;
  if (!facts) throw new Error(`There is no table ${table}.`);
  const byColumn = Map.groupBy(facts.columns, ([column]) => column);
  return {
    rows: facts.rows,
    indexedColumns: new Map([...byColumn].map(([name, found]) => [name, new Set(found.map(([, one]) => one))])),
    indexes: new Set(facts.indexes),
  };
}

/** The name of a table for PostgreSQL, in the schema of the gateway unless it names another. */
const nameOf = (db: Database, table: string) =>
  table.includes('.') ? sql`${table}::text` : sql`format('%I.%I', ${schemaOf(db)}::text, ${table}::text)`;
