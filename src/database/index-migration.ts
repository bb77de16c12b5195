import { Migration } from '@mikro-orm/migrations';
import pg from 'pg';

/**
 * A migration of indexes alone, which are built and dropped `concurrently`: nobody who reads or writes the table waits. That
 * is possible outside a transaction only, so that a run that breaks off leaves something behind; the next one sees what is
 * there already, and builds anew what was left unfinished.
 */
export abstract class IndexMigration extends Migration {
  override isTransactional(): boolean {
    return false;
  }

  /** Builds indexes, each by its name and its statement: `create index concurrently ...`. */
  protected async build(indexes: Readonly<Record<string, string>>): Promise<void> {
    await this.#unhurried(async (client) => {
      for (const [name, statement] of Object.entries(indexes)) {
        const { rows } = await client.query<{ isValid: boolean }>('select indisvalid as "isValid" from pg_index where indexrelid = to_regclass($1)', [pg.escapeIdentifier(name)]);
        const isThere = rows[0]?.isValid;
        if (isThere === false) await client.query(`drop index concurrently ${pg.escapeIdentifier(name)}`);
        if (isThere !== true) await client.query(statement);
      }
    });
  }

  /**
   * Has the planner know what is in a table. An index of an expression tells it nothing until then, and where few rows change
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

  /** A connection of its own, without the time limits of the pool's: an index of a large table takes minutes. */
  async #unhurried<Result>(work: (client: pg.Client) => Promise<Result>): Promise<Result> {
    const client = new pg.Client({ connectionString: this.config.get('clientUrl'), statement_timeout: 0, lock_timeout: 0 });
    client.on('error', () => {}); // whatever cuts the connection fails the statement that is under way
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }
}

/** insufficient_privilege, feature_not_supported (the server has no such extension), undefined_file. */
const unavailable = new Set(['42501', '0A000', '58P01']);
