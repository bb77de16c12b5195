import { Migration } from '@mikro-orm/migrations';

export class Migration20261127120618 extends Migration {
  override name = 'Migration20261127120618';

  override up(): void | Promise<void> {
    this.addSql(
      `create table "sign_in_network" ("user_id" uuid not null, "network" varchar(45) not null, "last_used_at" timestamptz(3) not null, primary key ("user_id", "network"));`,
    );

    this.addSql(
      `alter table "sign_in_network" add constraint "sign_in_network_user_id_foreign" foreign key ("user_id") references "user_account" ("id") on update cascade on delete cascade;`,
    );
  }

  override down(): void | Promise<void> {
    this.addSql(`drop table if exists "sign_in_network" cascade;`);
  }
}
