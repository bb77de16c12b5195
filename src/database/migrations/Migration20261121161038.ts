import { Migration } from '@mikro-orm/migrations';

export class Migration20261121161038 extends Migration {
  override name = 'Migration20261121161038';

  override up(): void | Promise<void> {
    this.addSql(
      `create table "document_usage" ("id" uuid not null, "hash" varchar(64) not null, "client" varchar(100) not null, "client_version" varchar(100) not null, "operation_name" text null, "is_trusted" boolean not null, "count" bigint not null, "refusable_count" bigint not null, "first_used_at" timestamptz(3) not null, "last_used_at" timestamptz(3) not null, primary key ("id"));`,
    );
    this.addSql(
      `create index "document_usage_is_trusted_last_used_at_index" on "document_usage" ("is_trusted", "last_used_at");`,
    );
    this.addSql(`create index "document_usage_last_used_at_id_index" on "document_usage" ("last_used_at", "id");`);
    this.addSql(
      `alter table "document_usage" add constraint "document_usage_hash_client_client_version_unique" unique ("hash", "client", "client_version");`,
    );

    this.addSql(
      `create table "document_release" ("id" uuid not null, "client" varchar(100) not null, "version" varchar(100) not null, "digest" varchar(64) not null, "document_count" int not null, "characters" int not null, "published_by" uuid null, "published_at" timestamptz(3) not null, primary key ("id"));`,
    );
    this.addSql(
      `alter table "document_release" add constraint "document_release_client_version_unique" unique ("client", "version");`,
    );

    this.addSql(
      `create table "published_document" ("id" uuid not null, "release_id" uuid not null, "document_id" varchar(250) not null, "hash" varchar(64) not null, "text" text not null, "operation_name" text null, primary key ("id"));`,
    );
    this.addSql(`create index "published_document_release_id_id_index" on "published_document" ("release_id", "id");`);
    this.addSql(
      `alter table "published_document" add constraint "published_document_release_id_document_id_unique" unique ("release_id", "document_id");`,
    );

    this.addSql(
      `alter table "document_release" add constraint "document_release_published_by_foreign" foreign key ("published_by") references "user_account" ("id") on update cascade on delete set null;`,
    );

    this.addSql(
      `alter table "published_document" add constraint "published_document_release_id_foreign" foreign key ("release_id") references "document_release" ("id") on update cascade on delete cascade;`,
    );
  }

  override down(): void | Promise<void> {
    this.addSql(`alter table "published_document" drop constraint "published_document_release_id_foreign";`);

    this.addSql(`drop table if exists "document_usage" cascade;`);
    this.addSql(`drop table if exists "document_release" cascade;`);
    this.addSql(`drop table if exists "published_document" cascade;`);
  }
}
