import type { MikroORM } from '@mikro-orm/postgresql';
import { schemaOfOrm } from '../schema-names.js';

/** Hides the schemas of others from the comparison of entities with the database, which would drop their tables and views. */
export async function ignoreOtherSchemas(orm: MikroORM): Promise<void> {
  const rows = await orm.em
    .getConnection()
    .execute<{ name: string }[]>('select nspname as name from pg_namespace where nspname <> ?', [schemaOfOrm(orm)]);
  const ignoreSchema = rows.map(({ name }) => name);
  orm.config.set('schemaGenerator', { ...orm.config.get('schemaGenerator'), ignoreSchema });
}
