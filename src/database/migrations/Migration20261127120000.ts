import { BatchMigration } from '../migrate/batch-migration.js';

/** Normalizes stored texts as new ones are since this release. A text that would be too long, or a name that is taken, stays as it is. */
export class Migration20261127120000 extends BatchMigration {
  override name = 'Migration20261127120000';

  override async up(): Promise<void> {
    await this.updateInBatches(
      'employee',
      `update employee set name = normalize(name, NFC), job_title = normalize(job_title, NFC), version = version + 1, updated_at = now()
       from batch where employee.id = batch.id and (name is not nfc normalized or job_title is not nfc normalized)
         and char_length(normalize(name, NFC)) <= 100 and char_length(normalize(job_title, NFC)) <= 100`,
    );
    await this.updateInBatches(
      'department',
      `update department set name = normalize(name, NFC), updated_at = now()
       from batch where department.id = batch.id and name is not nfc normalized and char_length(normalize(name, NFC)) <= 100
         and not exists (select from department other where other.id <> department.id
           and normalize(other.name, NFC) = normalize(department.name, NFC))`,
    );
  }

  // The texts mean the same, and the release before reads them.
  override down(): Promise<void> {
    return Promise.resolve();
  }
}
