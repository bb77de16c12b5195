/* A PostgreSQL that counts the statements that it executes, by its extension pg_stat_statements. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { startEmbeddedPostgres } from '../../packages/embedded-postgres/src/index.ts';

/** Starts it in a folder; the stack stops it. @returns its URL, and the ID of its main process */
export async function startCountingPostgres(resources, dir) {
  const first = await startEmbeddedPostgres({ dir, durable: false });
  await withClient(first.url, async (client) => {
    await client.query(`alter system set shared_preload_libraries = 'pg_stat_statements'`);
    // Not while CPU times are measured.
    await client.query(`alter system set pg_stat_statements.track = 'none'`);
  });
  await first.stop();
  const { url, dataDir, stop } = await startEmbeddedPostgres({ dir, durable: false });
  resources.defer(stop);
  const [pid] = (await readFile(path.join(dataDir, 'postmaster.pid'), 'utf8')).split('\n');
  return { url, pid: Number(pid) };
}

/** @returns the number of statements that others execute meanwhile */
export async function countStatements(databaseUrl, action) {
  return withClient(databaseUrl, async (client) => {
    await client.query('create extension if not exists pg_stat_statements');
    const track = async (what) => {
      await client.query(`alter system set pg_stat_statements.track = '${what}'`);
      await client.query('select pg_reload_conf()');
    };
    await track('top');
    await client.query('select pg_stat_statements_reset()');
    await action();
    await track('none');
    const { rows } = await client.query(
      `select coalesce(sum(calls), 0)::integer as calls from pg_stat_statements where query not like all (array['%pg_stat_statements%', '%pg_reload_conf%'])`,
    );
    return rows[0].calls;
  });
}

async function withClient(databaseUrl, action) {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return await action(client);
  } finally {
    await client.end();
  }
}
