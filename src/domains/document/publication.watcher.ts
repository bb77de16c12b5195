import { inTime, TableFollower } from '../../database/table-follower.js';
import type { Database } from '../../database/tables.js';
import type { Release, TrustedDocuments } from '../../documents/trusted-documents.js';
import type { Logger } from '../../shared/logger.js';
import { documentsOfRelease, releaseIds } from './document.queries.js';
import { documentChannel, releaseLimits } from './document.service.js';

export interface PublicationWatcherOptions {
  db: Database;
  /** Where to listen for what other replicas publish and retire. */
  databaseUrl: string;
  trusted: TrustedDocuments;
  log: Logger;
  /** How often it looks even where nothing was heard. */
  pollMs?: number;
}

/**
 * Has the documents trusted that were published into the database. A release never changes: only those that are new are read.
 * While the database is away, what was trusted still is.
 */
export class PublicationWatcher {
  readonly #options: PublicationWatcherOptions;
  readonly #follower: TableFollower;
  #releases: ReadonlyMap<string, Release> = new Map();

  constructor(options: PublicationWatcherOptions) {
    const { databaseUrl, log, pollMs } = options;
    this.#options = options;
    this.#follower = new TableFollower({
      databaseUrl,
      channel: documentChannel,
      follow: () => this.#follow(),
      told: { isAway: 'published documents cannot be read; what was trusted still is', isBack: 'published documents are read again' },
      log,
      ...(pollMs === undefined ? {} : { pollMs }),
    });
  }

  /**
   * Has what is published trusted, and follows it from now on.
   * @throws whatever keeps the database from being read: a start must not refuse what is published
   */
  ready(): Promise<void> {
    return this.#follower.ready();
  }

  /** Resolves once all that was committed before the call is trusted here; if the database is away, once that is known. */
  refresh(): Promise<void> {
    return this.#follower.refresh();
  }

  /** Stops following, after what is under way. */
  close(): Promise<void> {
    return this.#follower.close();
  }

  async #follow(): Promise<void> {
    const { db, trusted, log } = this.#options;
    const before = this.#releases;
    const ids = await inTime(releaseIds(db, releaseLimits.releases));
    if (ids.length === before.size && ids.every((id) => before.has(id))) return;
    const releases = new Map<string, Release>();
    for (const id of ids) {
      const release = before.get(id) ?? (await this.#read(id));
      if (release) releases.set(id, release);
    }
    this.#releases = releases;
    trusted.replace('published', [...releases.values()]);
    log.info({ releases: releases.size }, 'published documents have changed');
  }

  /** Null for one that was retired a moment ago. */
  async #read(id: string): Promise<Release | null> {
    const { db, trusted } = this.#options;
    const rows = await inTime(documentsOfRelease(db, id));
    const [first] = rows;
    if (!first) return null;
    // Releases of one client are much the same: a text that is known already is kept once.
    const documents = rows.map(({ documentId, hash, text, operationName }) => ({ id: documentId, hash, text: trusted.byHash(hash)?.text ?? text, operationName }));
    return { client: first.client, version: first.version, documents };
  }
}
