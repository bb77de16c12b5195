import { Migration } from '@mikro-orm/migrations';

export class Migration20261121060739 extends Migration {
  override name = 'Migration20261121060739';

  override up(): void | Promise<void> {
    this.addSql(`create type "user_role" as enum ('ADMIN', 'MANAGER', 'USER');`);
    this.addSql(`create type "prediction_source" as enum ('MODEL', 'CACHE');`);
    this.addSql(
      `create table "department" ("id" uuid not null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), "name" varchar(100) not null, primary key ("id"));`,
    );
    this.addSql(`alter table "department" add constraint "department_name_unique" unique ("name");`);

    this.addSql(
      `create table "employee" ("id" uuid not null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), "name" varchar(100) not null, "email" varchar(254) not null, "age" smallint not null, "job_title" varchar(100) not null, "job_level" smallint not null, "hired_on" date not null, "salary" int not null, "department_id" uuid not null, "manager_id" uuid null, "version" int not null default 1, primary key ("id"));`,
    );
    this.addSql(`alter table "employee" add constraint "employee_email_unique" unique ("email");`);
    this.addSql(`create index "employee_manager_id_name_id_index" on "employee" ("manager_id", "name", "id");`);
    this.addSql(`create index "employee_department_id_name_id_index" on "employee" ("department_id", "name", "id");`);
    this.addSql(`create index "employee_created_at_id_index" on "employee" ("created_at", "id");`);
    this.addSql(`create index "employee_salary_id_index" on "employee" ("salary", "id");`);
    this.addSql(`create index "employee_hired_on_id_index" on "employee" ("hired_on", "id");`);
    this.addSql(`create index "employee_age_id_index" on "employee" ("age", "id");`);
    this.addSql(`create index "employee_name_id_index" on "employee" ("name", "id");`);

    this.addSql(
      `create table "user_account" ("id" uuid not null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), "email" varchar(254) not null, "password_hash" varchar(60) not null, "role" "user_role" not null, "is_active" boolean not null default true, "employee_id" uuid null, primary key ("id"));`,
    );
    this.addSql(`alter table "user_account" add constraint "user_account_email_unique" unique ("email");`);
    this.addSql(`alter table "user_account" add constraint "user_account_employee_id_unique" unique ("employee_id");`);
    this.addSql(`create index "user_account_created_at_id_index" on "user_account" ("created_at", "id");`);

    this.addSql(
      `create table "session" ("id" uuid not null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), "user_id" uuid not null, "refresh_token_hash" varchar(64) not null, "previous_token_hash" varchar(64) null, "expires_at" timestamptz(3) not null, primary key ("id"));`,
    );
    this.addSql(
      `alter table "session" add constraint "session_refresh_token_hash_unique" unique ("refresh_token_hash");`,
    );
    this.addSql(
      `alter table "session" add constraint "session_previous_token_hash_unique" unique ("previous_token_hash");`,
    );
    this.addSql(`create index "session_user_id_created_at_index" on "session" ("user_id", "created_at");`);

    this.addSql(
      `create table "prediction" ("id" uuid not null, "user_id" uuid null, "model" varchar(100) not null, "version" int not null, "digest" varchar(64) not null, "input" jsonb not null, "output" jsonb not null, "source" "prediction_source" not null, "duration_ms" double precision not null, "created_at" timestamptz(3) not null, primary key ("id"));`,
    );
    this.addSql(`create index "prediction_created_at_index" on "prediction" ("created_at");`);
    this.addSql(`create index "prediction_model_id_index" on "prediction" ("model", "id");`);
    this.addSql(`create index "prediction_user_id_id_index" on "prediction" ("user_id", "id");`);

    this.addSql(
      `create table "api_key" ("id" uuid not null, "created_at" timestamptz(3) not null default now(), "updated_at" timestamptz(3) not null default now(), "user_id" uuid not null, "name" varchar(100) not null, "prefix" varchar(20) not null, "secret_hash" varchar(64) not null, "scopes" text[] not null, "last_used_at" timestamptz(3) null, "expires_at" timestamptz(3) null, primary key ("id"));`,
    );
    this.addSql(`alter table "api_key" add constraint "api_key_secret_hash_unique" unique ("secret_hash");`);
    this.addSql(`create index "api_key_user_id_created_at_index" on "api_key" ("user_id", "created_at");`);

    this.addSql(
      `alter table "employee" add constraint "employee_department_id_foreign" foreign key ("department_id") references "department" ("id") on update cascade on delete restrict;`,
    );
    this.addSql(
      `alter table "employee" add constraint "employee_manager_id_foreign" foreign key ("manager_id") references "employee" ("id") on update cascade on delete restrict;`,
    );
    this.addSql(`alter table "employee" add constraint "employee_is_not_own_manager" check (manager_id <> id);`);

    this.addSql(
      `alter table "user_account" add constraint "user_account_employee_id_foreign" foreign key ("employee_id") references "employee" ("id") on update cascade on delete set null;`,
    );

    this.addSql(
      `alter table "session" add constraint "session_user_id_foreign" foreign key ("user_id") references "user_account" ("id") on update cascade on delete cascade;`,
    );

    this.addSql(
      `alter table "prediction" add constraint "prediction_user_id_foreign" foreign key ("user_id") references "user_account" ("id") on update cascade on delete set null;`,
    );

    this.addSql(
      `alter table "api_key" add constraint "api_key_user_id_foreign" foreign key ("user_id") references "user_account" ("id") on update cascade on delete cascade;`,
    );
  }

  override down(): void | Promise<void> {
    this.addSql(`alter table "employee" drop constraint "employee_department_id_foreign";`);
    this.addSql(`alter table "employee" drop constraint "employee_manager_id_foreign";`);
    this.addSql(`alter table "user_account" drop constraint "user_account_employee_id_foreign";`);
    this.addSql(`alter table "session" drop constraint "session_user_id_foreign";`);
    this.addSql(`alter table "prediction" drop constraint "prediction_user_id_foreign";`);
    this.addSql(`alter table "api_key" drop constraint "api_key_user_id_foreign";`);

    this.addSql(`drop table if exists "department" cascade;`);
    this.addSql(`drop table if exists "employee" cascade;`);
    this.addSql(`drop table if exists "user_account" cascade;`);
    this.addSql(`drop table if exists "session" cascade;`);
    this.addSql(`drop table if exists "prediction" cascade;`);
    this.addSql(`drop table if exists "api_key" cascade;`);

    this.addSql(`drop type "user_role";`);
    this.addSql(`drop type "prediction_source";`);
  }
}
