import { PostgreSqlSchemaHelper, type MikroORM } from '@mikro-orm/postgresql';
import { schemaOfOrm } from '../schema-names.js';
import { ownTables, ownTypes } from './preconditions.js';

/**
 * Hides what other programs created from the comparison of entities with the database, which would drop it: their schemas, and in
 * `public`, which others may use, also their tables, views and enums.
 */
export async function ignoreForeign(orm: MikroORM): Promise<void> {
  const schema = schemaOfOrm(orm);
  const names = async (text: string): Promise<string[]> =>
    (await orm.em.getConnection().execute<{ name: string }[]>(text, [schema])).map(({ name }) => name);
  const ignoreSchema = await names('select nspname as name from pg_namespace where nspname <> ?');
  const own = new Set(ownTables(orm));
  const relations =
    'select relname as name from pg_class join pg_namespace on pg_namespace.oid = relnamespace where nspname = ?';
  const foreign = schema === 'public' ? (await names(relations)).filter((name) => !own.has(name)) : [];
  // The object that the comparison holds, if there was one before.
  Object.assign(orm.config.get('schemaGenerator'), { ignoreSchema, skipTables: foreign, skipViews: foreign });
  if (schema === 'public') ignoreForeignEnums(orm);
}

/** The comparison has no option for enums. */
function ignoreForeignEnums(orm: MikroORM): void {
  const helper = orm.em.getPlatform().getSchemaHelper();
  if (!(helper instanceof PostgreSqlSchemaHelper)) throw new Error('The database is not PostgreSQL.');
  const own = new Set(ownTypes(orm));
  const read = helper.getNativeEnumDefinitions.bind(helper);
  helper.getNativeEnumDefinitions = async (...args) =>
    Object.fromEntries(Object.entries(await read(...args)).filter(([, { name }]) => own.has(name)));
}
