import { Migration } from '@mikro-orm/migrations';

/** Notifies the gateways of this schema alone. The payload is the schema, the first one of the search path. */
const recordFunction = `
create or replace function auspex_record_credential_changes(change_kind text, ids uuid[]) returns void language plpgsql as $$
/* destructive: deletes rows of the new table, when they are two days old */
begin
  if ids is null then return; end if;
  insert into credential_change (id, kind, changed_at)
    select changed.id, change_kind, clock_timestamp() from unnest(ids) as changed (id) order by changed.id
    on conflict (id) do update set changed_at = excluded.changed_at;
  delete from credential_change where id in (
    select id from credential_change where changed_at < now() - interval '2 days'
    order by changed_at limit 100 for update skip locked
  );
  perform pg_notify('auspex_credential_change', current_schema());
end $$;`;

/**
 * Fixes the search path of the functions: the statements that run them have none. Locks are those of the schema, so that gateways of
 * other schemas do not wait for them. `pg_catalog` comes first without being named.
 */
const bindFunctions = `
do $do$
declare
  own record;
begin
  for own in
    select pg_proc.oid, pg_proc.oid::regprocedure as name from pg_proc
    where pronamespace = (select oid from pg_namespace where nspname = current_schema()) and starts_with(proname, 'auspex_')
      and prolang = (select oid from pg_language where lanname = 'plpgsql')
  loop
    execute regexp_replace(
      pg_get_functiondef(own.oid), $$hashtext\\('(audit\\.chain|prediction\\.partitions)'\\)$$, $$hashtext(current_schema() || '.\\1')$$, 'g'
    );
    execute format('alter function %s set search_path = %I, pg_temp', own.name, current_schema());
  end loop;
end $do$;`;

/** Makes the functions independent of the search path of their callers, for tables in any schema. */
export class Migration20261128140000 extends Migration {
  override name = 'Migration20261128140000';

  override up(): void | Promise<void> {
    this.addSql(recordFunction);
    this.addSql(bindFunctions);
  }

  // The functions work for the release before as well.
  override down(): Promise<void> {
    return Promise.resolve();
  }
}
