import { Migration } from '@mikro-orm/migrations';

/** Writes the ids of `gone` or of the changed user, notifies the gateways, and deletes a few rows that are too old to matter. */
const recordFunction = `
create function auspex_record_credential_changes(change_kind text, ids uuid[]) returns void language plpgsql as $$
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
  perform pg_notify('auspex_credential_change', '');
end $$;`;

const goneFunction = `
create function auspex_credentials_gone() returns trigger language plpgsql as $$
begin
  perform auspex_record_credential_changes(tg_argv[0], (select array_agg(id) from gone));
  return null;
end $$;`;

const userFunction = `
create function auspex_user_changed() returns trigger language plpgsql as $$
begin
  perform auspex_record_credential_changes('user', array[old.id]);
  return null;
end $$;`;

const triggers = [
  `create trigger auspex_session_gone after delete on session referencing old table as gone
     for each statement execute function auspex_credentials_gone('session');`,
  `create trigger auspex_api_key_gone after delete on api_key referencing old table as gone
     for each statement execute function auspex_credentials_gone('apiKey');`,
  `create trigger auspex_user_changed after update on user_account for each row
     when ((old.role, old.is_active, old.employee_id) is distinct from (new.role, new.is_active, new.employee_id))
     execute function auspex_user_changed();`,
  `create trigger auspex_user_gone after delete on user_account for each row execute function auspex_user_changed();`,
];

export class Migration20261127130000 extends Migration {
  override name = 'Migration20261127130000';

  override up(): void | Promise<void> {
    this.addSql(
      `create table "credential_change" ("id" uuid not null, "kind" varchar(10) not null, "changed_at" timestamptz(3) not null, primary key ("id"));`,
    );
    this.addSql(`create index "credential_change_changed_at_index" on "credential_change" ("changed_at");`);
    for (const statement of [recordFunction, goneFunction, userFunction, ...triggers]) this.addSql(statement);
  }

  override down(): void | Promise<void> {
    this.addSql(`drop trigger auspex_session_gone on session;`);
    this.addSql(`drop trigger auspex_api_key_gone on api_key;`);
    this.addSql(`drop trigger auspex_user_changed on user_account;`);
    this.addSql(`drop trigger auspex_user_gone on user_account;`);
    this.addSql(`drop function auspex_credentials_gone();`);
    this.addSql(`drop function auspex_user_changed();`);
    this.addSql(`drop function auspex_record_credential_changes(text, uuid[]);`);
    this.addSql(`drop table "credential_change";`);
  }
}
