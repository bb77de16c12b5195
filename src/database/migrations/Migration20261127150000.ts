import { Migration } from '@mikro-orm/migrations';

/** SHA-256 of netstrings, so that no two different events have the same text. `src/audit/chain.ts` computes the same. */
const hashFunction = `
create function auspex_audit_hash(previous text, place bigint, event audit_event) returns text language sql stable as $$
  select encode(sha256(convert_to(string_agg(coalesce(octet_length(part) || ':' || part, '-'), ',' order by number), 'UTF8')), 'hex')
  from unnest(array[
    previous, place::text, event.id::text, to_char(event.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    event.action, event.outcome, event.code, event.count::text, event.actor_id::text, event.account,
    event.credential_kind, event.credential_id::text, event.address, event.client, event.target,
    event.before::text, event.after::text, event.request_id
  ]) with ordinality as parts (part, number)
$$;`;

/** Runs at the commit, so that the lock is held for the commit only, and after every other lock of the transaction. */
const sealFunction = `
create function auspex_seal_audit_event() returns trigger language plpgsql security definer as $$
declare
  last audit_chain;
begin
  perform pg_advisory_xact_lock(hashtext('audit.chain'));
  select * into last from audit_chain order by position desc limit 1;
  insert into audit_chain (position, event_id, hash) values (
    coalesce(last.position, 0) + 1, new.id, auspex_audit_hash(coalesce(last.hash, ''), coalesce(last.position, 0) + 1, new)
  );
  return null;
end $$;`;

const guardFunction = `
create function auspex_append_only() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' and current_setting('auspex.audit_retention', true) = 'on' then return null; end if;
  raise exception 'The table % is append-only.', tg_table_name using errcode = 'insufficient_privilege';
end $$;`;

/**
 * Deletes events before a time, at most \`batch\`, and records how far: the chain starts there afterwards. The newest link remains.
 * Returns the number of deleted events.
 */
const retentionFunction = `
create function auspex_delete_audit_events(older_than timestamptz, batch integer) returns integer language plpgsql security definer as $$
/* destructive: deletes rows of the new table, when the configured retention is over */
declare
  cut audit_chain;
  deleted integer;
begin
  perform pg_advisory_xact_lock(hashtext('audit.chain'));
  select link.* into cut from (
    select oldest.*, bool_and(coalesce(event.at < older_than, false)) over (order by oldest.position) as is_old
    from (select * from audit_chain order by position limit batch) oldest left join audit_event event on event.id = oldest.event_id
  ) link where link.is_old and link.position < (select max(position) from audit_chain) order by link.position desc limit 1;
  if cut.position is null then return 0; end if;
  perform set_config('auspex.audit_retention', 'on', true);
  delete from audit_event where id in (select event_id from audit_chain where position <= cut.position);
  delete from audit_chain where position <= cut.position;
  get diagnostics deleted = row_count;
  perform set_config('auspex.audit_retention', 'off', true);
  insert into audit_event (id, at, action, outcome, count, after) values (
    gen_random_uuid(), clock_timestamp(), 'RETENTION', 'SUCCESS', deleted,
    json_build_object('position', cut.position, 'hash', cut.hash)
  );
  return deleted;
end $$;`;

/** The functions run as the owner of the tables: their names must not resolve to objects of the caller. */
const fixedSearchPath = `
do $$
begin
  execute format('alter function auspex_seal_audit_event() set search_path = pg_catalog, %I, pg_temp', current_schema());
  execute format('alter function auspex_delete_audit_events(timestamptz, integer) set search_path = pg_catalog, %I, pg_temp', current_schema());
end $$;`;

const guards = ['audit_event', 'audit_chain'].map(
  (table) =>
    `/* destructive: rejects these statements */ create trigger auspex_append_only before update or delete or truncate on ${table}
     for each statement execute function auspex_append_only();`,
);

export class Migration20261127150000 extends Migration {
  override name = 'Migration20261127150000';

  override up(): void | Promise<void> {
    this.addSql(
      `create table "audit_event" ("id" uuid not null, "at" timestamptz(3) not null, "action" varchar(60) not null, "outcome" varchar(10) not null, "code" varchar(60) null, "count" int not null, "actor_id" uuid null, "account" varchar(254) null, "credential_kind" varchar(10) null, "credential_id" uuid null, "address" varchar(45) null, "client" varchar(300) null, "target" varchar(300) null, "before" json null, "after" json null, "request_id" varchar(100) null, primary key ("id"));`,
    );
    this.addSql(`create index "audit_event_at_id_index" on "audit_event" ("at", "id");`);
    this.addSql(`create index "audit_event_actor_id_at_index" on "audit_event" ("actor_id", "at");`);
    this.addSql(`create index "audit_event_target_at_index" on "audit_event" ("target", "at");`);
    this.addSql(
      `create table "audit_chain" ("position" bigint not null, "event_id" uuid not null, "hash" varchar(64) not null, primary key ("position"));`,
    );
    this.addSql(`alter table "audit_chain" add constraint "audit_chain_event_id_unique" unique ("event_id");`);
    for (const statement of [hashFunction, sealFunction, guardFunction, retentionFunction, fixedSearchPath])
      this.addSql(statement);
    for (const statement of guards) this.addSql(statement);
    this.addSql(
      `create constraint trigger auspex_seal_audit_event after insert on audit_event deferrable initially deferred
       for each row execute function auspex_seal_audit_event();`,
    );
  }

  override down(): void | Promise<void> {
    this.addSql(`drop function auspex_delete_audit_events(timestamptz, integer);`);
    this.addSql(`drop function auspex_audit_hash(text, bigint, audit_event) cascade;`);
    this.addSql(`drop table "audit_event";`);
    this.addSql(`drop table "audit_chain";`);
    this.addSql(`drop function auspex_seal_audit_event();`);
    this.addSql(`drop function auspex_append_only();`);
  }
}
