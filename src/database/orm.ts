import { ReflectMetadataProvider } from '@mikro-orm/decorators/legacy';
import { Migrator } from '@mikro-orm/migrations';
import { MikroORM, type EntityClass, type Options } from '@mikro-orm/postgresql';
import pg from 'pg';
import { migrations } from './migrations/index.js';
import { noteDone } from '../shared/work.js';
import type { Database } from './tables.js';

/** How the database is reached. */
export interface OrmOptions {
  url: string;
  entities: EntityClass<unknown>[];
  /** Connections at the most. */
  poolSize: number;
  timeouts?: { connectionMs: number; statementMs: number };
}

const defaultTimeouts = { connectionMs: 5_000, statementMs: 10_000 };

/** The server ends a statement that takes too long; where it does not answer at all, the wait ends here, a little later. */
const graceMs = 1_000;

/** Opens MikroORM; `orm.close()` gives the connections back. Connects at the first statement. */
export function openOrm({ url, entities, poolSize, timeouts = defaultTimeouts }: OrmOptions): MikroORM {
  const options: Options = {
    clientUrl: url,
    entities,
    metadataProvider: ReflectMetadataProvider,
    extensions: [Migrator],
    pool: { max: poolSize },
    driverOptions: {
      connectionTimeoutMillis: timeouts.connectionMs,
      statement_timeout: timeouts.statementMs,
      idle_in_transaction_session_timeout: timeouts.statementMs,
      query_timeout: timeouts.statementMs + graceMs,
      keepAlive: true,
      Client: CountingClient,
      onPoolCreated: readTimesAsDates,
    },
    forceUtcTimezone: true,
    allowGlobalContext: false,
    // MikroORM would print to the console; what matters comes back as results and errors.
    logger: () => {},
    migrations: { migrationsList: migrations, snapshot: false, tableName: 'migration', disableForeignKeys: false, allOrNothing: false },
  };
  return new MikroORM(options);
}

/** MikroORM has its driver give times as text, which it parses for entities; rows are read without it. */
function readTimesAsDates({ options }: { options: { types?: pg.CustomTypesConfig | undefined } }): void {
  const { TIMESTAMPTZ } = pg.types.builtins;
  const parseTime = pg.types.getTypeParser(TIMESTAMPTZ) as (text: string) => Date;
  if (options.types instanceof pg.TypeOverrides) options.types.setTypeParser(TIMESTAMPTZ, parseTime);
}

/** A connection that counts its statements: whatever sends one, Kysely or MikroORM, passes here, and waits for a promise. */
class CountingClient extends pg.Client {
  override query = ((...args: unknown[]): unknown => {
    const startMs = performance.now();
    const answer = (pg.Client.prototype.query as (...given: unknown[]) => unknown).apply(this, args);
    if (answer instanceof Promise) answer.finally(() => noteDone('sql', startMs)).catch(() => undefined);
    return answer;
  }) as typeof pg.Client.prototype.query;
}

/** The reading side: rows by SQL, outside any unit of work. */
export const databaseOf = (orm: MikroORM): Database => orm.em.fork().getKysely();
