import { Migration } from '@mikro-orm/migrations';

export class Migration20261127181500 extends Migration {
  override name = 'Migration20261127181500';

  override up(): void | Promise<void> {
    this.addSql(
      `create table "totp_factor" ("user_id" uuid not null, "secret" text null, "enabled_at" timestamptz(3) null, "last_step" int null, "pending_secret" text null, "pending_since" timestamptz(3) null, primary key ("user_id"));`,
    );
    this.addSql(
      `create table "recovery_code" ("user_id" uuid not null, "code_hash" varchar(64) not null, primary key ("user_id", "code_hash"));`,
    );
    this.addSql(
      `alter table "totp_factor" add constraint "totp_factor_user_id_foreign" foreign key ("user_id") references "user_account" ("id") on update cascade on delete cascade;`,
    );
    this.addSql(
      `alter table "recovery_code" add constraint "recovery_code_user_id_foreign" foreign key ("user_id") references "user_account" ("id") on update cascade on delete cascade;`,
    );
  }

  override down(): void | Promise<void> {
    this.addSql(`drop table if exists "totp_factor" cascade;`);
    this.addSql(`drop table if exists "recovery_code" cascade;`);
  }
}
