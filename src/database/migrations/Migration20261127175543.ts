import { Migration } from '@mikro-orm/migrations';

export class Migration20261127175543 extends Migration {
  override name = 'Migration20261127175543';

  override up(): void | Promise<void> {
    this.addSql(`create type "link_purpose" as enum ('INVITATION', 'RESET', 'REGISTRATION');`);
    this.addSql(
      `create table "account_token" ("id" uuid not null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), "token_hash" varchar(64) not null, "purpose" "link_purpose" not null, "user_id" uuid null, "email" varchar(254) not null, "expires_at" timestamptz(3) not null, primary key ("id"));`,
    );
    this.addSql(`alter table "account_token" add constraint "account_token_token_hash_unique" unique ("token_hash");`);
    this.addSql(`create index "account_token_expires_at_index" on "account_token" ("expires_at");`);
    this.addSql(`create index "account_token_email_index" on "account_token" ("email");`);
    this.addSql(`create index "account_token_user_id_index" on "account_token" ("user_id");`);

    this.addSql(
      `alter table "account_token" add constraint "account_token_user_id_foreign" foreign key ("user_id") references "user_account" ("id") on update cascade on delete cascade;`,
    );
  }

  override down(): void | Promise<void> {
    this.addSql(`drop table if exists "account_token" cascade;`);
    this.addSql(`drop type "link_purpose";`);
  }
}
