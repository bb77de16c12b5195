import 'reflect-metadata';
import { existsSync } from 'node:fs';
import { readConfig, type Config } from '../config.js';
import { dataDirOf } from '../data-dir.js';
import { openDatabase, type OpenDatabase } from '../database/open.js';
import { domains } from '../domains/index.js';

/** The configuration as the gateway itself would read it. */
export function scriptConfig(): Config {
  if (existsSync('.env')) process.loadEnvFile('.env');
  return readConfig(process.env);
}

/** Opens the gateway's database for a script, runs the script, and closes the database again. */
export async function withDatabase(run: (database: OpenDatabase) => Promise<void>): Promise<void> {
  const config = scriptConfig();
  const location = { databaseUrl: config.databaseUrl, dataDir: dataDirOf(config) };
  const database = await openDatabase(location, { entities: domains.flatMap((domain) => domain.entities), poolSize: config.databasePoolSize });
  try {
    await run(database);
  } finally {
    await database.close();
  }
}
