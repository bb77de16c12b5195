import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { sql, type RawBuilder } from 'kysely';
import { schemaOf } from './schema-names.js';
import type { Database } from './tables.js';

/** Runs raw SQL in the transaction of an entity manager, or outside of transactions. @returns its rows */
export async function execute<Row>(em: SqlEntityManager, statement: RawBuilder<Row>): Promise<Row[]> {
  return (await statement.execute(em.getKysely())).rows;
}

/**
 * Takes a lock until the end of the transaction. Gateways with other schemas in the same database do not wait for it.
 */
export async function lock(em: SqlEntityManager | Database, name: string): Promise<void> {
  const db = databaseIn(em);
  await sql`select pg_advisory_xact_lock(hashtext(${lockName(schemaOf(db), name)}))`.execute(db);
}

/** In the transaction of an entity manager. */
const databaseIn = (em: SqlEntityManager | Database): Database => ('getKysely' in em ? em.getKysely() : em);

/** Without a prefix in `public`: releases that know no other schema take the same lock while replicas are replaced. */
const lockName = (schema: string, name: string): string => (schema === 'public' ? name : `${schema}.${name}`);

/** Notifies the gateways of this schema when the transaction commits. The payload is the schema: channels have short names. */
export async function notify(em: SqlEntityManager | Database, channel: string): Promise<void> {
  const db = databaseIn(em);
  await sql`select pg_notify(${channel}, ${schemaOf(db)})`.execute(db);
}
