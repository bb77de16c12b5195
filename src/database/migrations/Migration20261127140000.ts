import { Migration } from '@mikro-orm/migrations';

export class Migration20261127140000 extends Migration {
  override name = 'Migration20261127140000';

  override up(): void | Promise<void> {
    this.addSql(
      `alter table "session" add "authenticated_at" timestamptz(3) not null default now(), add "client" varchar(200) null, add "address" varchar(45) null;`,
    );
  }

  override down(): void | Promise<void> {
    this.addSql(`alter table "session" drop column "authenticated_at", drop column "client", drop column "address";`);
  }
}
