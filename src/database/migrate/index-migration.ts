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
      for (const [name, statement] of Object.entries(indexes)) await buildIndex(client, name, statement);
    });
  }

  /** Gives indexes other definitions. Each new one is complete before it takes the name of the old one. */
  protected async replace(definitions: IndexDefinitions): Promise<void> {
    await this.#unhurried(async (client) => {
      for (const [name, definition] of Object.entries(definitions)) {
        const [index, next] = [pg.escapeIdentifier(name), pg.escapeIdentifier(`${name}_next`)];
        await buildIndex(client, `${name}_next`, `create index concurrently ${next} on ${definition}`);
        await client.query(`drop index concurrently if exists ${index}`);
        await client.query(`/* destructive: no statement names an index */ alter index ${next} rename to ${index}`);
      }
    });
  }

  /**
   * Updates the statistics of a table. The planner ignores an expression index until then, and where few rows change
   * PostgreSQL would not look by itself for long.
   */
  protected async analyze(table: string): Promise<void> {
    await this.#unhurried((client) => client.query(`analyze ${pg.escapeIdentifier(table)}`));
  }

  protected async drop(names: readonly string[]): Promise<void> {
    await this.#unhurried(async (client) => {
      for (const name of names) await client.query(`drop index concurrently if exists ${pg.escapeIdentifier(name)}`);
    });
  }

  /**
   * Sees to it that an extension is there; false where this database has none of that name, or its user may not bring it in.
   * What needs it must be able to do without.
   */
  protected async ensureExtension(name: string): Promise<boolean> {
    return this.#unhurried(async (client) => {
      try {
        await client.query(`create extension if not exists ${pg.escapeIdentifier(name)}`);
        return true;
      } catch (error) {
        if (error instanceof pg.DatabaseError && unavailable.has(error.code ?? '')) return false;
        throw error;
      }
    });
  }

  /** A dedicated connection without the pool's timeouts: indexing a large table takes minutes. */
  async #unhurried<Result>(work: (client: pg.Client) => Promise<Result>): Promise<Result> {
    const client = new pg.Client({ connectionString: this.config.get('clientUrl') });
    client.on('error', () => {}); // A lost connection fails the running statement.
    await client.connect();
    try {
      // Behind a connection pooler the limits of the role hold: a concurrent build cannot run in a transaction.
      await applyToSession(client, { statement_timeout: 0, lock_timeout: 0 });
      return await work(client);
    } finally {
      await client.end();
    }
  }
}

/** Builds an index that is missing, or that an interrupted run left invalid. */
async function buildIndex(client: pg.Client, name: string, statement: string): Promise<void> {
  const { rows } = await client.query<{ isValid: boolean }>(
    'select indisvalid as "isValid" from pg_index where indexrelid = to_regclass($1)',
    [pg.escapeIdentifier(name)],
  );
  const isThere = rows[0]?.isValid;
  if (isThere === false) await client.query(`drop index concurrently ${pg.escapeIdentifier(name)}`);
  if (isThere !== true) await client.query(statement);
}

/** insufficient_privilege, feature_not_supported (the server has no such extension), undefined_file. */
const unavailable = new Set(['42501', '0A000', '58P01']);
