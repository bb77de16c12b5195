import pg from 'pg';

/** What a gateway sends by itself: it follows its tables, and writes what it has counted. */
const ofItsOwn = /^\s*(listen |(insert into|delete from) document_usage|select .* from "(document_release|model_deployment)" order by)/;

/** The SQL statements that this process sends while `work` runs, by any connection. */
export async function statementsOf(work: () => Promise<unknown>): Promise<string[]> {
  const statements: string[] = [];
  // The driver's own method: whatever sends a statement, Kysely or MikroORM, passes here.
  const original = Object.getOwnPropertyDescriptor(pg.Client.prototype, 'query');
  if (!original) throw new Error('pg.Client has no query to watch.');
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
  return statements.filter((statement) => !ofItsOwn.test(statement));
}
