import { createHash } from 'node:crypto';
import { rename } from 'node:fs/promises';
import path from 'node:path';
import { sql } from 'kysely';
import { schemaOf } from '../../../database/schema-names.js';
import type { Database } from '../../../database/tables.js';

interface DatabaseName {
  name: string;
  /** Whether predictions are in the schema `public`. */
  hasPublic: boolean;
}

/**
 * The directory of the journal for the tables of a schema: the next start writes what it finds there, and must not write it to other
 * tables. When the tables have moved from the schema `public`, their journal follows.
 */
export async function journalDirOf(db: Database, dir: string): Promise<string> {
  const hasPublic = sql`exists (select from pg_class join pg_namespace on pg_namespace.oid = relnamespace
    where nspname = 'public' and relname = 'prediction') as "hasPublic"`;
  const { rows } = await sql<DatabaseName>`
    select system_identifier || '/' || current_database() as name, ${hasPublic} from pg_control_system()`
    .execute(db)
    // Some providers do not let roles read the identity of the cluster.
    .catch(() =>
      sql<DatabaseName>`
        select oid || '/' || datname as name, ${hasPublic} from pg_database where datname = current_database()`.execute(
        db,
      ),
    );
  const names = rows.map(({ name }) => ({ name }));
  const inPublic = path.join(dir, digestOf(names));
  const schema = schemaOf(db);
  if (schema === 'public') return inPublic;
  const own = path.join(dir, digestOf([...names, { schema }]));
  // Fails without a journal of before, and once it has moved.
  if (rows[0]?.hasPublic === false) await rename(inPublic, own).catch(() => undefined);
  return own;
}

const digestOf = (identity: readonly object[]): string =>
  createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 16);
