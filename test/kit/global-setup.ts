import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Hands what was opened to the teardown, which jest runs in the same process. */
export interface TestRun {
  close: () => Promise<void>;
}

/**
 * One PostgreSQL for the whole run: the one in TEST_DATABASE_URL, or an embedded one that forgets everything. Suites find it
 * in AUSPEX_TEST_POSTGRES, and the run's own name, which its databases begin with, in AUSPEX_TEST_RUN.
 */
export default async function openTestRun(): Promise<void> {
  // Jest maps no module names out here; without this, Node would not find a .ts file behind a .js in an import.
  await import('./run-typescript.js');

  // Jest gives each suite a copy of the environment, which ONNX Runtime does not see.
  process.env.ORT_DISABLE_TELEMETRY = '1';
  const run = `auspex_test_${randomBytes(4).toString('hex')}`;
  const given = process.env.TEST_DATABASE_URL;
  const postgres = given ? await borrowPostgres(given, run) : await startThrowawayPostgres();

  process.env.AUSPEX_TEST_RUN = run;
  process.env.AUSPEX_TEST_POSTGRES = postgres.url;
  Object.assign(globalThis, { auspexTestRun: { close: postgres.close } satisfies TestRun });
}

async function borrowPostgres(url: string, run: string): Promise<{ url: string } & TestRun> {
  const { dropDatabasesOfRun } = await import('./database.js');
  return { url, close: () => dropDatabasesOfRun(url, run) };
}

async function startThrowawayPostgres(): Promise<{ url: string } & TestRun> {
  const { startEmbeddedPostgres } = await import('../../src/database/embedded-postgres.js');
  const dir = await mkdtemp(path.join(tmpdir(), 'auspex-test-'));
  const server = await startEmbeddedPostgres({ dir, database: 'postgres', durable: false });
  return {
    url: server.url,
    async close() {
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
