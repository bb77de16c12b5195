import { createHash } from 'node:crypto';
import path from 'node:path';
import { sql } from 'kysely';
import type { Database } from '../../../database/tables.js';

interface DatabaseName {
  name: string;
}

/** The directory of the journal for a database: the next start writes what it finds there, and must not write it to another one. */
export async function journalDirOf(db: Database, dir: string): Promise<string> {
  const { rows } = await sql<DatabaseName>`
    select system_identifier || '/' || current_database() as name from pg_control_system()`
    .execute(db)
    // Some providers do not let roles read the identity of the cluster.
    .catch(() =>
      sql<DatabaseName>`select oid || '/' || datname as name from pg_database where datname = current_database()`.execute(
        db,
      ),
    );
  return path.join(dir, createHash('sha256').update(JSON.stringify(rows)).digest('hex').slice(0, 16));
}
