import { IndexMigration, type IndexDefinitions } from '../migrate/index-migration.js';

const searched = String.raw`name || E'\n' || email || E'\n' || job_title`;

const orders = (name: string): IndexDefinitions => ({
  employee_name_id_index: `"employee" (${name}, "id")`,
  employee_department_id_name_id_index: `"employee" ("department_id", ${name}, "id")`,
  employee_manager_id_name_id_index: `"employee" ("manager_id", ${name}, "id")`,
});

const search = (text: string): IndexDefinitions => ({
  employee_search_index: `"employee" using gin ((${text}) gin_trgm_ops)`,
});

const folded = `replace(translate(lower((${searched}) collate "und-x-icu"), E'ςı\\u0307', 'σi'), 'ß', 'ss')`;

/** Orders and searches that do not depend on the locale of the database. */
export class Migration20261127120100 extends IndexMigration {
  override name = 'Migration20261127120100';

  override async up(): Promise<void> {
    await this.replace(orders('"name" collate "C"'));
    if (await this.ensureExtension('pg_trgm')) await this.replace(search(folded));
    await this.analyze('employee');
  }

  override async down(): Promise<void> {
    await this.replace(orders('"name"'));
    if (await this.ensureExtension('pg_trgm')) await this.replace(search(searched));
    await this.analyze('employee');
  }
}
