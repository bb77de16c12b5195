import type { CredentialChange, CredentialChanges } from '../../auth/credential-changes.js';
import { schemaOf } from '../../database/schema-names.js';
import { TableFollower, withDatabaseTimeout } from '../../database/table-follower.js';
import type { Database } from '../../database/tables.js';
import type { Logger } from '../../telemetry/logger.js';

export interface CredentialChangeWatcherOptions {
  db: Database;
  /** For the dedicated connection that listens for changes. */
  databaseUrl: string;
  changes: CredentialChanges;
  log: Logger;
}

/** The channel that the triggers notify. */
const channel = 'auspex_credential_change';

/** A transaction that commits later than this after its change could be missed by a read of the newest changes. */
const overlapMs = 60_000;

/**
 * Follows the changes of credentials that any process makes, also those by SQL. While they do not arrive, `changes` is
 * incomplete, and each request checks its credential in the database.
 */
export class CredentialChangeWatcher {
  readonly #options: CredentialChangeWatcherOptions;
  readonly #follower: TableFollower;
  #readUntil: Date | null = null;

  constructor(options: CredentialChangeWatcherOptions) {
    const { db, databaseUrl, changes, log } = options;
    this.#options = options;
    this.#follower = new TableFollower({
      databaseUrl,
      channel,
      schema: schemaOf(db),
      follow: () => this.#follow(),
      onStateChange: (isFollowing) => changes.setFollowing(isFollowing),
      messages: {
        unavailable: 'cannot read changes of credentials; each request checks its credential in the database',
        recovered: 'reading changes of credentials recovered',
      },
      log,
    });
  }

  /** Loads the changes within the lifetime of a token and follows them. @throws the error of the database */
  ready(): Promise<void> {
    return this.#follower.ready();
  }

  /** Resolves once all changes committed before the call apply here, or the database is known to be unavailable. */
  refresh(): Promise<void> {
    return this.#follower.refresh();
  }

  /** Stops following; waits for a running read. */
  close(): Promise<void> {
    return this.#follower.close();
  }

  async #follow(): Promise<void> {
    const { db, changes } = this.#options;
    const since = this.#readUntil ?? new Date(Date.now() - changes.ttlMs - overlapMs);
    const found = await withDatabaseTimeout(changesSince(db, since));
    changes.add(found);
    const newest = found.at(-1)?.changedAt;
    // By the clock of the database, which may differ from ours.
    if (newest) this.#readUntil = new Date(Math.max(newest.getTime() - overlapMs, since.getTime()));
  }
}

/** Reads the changes from a time on, oldest first. */
async function changesSince(db: Database, since: Date): Promise<CredentialChange[]> {
  const rows = await db
    .selectFrom('credential_change')
    .leftJoin('user_account', (join) =>
      join.onRef('user_account.id', '=', 'credential_change.id').on('credential_change.kind', '=', 'user'),
    )
    .select([
      'credential_change.id',
      'credential_change.kind',
      'credential_change.changed_at as changedAt',
      'user_account.is_active as isActive',
      'user_account.role',
      'user_account.employee_id as employeeId',
    ])
    .where('credential_change.changed_at', '>=', since)
    .orderBy('credential_change.changed_at')
    .execute();
  return rows.map(({ id, kind, changedAt, isActive, role, employeeId }) => {
    if (kind !== 'user') return { id, kind, changedAt };
    return { id, kind, changedAt, user: isActive === null || role === null ? null : { isActive, role, employeeId } };
  });
}
