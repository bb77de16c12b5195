import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Closed by the teardown, which jest runs in the same process. */
export interface TestRun {
  close: () => Promise<void>;
}

/**
 * One PostgreSQL for the whole run: the one in TEST_DATABASE_URL, or an embedded one that is deleted afterwards. Suites
 * read its URL from AUSPEX_TEST_POSTGRES, and the name of the run, the prefix of its databases, from AUSPEX_TEST_RUN.
 */
export default async function openTestRun(): Promise<void> {
  // Jest maps no module names here; without this, Node would not resolve an import of a .js file to its .ts file.
  await import('./run-typescript.js');

  // Set here because each suite has a copy of the environment, which ONNX Runtime does not see.
  process.env.ORT_DISABLE_TELEMETRY = '1';
  const run = `auspex_test_${randomBytes(4).toString('hex')}`;
  const given = process.env.TEST_DATABASE_URL;
  const postgres = given ? await useExistingPostgres(given, run) : await startThrowawayPostgres();

  process.env.AUSPEX_TEST_RUN = run;
  process.env.AUSPEX_TEST_POSTGRES = postgres.url;
  Object.assign(globalThis, { auspexTestRun: { close: postgres.close } satisfies TestRun });
}

async function useExistingPostgres(url: string, run: string): Promise<{ url: string } & TestRun> {
  const { dropDatabasesOfRun } = await import('./database.js');
  return { url, close: () => dropDatabasesOfRun(url, run) };
}

async function startThrowawayPostgres(): Promise<{ url: string } & TestRun> {
  const { startEmbeddedPostgres } = await import('../../packages/embedded-postgres/src/index.ts');
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
