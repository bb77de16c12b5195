import { Migration } from '@mikro-orm/migrations';

export class Migration20261121131905 extends Migration {
  override name = 'Migration20261121131905';

  override up(): void | Promise<void> {
    this.addSql(
      `create table "model_deployment" ("model" varchar(100) not null, "version" int null, "earlier_versions" jsonb not null default '[]', "changed_at" timestamptz(3) null, "changed_by" uuid null, "revision" int not null default 1, "stopped_canary_digest" varchar(64) null, "stopped_canary_reason" varchar(1000) null, primary key ("model"));`,
    );

    this.addSql(
      `alter table "model_deployment" add constraint "model_deployment_changed_by_foreign" foreign key ("changed_by") references "user_account" ("id") on update cascade on delete set null;`,
    );
  }

  override down(): void | Promise<void> {
    this.addSql(`drop table if exists "model_deployment" cascade;`);
  }
}
