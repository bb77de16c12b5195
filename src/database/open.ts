import type { MikroORM } from '@mikro-orm/postgresql';
import type { OrmOptions } from './orm.js';
import { startEmbeddedPostgres } from './embedded-postgres.js';
import { openOrm } from './orm.js';

/** Where the database is. */
export interface DatabaseLocation {
  /** Absent: a PostgreSQL of the gateway's own, in the data directory. */
  databaseUrl: string | undefined;
  dataDir: string;
}

/** An open database; `close` gives the connections back and stops a server of our own. */
export interface OpenDatabase {
  orm: MikroORM;
  url: string;
  close(): Promise<void>;
}

/**
 * Opens the database that the configuration names, or starts one.
 * @throws EmbeddedPostgresError
 */
export async function openDatabase(location: DatabaseLocation, options: Omit<OrmOptions, 'url'>): Promise<OpenDatabase> {
  const embedded = location.databaseUrl === undefined ? await startEmbeddedPostgres({ dir: location.dataDir }) : null;
  const url = location.databaseUrl ?? embedded?.url ?? '';
  const orm = openOrm({ ...options, url });
  return {
    orm,
    url,
    async close() {
      await orm.close();
      await embedded?.stop();
    },
  };
}
