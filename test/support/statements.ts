import pg from 'pg';

/** Background statements of a gateway: settings of new connections, table notifications, usage counts and reloads. */
const backgroundStatement =
  /^\s*(select .* where pg_backend_pid\(\) = |listen |(insert into|delete from) "auspex"\."document_usage"|select .* from "auspex"\.("(document_release|model_deployment)" order by|"credential_change" ))/;

/** The SQL statements that this process sends on any connection while `work` runs, without background statements. */
export async function statementsOf(work: () => Promise<unknown>): Promise<string[]> {
  const statements: string[] = [];
  // Patches the driver, which both Kysely and MikroORM use.
  const original = Object.getOwnPropertyDescriptor(pg.Client.prototype, 'query');
  if (!original) throw new Error('pg.Client.prototype.query is missing.');
  const query = original.value as (...args: unknown[]) => unknown;
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]): unknown {
    const [first] = args;
    statements.push(typeof first === 'string' ? first : (first as { text: string }).text);
    return query.apply(this, args);
  } as typeof pg.Client.prototype.query;
  try {
    await work();
  } finally {
    Object.defineProperty(pg.Client.prototype, 'query', original);
  }
  return statements.filter((statement) => !backgroundStatement.test(statement));
}
