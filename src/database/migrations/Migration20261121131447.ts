import { Migration } from '@mikro-orm/migrations';

export class Migration20261121131447 extends Migration {
  override name = 'Migration20261121131447';

  override up(): void | Promise<void> {
    this.addSql(`alter type "prediction_source" add value if not exists 'STALE' after 'CACHE';`);
    this.addSql(`alter table "prediction" add "age_seconds" double precision not null default 0;`);
  }

  // PostgreSQL takes no value out of an enum: STALE stays, and the way up finds it there.
  override down(): void | Promise<void> {
    this.addSql(`alter table "prediction" drop column "age_seconds";`);
  }
}
