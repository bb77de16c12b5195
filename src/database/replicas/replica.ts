import {
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  type QueryResult,
} from 'kysely';
import { systemErrorCode } from '../../errors/system-error-code.js';
import { schemaNamesOf, type SchemaNames } from '../schema-names.js';
import type { Database, Tables } from '../tables.js';

/** The replica became unavailable while a statement waited for it. */
class ReplicaUnavailable extends Error {
  constructor(name: string) {
    super(`The ${name} does not respond.`);
    this.name = 'ReplicaUnavailable';
  }
}

/**
 * A streaming replica for reads. Failed reads fall back to the primary, so that a lost replica fails no request. It is then
 * excluded until a health check succeeds.
 */
export class Replica {
  /** Reads from this replica, with the primary as fallback. */
  readonly db: Database;
  /** Reads from this replica, and reads that fell back to the primary. */
  readonly counted = { reads: 0, fallbacks: 0 };
  readonly #own: Database;
  readonly #primary: Database;
  readonly #waiting = new Set<(error: ReplicaUnavailable) => void>();
  #asOfMs = -Infinity;

  constructor(
    readonly name: string,
    { own, primary }: { own: Database; primary: Database },
  ) {
    this.#own = own;
    this.#primary = primary;
    this.db = readOnlyDatabase(schemaNamesOf(primary), (query) => this.#read(query));
  }

  /** All commits before this time (`performance.now()`) are replayed; -Infinity if unknown. */
  get asOfMs(): number {
    return this.#asOfMs;
  }

  /** Records a successful health check. */
  caughtUp(asOfMs: number): void {
    this.#asOfMs = asOfMs;
  }

  /** Excludes it until it has caught up. Pending reads fall back to the primary. */
  exclude(): void {
    this.#asOfMs = -Infinity;
    for (const reject of [...this.#waiting]) reject(new ReplicaUnavailable(this.name));
  }

  async #read<Row>(query: CompiledQuery<Row>): Promise<QueryResult<Row>> {
    try {
      const result = await this.#executeUnlessExcluded(query);
      this.counted.reads += 1;
      return result;
    } catch (error) {
      if (!isReplicaError(error)) throw error;
      if (isServerError(error)) this.exclude();
      this.counted.fallbacks += 1;
      return this.#primary.executeQuery(query);
    }
  }

  #executeUnlessExcluded<Row>(query: CompiledQuery<Row>): Promise<QueryResult<Row>> {
    const { promise, resolve, reject } = Promise.withResolvers<QueryResult<Row>>();
    // A frozen or partitioned server keeps its connections open until the statement timeout.
    this.#waiting.add(reject);
    this.#own
      .executeQuery(query)
      .then(resolve, reject)
      .finally(() => this.#waiting.delete(reject));
    return promise;
  }
}

/** A read-only database without transactions. */
function readOnlyDatabase(
  names: SchemaNames,
  read: <Row>(query: CompiledQuery<Row>) => Promise<QueryResult<Row>>,
): Database {
  const connection: DatabaseConnection = {
    executeQuery: <Row>(query: CompiledQuery) => read(query as CompiledQuery<Row>),
    streamQuery: () => {
      throw new Error('Streaming reads are not supported.');
    },
  };
  const rejectTransaction = (): Promise<never> =>
    Promise.reject(new Error('Replicas do not support transactions; use the entity manager.'));
  const driver: Driver = {
    init: () => Promise.resolve(),
    acquireConnection: () => Promise.resolve(connection),
    releaseConnection: () => Promise.resolve(),
    beginTransaction: rejectTransaction,
    commitTransaction: rejectTransaction,
    rollbackTransaction: rejectTransaction,
    destroy: () => Promise.resolve(),
  };
  return new Kysely<Tables>({
    plugins: [names],
    dialect: {
      createDriver: () => driver,
      createAdapter: () => new PostgresAdapter(),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  });
}

/** undefined_table, undefined_column, undefined_function, undefined_object: a migration is not replayed yet. */
const notMigrated = new Set(['42P01', '42703', '42883', '42704']);

/** query_canceled: the statement would take too long on the primary, too. */
const tookTooLong = '57014';

/**
 * Whether the primary may succeed: the replica is lost or overloaded, canceled the statement because of a replay conflict
 * (class 40), or lacks a migration. An invalid statement fails everywhere.
 */
function isReplicaError(error: unknown): boolean {
  const code = systemErrorCode(error) ?? '';
  return isServerError(error) || notMigrated.has(code) || code.startsWith('40');
}

/** Whether the server itself fails. Errors that PostgreSQL did not send are connection errors. */
function isServerError(error: unknown): boolean {
  const code = systemErrorCode(error) ?? '';
  const isSqlState = /^[0-9A-Z]{5}$/.test(code) && error instanceof Error && 'severity' in error;
  return !isSqlState || (code !== tookTooLong && /^(08|53|57|58|XX)/.test(code));
}
