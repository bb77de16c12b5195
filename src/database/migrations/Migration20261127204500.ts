import { Migration } from '@mikro-orm/migrations';

export class Migration20261127204500 extends Migration {
  override name = 'Migration20261127204500';

  override up(): void | Promise<void> {
    this.addSql(`alter table "prediction" add "units" jsonb null, add "signature_digest" varchar(32) null;`);
  }

  override down(): void | Promise<void> {
    this.addSql(`alter table "prediction" drop column "units", drop column "signature_digest";`);
  }
}
