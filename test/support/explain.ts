import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { mayBeNamed } from '../../src/database/named-statements.js';
import { defaultSchema, SchemaNames } from '../../src/database/schema-names.js';
import type { Database, Tables } from '../../src/database/tables.js';

/** What PostgreSQL read for a statement. */
export interface Explained {
  sql: string;
  /** Rows read from tables, with or without an index. */
  rows: number;
  /** Pages of 8 kB that were read, from the cache or the disk. */
  buffers: number;
  /** Tables read by a sequential scan, also of one partition. */
  sequentialScans: string[];
  indexes: string[];
  /** The plan as text, for messages of failed assertions. */
  plan: string;
  /** The same with the plan for all values, which a prepared statement may get; null if it is always planned with its values. */
  generic: Explained | null;
}

export interface Explainer {
  db: Database;
  /** Runs a read and explains each statement that it sent, in order. */
  explain(read: (db: Database) => Promise<unknown>): Promise<Explained[]>;
  query<Row extends object>(text: string, values?: unknown[]): Promise<Row[]>;
  close(): Promise<void>;
}

interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Plan Rows': number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
  Plans?: PlanNode[];
}

/** Explains the statements that reads send, with EXPLAIN (ANALYZE, BUFFERS). */
export function openExplainer(url: string): Explainer {
  // As on the embedded server; recommended for SSDs.
  const pool = new pg.Pool({
    connectionString: url,
    max: 1,
    options: '-c random_page_cost=1.1 -c search_path=auspex,public',
  });
  let sent: { sql: string; parameters: readonly unknown[] }[] = [];
  const db = new Kysely<Tables>({
    dialect: new PostgresDialect({ pool }),
    plugins: [new SchemaNames(defaultSchema)],
    log: ({ query }) => void sent.push(query),
  });
  /** Explains a statement with its plan for all values. */
  const generic = async (sql: string, parameters: readonly unknown[]): Promise<Explained | null> => {
    const values = parameters.map((value) =>
      pg.escapeLiteral(Array.isArray(value) ? `{${value.join()}}` : String(value)),
    );
    await pool.query('set plan_cache_mode = force_generic_plan');
    await pool.query(`prepare explained as ${sql}`);
    const { rows } = await pool.query<{ 'QUERY PLAN': { Plan: PlanNode }[] }>(
      `explain (analyze, buffers, format json) execute explained${values.length > 0 ? `(${values.join()})` : ''}`,
    );
    await pool.query('deallocate explained');
    await pool.query('set plan_cache_mode = auto');
    const plan = rows[0]?.['QUERY PLAN'][0]?.Plan;
    return plan ? { ...summary(sql, plan), generic: null } : null;
  };
  return {
    db,
    async explain(read) {
      sent = [];
      await read(db);
      const explained: Explained[] = [];
      for (const { sql, parameters } of sent) {
        const { rows } = await pool.query<{ 'QUERY PLAN': { Plan: PlanNode }[] }>(
          `explain (analyze, buffers, format json) ${sql}`,
          [...parameters],
        );
        const plan = rows[0]?.['QUERY PLAN'][0]?.Plan;
        if (plan)
          explained.push({ ...summary(sql, plan), generic: mayBeNamed(sql) ? await generic(sql, parameters) : null });
      }
      return explained;
    },
    query: async <Row extends object>(text: string, values: unknown[] = []) =>
      (await pool.query<Row>(text, values)).rows,
    close: () => db.destroy(),
  };
}

function summary(sql: string, plan: PlanNode): Omit<Explained, 'generic'> {
  const nodes = flat(plan);
  const scans = nodes.filter(({ node }) => node['Relation Name'] !== undefined);
  return {
    sql,
    rows: scans.reduce((sum, { node }) => sum + seen(node), 0),
    buffers: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'],
    sequentialScans: scans.flatMap(({ node }) =>
      node['Node Type'].includes('Seq Scan') && !isTinyPartition(node) ? [tableOf(node['Relation Name'] ?? '')] : [],
    ),
    indexes: nodes.flatMap(({ node }) => node['Index Name'] ?? []),
    plan: nodes
      .map(
        ({ node, depth }) =>
          `${'  '.repeat(depth)}${node['Node Type']} ${node['Index Name'] ?? node['Relation Name'] ?? ''} (${seen(node)} rows, ${node['Plan Rows']} expected)`,
      )
      .join('\n'),
  };
}

/** The table of a partition by day. */
const tableOf = (relation: string): string => relation.replace(/_\d{8}$/, '');

/** No index is faster than a partition of one row. */
const isTinyPartition = (node: PlanNode): boolean => /_\d{8}$/.test(node['Relation Name'] ?? '') && seen(node) <= 1;

const seen = (node: PlanNode): number =>
  Math.round(
    (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)) *
      node['Actual Loops'],
  );

const flat = (node: PlanNode, depth = 0): { node: PlanNode; depth: number }[] => [
  { node, depth },
  ...(node.Plans ?? []).flatMap((child) => flat(child, depth + 1)),
];
