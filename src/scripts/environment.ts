import 'reflect-metadata';
import { existsSync } from 'node:fs';
import { readConfig } from '../config.js';
import { dataDirOf } from '../data-dir.js';
import { openDatabase, type OpenDatabase } from '../database/open.js';
import { reachDatabase } from '../database/reach.js';
import { domains } from '../domains/index.js';
import { explain } from '../shared/errors.js';
import { createLogger, type Logger } from '../shared/logger.js';

/**
 * Opens the gateway's database, as the gateway itself would, for a script, runs the script, and closes it again. What
 * cannot be done is said in one message, and the process exits 1.
 */
export async function withDatabase(run: (database: OpenDatabase & { log: Logger }) => Promise<void>): Promise<void> {
  try {
    if (existsSync('.env')) process.loadEnvFile('.env');
    const config = readConfig(process.env);
    const log = createLogger(config.logLevel);
    const location = { databaseUrl: config.databaseUrl, dataDir: dataDirOf(config) };
    const database = await openDatabase(location, { entities: domains.flatMap((domain) => domain.entities), poolSize: config.databasePoolSize });
    try {
      await reachDatabase(database.url, { waitSeconds: config.databaseStartSeconds, log });
      await run({ ...database, log });
    } finally {
      await database.close();
    }
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`);
    process.exit(1);
  }
}
