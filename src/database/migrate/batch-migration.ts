import { Migration } from '@mikro-orm/migrations';

const batchSize = 1_000;

/**
 * A migration that changes many rows in batches, each a transaction, so that no lock is held for long. An interrupted one starts
 * again from the first row: the change must be repeatable.
 */
export abstract class BatchMigration extends Migration {
  override isTransactional(): boolean {
    return false;
  }

  /** Runs an update for each batch of rows in the order of ids; it joins `batch (id)`. */
  protected async updateInBatches(table: string, update: string): Promise<void> {
    let lastId: unknown = '00000000-0000-0000-0000-000000000000';
    while (lastId !== undefined) {
      const [last] = await this.execute(
        `with batch as (select id from "${table}" where id > ? order by id limit ${batchSize}), changed as (${update})
         select id from batch order by id desc limit 1`,
        [lastId],
      );
      lastId = last?.id;
    }
  }
}
