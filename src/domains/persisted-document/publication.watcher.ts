import { schemaOf } from '../../database/schema-names.js';
import { withDatabaseTimeout, TableFollower } from '../../database/table-follower.js';
import type { Database } from '../../database/tables.js';
import type { Release, TrustedDocuments } from '../../persisted-documents/trusted-documents.js';
import type { Logger } from '../../telemetry/logger.js';
import { documentsOfRelease, releaseIds } from './document.queries.js';
import { documentChannel, releaseLimits } from './document.service.js';

export interface PublicationWatcherOptions {
  db: Database;
  /** For the dedicated connection that listens for notifications. */
  databaseUrl: string;
  trusted: TrustedDocuments;
  log: Logger;
  /** Milliseconds between polls, which find changes whose notification was missed. */
  pollMs?: number;
}

/**
 * Keeps published documents trusted. Releases are immutable, so only new ones are read. While the database is unavailable,
 * trusted documents stay trusted.
 */
export class PublicationWatcher {
  readonly #options: PublicationWatcherOptions;
  readonly #follower: TableFollower;
  #releases: ReadonlyMap<string, Release> = new Map();

  constructor(options: PublicationWatcherOptions) {
    const { db, databaseUrl, log, pollMs } = options;
    this.#options = options;
    this.#follower = new TableFollower({
      databaseUrl,
      channel: documentChannel,
      schema: schemaOf(db),
      follow: () => this.#follow(),
      messages: {
        unavailable: 'cannot read published documents; keeping current ones',
        recovered: 'reading published documents recovered',
      },
      log,
      pollMs,
    });
  }

  /**
   * Loads the published documents and follows changes.
   * @throws the error of the database: a gateway without published documents would reject valid clients
   */
  ready(): Promise<void> {
    return this.#follower.ready();
  }

  /** Resolves when everything committed before the call is trusted here, or the database proves unavailable. */
  refresh(): Promise<void> {
    return this.#follower.refresh();
  }

  /** Stops following; waits for a running read. */
  close(): Promise<void> {
    return this.#follower.close();
  }

  async #follow(): Promise<void> {
    const { db, trusted, log } = this.#options;
    const before = this.#releases;
    const ids = await withDatabaseTimeout(releaseIds(db, releaseLimits.releases));
    if (ids.length === before.size && ids.every((id) => before.has(id))) return;
    const releases = new Map<string, Release>();
    for (const id of ids) {
      const release = before.get(id) ?? (await this.#read(id));
      if (release) releases.set(id, release);
    }
    this.#releases = releases;
    trusted.replace('published', [...releases.values()]);
    log.info({ releases: releases.size }, 'published documents changed');
  }

  /** @returns null if the release was retired meanwhile */
  async #read(id: string): Promise<Release | null> {
    const { db, trusted } = this.#options;
    const rows = await withDatabaseTimeout(documentsOfRelease(db, id));
    const [first] = rows;
    if (!first) return null;
    // Releases of one client share most documents: equal texts share one string.
    const documents = rows.map(({ documentId, hash, text, operationName }) => ({
      id: documentId,
      hash,
      text: trusted.byHash(hash)?.text ?? text,
      operationName,
    }));
    return { client: first.client, version: first.version, documents };
  }
}
