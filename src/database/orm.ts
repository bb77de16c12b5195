import { ReflectMetadataProvider } from '@mikro-orm/decorators/legacy';
import { Migrator } from '@mikro-orm/migrations';
import { MikroORM, type EntityClass, type Options } from '@mikro-orm/postgresql';
import pg from 'pg';
import { migrations } from './migrations/index.js';
import type { Database } from './tables.js';

/** How the database is reached. */
export interface OrmOptions {
  url: string;
  entities: EntityClass<unknown>[];
  /** Connections at the most. */
  poolSize: number;
}

/** Opens MikroORM; `orm.close()` gives the connections back. Connects at the first statement. */
export function openOrm({ url, entities, poolSize }: OrmOptions): MikroORM {
  const options: Options = {
    clientUrl: url,
    entities,
    metadataProvider: ReflectMetadataProvider,
    extensions: [Migrator],
    pool: { max: poolSize },
    driverOptions: { connectionTimeoutMillis: 5_000, keepAlive: true, onPoolCreated: readTimesAsDates },
    forceUtcTimezone: true,
    allowGlobalContext: false,
    // MikroORM would print to the console; what matters comes back as results and errors.
    logger: () => {},
    migrations: { migrationsList: migrations, snapshot: false, tableName: 'migration', disableForeignKeys: false },
  };
  return new MikroORM(options);
}

/** MikroORM has its driver give times as text, which it parses for entities; rows are read without it. */
function readTimesAsDates(pool: { options: { types?: pg.CustomTypesConfig } }): void {
  const { TIMESTAMPTZ } = pg.types.builtins;
  const parseTime = pg.types.getTypeParser(TIMESTAMPTZ) as (text: string) => Date;
  if (pool.options.types instanceof pg.TypeOverrides) pool.options.types.setTypeParser(TIMESTAMPTZ, parseTime);
}

/** The reading side: rows by SQL, outside any unit of work. */
export const databaseOf = (orm: MikroORM): Database => orm.em.fork().getKysely();
