import { IndexMigration } from '../migrate/index-migration.js';

const indexes = {
  employee_department_id_index:
    'create index concurrently "employee_department_id_index" on "employee" ("department_id")',
  employee_department_id_age_id_index:
    'create index concurrently "employee_department_id_age_id_index" on "employee" ("department_id", "age", "id")',
  employee_department_id_hired_on_id_index:
    'create index concurrently "employee_department_id_hired_on_id_index" on "employee" ("department_id", "hired_on", "id")',
  employee_department_id_salary_id_index:
    'create index concurrently "employee_department_id_salary_id_index" on "employee" ("department_id", "salary", "id")',
  employee_department_id_created_at_id_index:
    'create index concurrently "employee_department_id_created_at_id_index" on "employee" ("department_id", "created_at", "id")',
  prediction_model_version_id_index:
    'create index concurrently "prediction_model_version_id_index" on "prediction" ("model", "version", "id")',
  prediction_stale_index: `create index concurrently "prediction_stale_index" on "prediction" ("id") where source = 'STALE'`,
};

const search = {
  employee_search_index: `create index concurrently "employee_search_index" on "employee" using gin ((name || E'\\n' || email || E'\\n' || job_title) gin_trgm_ops)`,
};

export class Migration20261121190000 extends IndexMigration {
  override name = 'Migration20261121190000';

  override async up(): Promise<void> {
    await this.build(indexes);
    // Without it a search finds the same, and reads the table for it.
    if (!(await this.ensureExtension('pg_trgm'))) return;
    await this.build(search);
    await this.analyze('employee');
  }

  override async down(): Promise<void> {
    // The extension stays: others may use it.
    await this.drop(Object.keys({ ...indexes, ...search }));
  }
}
