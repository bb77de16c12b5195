import { Migration } from '@mikro-orm/migrations';

export class Migration20261127211700 extends Migration {
  override name = 'Migration20261127211700';

  override up(): void | Promise<void> {
    this.addSql(
      `create table "canary_evidence" ("model" varchar(100) not null, "key" varchar(64) not null, "evidence" jsonb null, "updated_at" timestamptz(3) not null, primary key ("model"));`,
    );
    this.addSql(
      `alter table "model_deployment" add "canary_digest" varchar(64) null, add "canary_percent" double precision null, add "canary_changed_at" timestamptz(3) null, add "canary_restarts" int not null default 0;`,
    );
  }

  override down(): void | Promise<void> {
    this.addSql(`drop table if exists "canary_evidence" cascade;`);
    this.addSql(
      `alter table "model_deployment" drop column "canary_digest", drop column "canary_percent", drop column "canary_changed_at", drop column "canary_restarts";`,
    );
  }
}
