import type pg from 'pg';

/**
 * Describes what a database has outside of a schema, as `pg_dump` would: schemas, relations with their columns and privileges, types,
 * functions, constraints, indexes, triggers, extensions, settings, and the rows of its tables.
 */
export async function describeCatalog(client: pg.Client, { except }: { except: string | null }): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>(
    `with spaces as (
       select oid, nspname from pg_namespace
       where nspname !~ '^pg_' and nspname <> 'information_schema' and nspname is distinct from $1
     )
     select concat_ws(' ', 'schema', nspname, nspowner::regrole, nspacl) as line from pg_namespace join spaces using (oid, nspname)
     union all
     select concat_ws(' ', 'relation', nspname, relname, relkind, relowner::regrole, relacl, relfilenode) from pg_class join spaces on spaces.oid = relnamespace
     union all
     select concat_ws(' ', 'column', nspname, relname, attnum, attname, format_type(atttypid, atttypmod), attnotnull)
     from pg_attribute join pg_class on pg_class.oid = attrelid join spaces on spaces.oid = relnamespace where attnum > 0
     union all
     select concat_ws(' ', 'type', nspname, typname, typtype, (select string_agg(enumlabel, ',' order by enumsortorder) from pg_enum where enumtypid = pg_type.oid))
     from pg_type join spaces on spaces.oid = typnamespace
     union all
     select concat_ws(' ', 'function', pg_get_functiondef(pg_proc.oid)) from pg_proc join spaces on spaces.oid = pronamespace where prokind = 'f'
     union all
     select concat_ws(' ', 'constraint', nspname, conname, pg_get_constraintdef(pg_constraint.oid)) from pg_constraint join spaces on spaces.oid = connamespace
     union all
     select concat_ws(' ', 'index', pg_get_indexdef(indexrelid)) from pg_index join pg_class on pg_class.oid = indexrelid join spaces on spaces.oid = relnamespace
     union all
     select concat_ws(' ', 'trigger', pg_get_triggerdef(pg_trigger.oid)) from pg_trigger join pg_class on pg_class.oid = tgrelid join spaces on spaces.oid = relnamespace
     union all
     select concat_ws(' ', 'extension', extname, extnamespace::regnamespace) from pg_extension where extnamespace::regnamespace::text is distinct from $1
     union all
     select concat_ws(' ', 'setting', setdatabase, setrole, setconfig) from pg_db_role_setting where setdatabase = (select oid from pg_database where datname = current_database())
     union all
     select concat_ws(' ', 'rows', nspname, relname, query_to_xml(format('select * from %I.%I', nspname, relname), true, true, '')::text)
     from pg_class join spaces on spaces.oid = relnamespace where relkind = 'r'
     order by 1`,
    [except],
  );
  return rows.map(({ line }) => line);
}
