import { Migration } from '@mikro-orm/migrations';

export class Migration20261127175215 extends Migration {
  override name = 'Migration20261127175215';

  override up(): void | Promise<void> {
    this.addSql(
      `create table "sign_in_code" ("code_hash" varchar(64) not null, "challenge" varchar(43) not null, "user_id" uuid not null, "expires_at" timestamptz(3) not null, primary key ("code_hash"));`,
    );
    this.addSql(`create index "sign_in_code_user_id_index" on "sign_in_code" ("user_id");`);

    this.addSql(
      `create table "user_identity" ("id" uuid not null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), "user_id" uuid not null, "issuer" varchar(500) not null, "subject" varchar(255) not null, primary key ("id"));`,
    );
    this.addSql(
      `alter table "user_identity" add constraint "user_identity_user_id_issuer_unique" unique ("user_id", "issuer");`,
    );
    this.addSql(
      `alter table "user_identity" add constraint "user_identity_issuer_subject_unique" unique ("issuer", "subject");`,
    );

    this.addSql(
      `alter table "sign_in_code" add constraint "sign_in_code_user_id_foreign" foreign key ("user_id") references "user_account" ("id") on update cascade on delete cascade;`,
    );

    this.addSql(
      `alter table "user_identity" add constraint "user_identity_user_id_foreign" foreign key ("user_id") references "user_account" ("id") on update cascade on delete cascade;`,
    );
  }

  override down(): void | Promise<void> {
    this.addSql(`drop table if exists "sign_in_code" cascade;`);
    this.addSql(`drop table if exists "user_identity" cascade;`);
  }
}
