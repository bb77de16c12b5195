import 'reflect-metadata';
import { existsSync } from 'node:fs';
import { readConfig } from '../../config/config.js';
import { unknownVariables } from '../../config/unknown-variables.js';
import { dataDirOf, startDatabase } from '../../app/development-packages.js';
import { openDatabase, type OpenDatabase } from '../../database/open-database.js';
import { waitForDatabase } from '../../database/wait-for-database.js';
import { domains } from '../../domains/index.js';
import { fatalMessage } from '../../errors/operator-error.js';
import { createLogger, type Logger } from '../../telemetry/logger.js';

/** Opens the configured database for a script, runs the script and closes the database. On an error it exits 1 with one message. */
export async function withDatabase(run: (database: OpenDatabase & { log: Logger }) => Promise<void>): Promise<void> {
  try {
    if (existsSync('.env')) process.loadEnvFile('.env');
    const { runtime, database: settings } = readConfig(process.env);
    const log = createLogger(runtime.logLevel);
    for (const problem of unknownVariables(process.env)) process.stderr.write(`warning: ${problem}\n`);
    const dataDir = await dataDirOf({ dataDir: runtime.dataDir, databaseUrl: settings.url });
    const { url, stop } = await startDatabase(settings.url, dataDir);
    const entities = domains.flatMap((domain) => domain.entities);
    const database = openDatabase({ url, schema: settings.schema, entities, poolSize: settings.poolSize });
    try {
      await waitForDatabase(database.url, { waitSeconds: settings.startTimeoutSeconds, log });
      await run({ ...database, log });
    } finally {
      await database.close();
      await stop();
    }
  } catch (error) {
    process.stderr.write(`${fatalMessage(error)}\n`);
    process.exit(1);
  }
}
