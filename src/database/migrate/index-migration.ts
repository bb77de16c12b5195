import { Migration } from '@mikro-orm/migrations';
import pg from 'pg';
import { applyToSession } from '../session-settings.js';

/** Each index by its name: its table and columns, as after `on` in `create index`. */
export type IndexDefinitions = Readonly<Record<string, string>>;

/**
 * A migration that only creates or drops indexes, `concurrently`, so that reads and writes do not wait. This runs outside a
 * transaction; an interrupted run leaves invalid indexes, which the next run rebuilds.
 */
export abstract class IndexMigration extends Migration {
  override isTransactional(): boolean {
    return false;
  }

  /** Builds indexes, each by its name and its statement: `create index concurrently ...`. */
  protected async build(indexes: Readonly<Record<string, string>>): Promise<void> {
    await this.#unhurried(async (client) => {
      for (const [name, statement] of Object.entries(indexes)) await this.#buildIndex(client, name, statement);
    });
  }

  /** Gives indexes other definitions. Each new one is complete before it takes the name of the old one. */
  protected async replace(definitions: IndexDefinitions): Promise<void> {
    await this.#unhurried(async (client) => {
      for (const [name, definition] of Object.entries(definitions)) {
        const next = `${name}_next`;
        const statement = `create index concurrently ${pg.escapeIdentifier(next)} on ${definition}`;
        await this.#buildIndex(client, next, statement);
        await client.query(`drop index concurrently if exists ${this.#qualified(name)}`);
        await client.query(
          `/* destructive: no statement names an index */ alter index ${this.#qualified(next)} rename to ${pg.escapeIdentifier(name)}`,
        );
      }
    });
  }

  /**
   * Updates the statistics of a table. The planner ignores an expression index until then, and where few rows change
   * PostgreSQL would not look by itself for long.
   */
  protected async analyze(table: string): Promise<void> {
    await this.#unhurried((client) => client.query(`analyze ${this.#qualified(table)}`));
  }

  protected async drop(names: readonly string[]): Promise<void> {
    await this.#unhurried(async (client) => {
      for (const name of names) await client.query(`drop index concurrently if exists ${this.#qualified(name)}`);
    });
  }

  /**
   * Sees to it that an extension is there, in any schema; a new one is created in that of the tables. False where this database has
   * none of that name, or its user may not bring it in. What needs it must be able to do without.
   */
  protected async ensureExtension(name: string): Promise<boolean> {
    return this.#unhurried(async (client) => {
      try {
        await client.query(
          `create extension if not exists ${pg.escapeIdentifier(name)} schema ${pg.escapeIdentifier(this.#schema)}`,
        );
        return true;
      } catch (error) {
        if (error instanceof pg.DatabaseError && unavailable.has(error.code ?? '')) return false;
        throw error;
      }
    });
  }

  get #schema(): string {
    return this.config.get('schema');
  }

  /** Behind a connection pooler these statements have no search path, since a concurrent build cannot run in a transaction. */
  #qualified(name: string): string {
    return `${pg.escapeIdentifier(this.#schema)}.${pg.escapeIdentifier(name)}`;
  }

  /** Builds an index that is missing, or that an interrupted run left invalid. */
  async #buildIndex(client: pg.Client, name: string, statement: string): Promise<void> {
    const index = this.#qualified(name);
    const { rows } = await client.query<{ isValid: boolean }>(
      'select indisvalid as "isValid" from pg_index where indexrelid = to_regclass($1)',
      [index],
    );
    const isThere = rows[0]?.isValid;
    if (isThere === false) await client.query(`drop index concurrently ${index}`);
    if (isThere === true) return;
    const onTable = statement.replace(/(?<= on )"?(\w+)"?/, (_, table: string) => this.#qualified(table));
    await client.query(await withOperatorClasses(client, onTable));
  }

  /** A dedicated connection without the pool's timeouts: indexing a large table takes minutes. */
  async #unhurried<Result>(work: (client: pg.Client) => Promise<Result>): Promise<Result> {
    const client = new pg.Client({ connectionString: this.config.get('clientUrl') });
    client.on('error', () => {}); // A lost connection fails the running statement.
    await client.connect();
    try {
      // Behind a connection pooler the limits of the role hold: a concurrent build cannot run in a transaction.
      await applyToSession(client, {
        statement_timeout: 0,
        lock_timeout: 0,
        search_path: pg.escapeIdentifier(this.#schema),
      });
      return await work(client);
    } finally {
      await client.end();
    }
  }
}

/** Names the operator classes of trigrams with the schema of their extension, which may have been there before us. */
async function withOperatorClasses(client: pg.Client, statement: string): Promise<string> {
  if (!/\bgin_trgm_ops\b/.test(statement)) return statement;
  const { rows } = await client.query<{ schema: string }>(
    `select nspname as schema from pg_extension join pg_namespace on pg_namespace.oid = extnamespace where extname = 'pg_trgm'`,
  );
  const schema = rows[0]?.schema;
  return schema === undefined
    ? statement
    : statement.replaceAll(/\bgin_trgm_ops\b/g, `${pg.escapeIdentifier(schema)}.gin_trgm_ops`);
}

/** insufficient_privilege, feature_not_supported (the server has no such extension), undefined_file. */
const unavailable = new Set(['42501', '0A000', '58P01']);
