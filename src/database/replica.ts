import { Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, type CompiledQuery, type DatabaseConnection, type Driver, type QueryResult } from 'kysely';
import { codeOf } from '../shared/error-code.js';
import type { Database, Tables } from './tables.js';

/** The replica was found to be away while a statement waited for it. */
class ReplicaAway extends Error {
  constructor(name: string) {
    super(`The ${name} does not answer.`);
    this.name = 'ReplicaAway';
  }
}

/**
 * A server that follows the primary and answers reads. Whatever it cannot answer the primary does, so that nobody who reads
 * notices when it dies; it is then left out until it is found well again.
 */
export class Replica {
  /** Reads by this replica, and by the primary in its place. */
  readonly db: Database;
  /** Statements that it has answered, and those that the primary had to. */
  readonly counted = { reads: 0, moved: 0 };
  readonly #own: Database;
  readonly #primary: Database;
  readonly #waiting = new Set<(error: ReplicaAway) => void>();
  #asOfMs = -Infinity;

  constructor(
    readonly name: string,
    { own, primary }: { own: Database; primary: Database },
  ) {
    this.#own = own;
    this.#primary = primary;
    this.db = readingBy((query) => this.#read(query));
  }

  /** It has all that was committed before this time, by `performance.now()`; -Infinity where that is not known. */
  get asOfMs(): number {
    return this.#asOfMs;
  }

  /** It was found well, with all that was committed before a time. */
  caughtUp(asOfMs: number): void {
    this.#asOfMs = asOfMs;
  }

  /** It is used no more until it has caught up; whoever waits for it now has the primary asked. */
  leaveOut(): void {
    this.#asOfMs = -Infinity;
    for (const giveUp of [...this.#waiting]) giveUp(new ReplicaAway(this.name));
  }

  async #read<Row>(query: CompiledQuery<Row>): Promise<QueryResult<Row>> {
    try {
      const result = await this.#unlessAway(query);
      this.counted.reads += 1;
      return result;
    } catch (error) {
      if (!isOfReplica(error)) throw error;
      if (isOfServer(error)) this.leaveOut();
      this.counted.moved += 1;
      return this.#primary.executeQuery(query);
    }
  }

  #unlessAway<Row>(query: CompiledQuery<Row>): Promise<QueryResult<Row>> {
    const { promise, resolve, reject } = Promise.withResolvers<QueryResult<Row>>();
    // A server that was stopped, or cut off, keeps its connections and says nothing for as long as the statement may take.
    this.#waiting.add(reject);
    this.#own
      .executeQuery(query)
      .then(resolve, reject)
      .finally(() => this.#waiting.delete(reject));
    return promise;
  }
}

/** A database for reads alone, each a statement by itself. */
function readingBy(read: <Row>(query: CompiledQuery<Row>) => Promise<QueryResult<Row>>): Database {
  const connection: DatabaseConnection = {
    executeQuery: <Row>(query: CompiledQuery) => read(query as CompiledQuery<Row>),
    streamQuery: () => {
      throw new Error('Reads are not streamed.');
    },
  };
  const refuse = (): Promise<never> => Promise.reject(new Error('A replica takes no transactions; use the entity manager.'));
  const driver: Driver = {
    init: () => Promise.resolve(),
    acquireConnection: () => Promise.resolve(connection),
    releaseConnection: () => Promise.resolve(),
    beginTransaction: refuse,
    commitTransaction: refuse,
    rollbackTransaction: refuse,
    destroy: () => Promise.resolve(),
  };
  return new Kysely<Tables>({
    dialect: {
      createDriver: () => driver,
      createAdapter: () => new PostgresAdapter(),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  });
}

/** undefined_table, undefined_column, undefined_function, undefined_object: a migration that has not arrived yet. */
const notMigrated = new Set(['42P01', '42703', '42883', '42704']);

/** query_canceled: the statement took too long, and would on the primary. */
const tookTooLong = '57014';

/**
 * Whether an error comes of the replica, so that the primary may do better: it is gone, has no connection or room left, replays
 * something that the statement stands in the way of (class 40), or lacks what a migration has brought. What is wrong with a
 * statement itself is wrong everywhere.
 */
function isOfReplica(error: unknown): boolean {
  const code = codeOf(error) ?? '';
  return isOfServer(error) || notMigrated.has(code) || code.startsWith('40');
}

/** Whether the server itself is in trouble. An error that PostgreSQL did not send is one of the way to it. */
function isOfServer(error: unknown): boolean {
  const code = codeOf(error) ?? '';
  const isSqlState = /^[0-9A-Z]{5}$/.test(code) && error instanceof Error && 'severity' in error;
  return !isSqlState || (code !== tookTooLong && /^(08|53|57|58|XX)/.test(code));
}
