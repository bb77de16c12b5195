import { createHash, randomBytes } from 'node:crypto';
import pg from 'pg';

/** Initial content of the database of a suite, such as migrations or a seed; prepared once per run, then cloned. */
export interface Preparation {
  /** Name of the template; the same name must always mean the same content. */
  name: string;
  /** Fills the empty database at `url` and closes its connections. */
  run: (url: string) => Promise<void>;
}

export interface TestDatabase {
  /** Finds the tables of Auspex without their schema, for the statements of tests. */
  url: string;
  /** As an operator would configure it. */
  plainUrl: string;
  /** Drops the database and terminates its connections. */
  drop(): Promise<void>;
}

/**
 * A database for one suite, cloned in about 20 ms from a template that is prepared once per run. Suites can clone one
 * template concurrently without retries, because only connections to a template would block that, and it accepts none.
 * Without a preparation the database is empty.
 */
export async function createTestDatabase(prepare?: Preparation): Promise<TestDatabase> {
  const { adminUrl, run } = testRun();
  const name = `${run}_${randomBytes(6).toString('hex')}`;
  await withClient(adminUrl, async (admin) => {
    const template = prepare ? await ensureTemplate(admin, adminUrl, run, prepare) : 'template1';
    await admin.query(
      `create database ${pg.escapeIdentifier(name)} template ${pg.escapeIdentifier(template)} strategy file_copy`,
    );
  });
  return {
    url: withSearchPath(urlOf(adminUrl, name)),
    plainUrl: urlOf(adminUrl, name),
    drop: () => withClient(adminUrl, (admin) => dropDatabase(admin, name)),
  };
}

/** Drops the database at the URL and terminates its connections. */
export async function dropDatabaseAt(url: string): Promise<void> {
  await withClient(testRun().adminUrl, (admin) => dropDatabase(admin, new URL(url).pathname.slice(1)));
}

/** Drops all databases of a test run from a server that was not started by it. */
export async function dropDatabasesOfRun(adminUrl: string, run: string): Promise<void> {
  await withClient(adminUrl, async (admin) => {
    const { rows } = await admin.query<{ datname: string }>(
      'select datname from pg_database where starts_with(datname, $1)',
      [run],
    );
    for (const { datname } of rows) await dropDatabase(admin, datname);
  });
}

function testRun(): { adminUrl: string; run: string } {
  const { AUSPEX_TEST_POSTGRES: adminUrl, AUSPEX_TEST_RUN: run } = process.env;
  if (!adminUrl || !run)
    throw new Error(
      'There is no test PostgreSQL: run the tests by jest, whose test/support/global-setup.ts starts one.',
    );
  return { adminUrl, run };
}

/**
 * @returns the name of the template. Jest workers run in parallel: the first one builds it, the others wait for a lock.
 */
async function ensureTemplate(admin: pg.Client, adminUrl: string, run: string, prepare: Preparation): Promise<string> {
  // PostgreSQL truncates names to 63 bytes without an error, hence the digest.
  const template = `${run}_template_${createHash('sha256').update(prepare.name).digest('hex').slice(0, 16)}`;
  const lock = [`auspex template ${template}`];
  await admin.query('select pg_advisory_lock(hashtextextended($1, 0))', lock);
  try {
    if (!(await exists(admin, template))) await buildTemplate(admin, adminUrl, template, prepare);
  } finally {
    await admin.query('select pg_advisory_unlock(hashtextextended($1, 0))', lock);
  }
  return template;
}

/** Renames the database last, so that one left incomplete by a killed worker is never used as the template. */
async function buildTemplate(
  admin: pg.Client,
  adminUrl: string,
  template: string,
  prepare: Preparation,
): Promise<void> {
  const draft = `${template}_${randomBytes(3).toString('hex')}`;
  await admin.query(`create database ${pg.escapeIdentifier(draft)} template template1 strategy file_copy`);
  try {
    await prepare.run(urlOf(adminUrl, draft));
    await admin.query(`alter database ${pg.escapeIdentifier(draft)} with allow_connections false`);
    // PostgreSQL waits up to five seconds for connections that are just being closed.
    await admin.query(`alter database ${pg.escapeIdentifier(draft)} rename to ${pg.escapeIdentifier(template)}`);
  } catch (error) {
    await dropDatabase(admin, draft);
    throw error;
  }
}

async function exists(admin: pg.Client, name: string): Promise<boolean> {
  const { rowCount } = await admin.query('select from pg_database where datname = $1', [name]);
  return rowCount === 1;
}

async function dropDatabase(admin: pg.Client, name: string): Promise<void> {
  await admin.query(`drop database if exists ${pg.escapeIdentifier(name)} with (force)`);
}

async function withClient<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000, lock_timeout: 60_000 });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

/** Lets statements of tests name the tables of a schema without it. */
export function withSearchPath(plainUrl: string, schema = 'auspex'): string {
  const url = new URL(plainUrl);
  url.searchParams.set('options', `-c search_path=${schema},public`);
  return url.href;
}

function urlOf(adminUrl: string, database: string): string {
  const url = new URL(adminUrl);
  url.pathname = `/${database}`;
  return url.href;
}
