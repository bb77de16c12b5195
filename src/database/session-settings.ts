import pg from 'pg';

/** Time limits of PostgreSQL in milliseconds, such as `statement_timeout`, where 0 is no limit; and quoted names. */
export interface SessionSettings extends Readonly<Record<string, number | string | undefined>> {
  statement_timeout?: number;
  /** Where names without a schema are found: the schema, as a quoted identifier. */
  search_path?: string;
}

/**
 * Applies settings to a new connection in one round trip, if it has a dedicated server. As parameters of the
 * connection PgBouncer would reject them.
 * @returns false if a connection pooler is in between, which changes servers between transactions. It reports another process
 * id than its servers; then nothing is set, because a setting would stay on a server that others use.
 */
export async function applyToSession(client: pg.ClientBase, settings: SessionSettings): Promise<boolean> {
  const calls = Object.entries(settings).map(
    ([name, value]) => `set_config(${pg.escapeLiteral(name)}, ${pg.escapeLiteral(String(value))}, false)`,
  );
  // Not `client.query`: this is no statement of an operation.
  const result = await (pg.Client.prototype.query as Query).call(
    client,
    `select ${[...calls, '1'].join(', ')} where pg_backend_pid() = ${processIdOf(client)}`,
  );
  return result.rowCount === 1;
}

type Query = (this: pg.ClientBase, text: string) => Promise<pg.QueryResult>;

/** The process id that the server reported; missing in the types. */
const processIdOf = (client: pg.ClientBase): number => (client as pg.ClientBase & { processID: number }).processID;

/** A statement that begins a transaction, with settings that end with it. */
export const withLocalSettings = (begin: string, settings: SessionSettings): string =>
  [begin, ...Object.entries(settings).map(([name, value]) => `set local ${name} = ${value}`)].join('; ');
