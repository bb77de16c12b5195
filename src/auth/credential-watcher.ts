import DataLoader from 'dataloader';
import { Unauthenticated } from '../errors/app-error.js';
import type { Logger } from '../telemetry/logger.js';
import type { CredentialChanges } from './credential-changes.js';
import type { AuthenticatedViewer, Viewer } from './viewer.js';

export interface CredentialWatcherOptions {
  /** Says for each viewer why its credential has ended, or null if it is valid. One statement for all. */
  endReasons: (viewers: readonly AuthenticatedViewer[]) => Promise<(string | null)[]>;
  /** Each change is a hint to check. */
  changes: Pick<CredentialChanges, 'subscribe'>;
  log: Logger;
  /** Interval of checks without a hint. */
  pollMs?: number;
}

/** An open connection and its viewer. */
interface Watch {
  viewer: AuthenticatedViewer;
  end: (error: Unauthenticated) => void;
  expiry: NodeJS.Timeout | null;
}

/** The longest delay of a timer, about 25 days. Polling finds credentials that expire later. */
const maxTimerMs = 2_147_483_647;

const maxViewersPerStatement = 1_000;

/**
 * Ends open connections when their credential ends. A request is authenticated once, but a stream must end when the token
 * expires, the session ends, the key is revoked, or the user is deactivated or changes role: at the expiry time if there
 * is one, at once after a hint, and otherwise within the poll interval.
 */
export class CredentialWatcher {
  readonly #options: CredentialWatcherOptions;
  readonly #watches = new Set<Watch>();
  readonly #unsubscribe: () => void;
  readonly #endReason: DataLoader<AuthenticatedViewer, string | null>;
  readonly #pollMs: number;
  #poll: NodeJS.Timeout | null = null;
  #checking: Promise<void> | null = null;
  #checksRequested = 0;
  #isFailing = false;

  constructor(options: CredentialWatcherOptions) {
    this.#options = options;
    this.#pollMs = options.pollMs ?? 3_000;
    this.#endReason = new DataLoader((viewers) => options.endReasons(viewers), {
      cache: false,
      maxBatchSize: maxViewersPerStatement,
    });
    this.#unsubscribe = options.changes.subscribe(({ kind, id }) => {
      const isAffected = ({ viewer }: Watch): boolean => (kind === 'user' ? viewer.userId : viewer.credentialId) === id;
      if ([...this.#watches].some(isAffected)) void this.check();
    });
  }

  /** Connections that are watched. */
  get size(): number {
    return this.#watches.size;
  }

  /**
   * Watches the viewer of a connection; calls `end` once when the credential ends.
   * @returns a function that stops watching.
   * @throws Unauthenticated for an anonymous viewer, or if the credential has ended already.
   */
  async watch(viewer: Viewer, end: (error: Unauthenticated) => void): Promise<() => void> {
    if (viewer.kind === 'anonymous') throw new Unauthenticated(viewer.reason);
    const watch: Watch = { viewer, end, expiry: null };
    // Added before the check, so that a credential that ends meanwhile is found by one of the two.
    this.#add(watch);
    try {
      const reason = await this.#endReason.load(viewer);
      if (reason !== null) throw new Unauthenticated(reason);
    } catch (error) {
      this.#remove(watch);
      throw error;
    }
    return () => this.#remove(watch);
  }

  /** Reads from the database why a credential has ended; null if it is valid. Concurrent calls share a statement. */
  endReason(viewer: AuthenticatedViewer): Promise<string | null> {
    return this.#endReason.load(viewer);
  }

  /** Checks all viewers now. Resolves once every change committed before the call has been seen. */
  check(): Promise<void> {
    this.#checksRequested += 1;
    if (this.#checking) return this.#checking;
    const checking = this.#checkUntilSettled();
    this.#checking = checking;
    return checking;
  }

  close(): void {
    this.#unsubscribe();
    for (const watch of [...this.#watches]) this.#remove(watch);
  }

  #add(watch: Watch): void {
    this.#watches.add(watch);
    const { expiresAt } = watch.viewer;
    const leftMs = expiresAt ? expiresAt.getTime() - Date.now() : Infinity;
    if (leftMs <= maxTimerMs)
      watch.expiry = setTimeout(() => this.#end(watch, expiredReason(watch.viewer)), Math.max(0, leftMs)).unref();
    this.#poll ??= setInterval(() => void this.check(), this.#pollMs).unref();
  }

  #remove(watch: Watch): void {
    this.#watches.delete(watch);
    if (watch.expiry) clearTimeout(watch.expiry);
    if (this.#watches.size > 0 || !this.#poll) return;
    clearInterval(this.#poll);
    this.#poll = null;
  }

  #end(watch: Watch, reason: string): void {
    if (!this.#watches.has(watch)) return;
    this.#remove(watch);
    watch.end(new Unauthenticated(reason));
  }

  /** Repeats the check while further ones were requested during it. */
  async #checkUntilSettled(): Promise<void> {
    const { log } = this.#options;
    let requested: number;
    do {
      requested = this.#checksRequested;
      try {
        await this.#checkAll();
        if (this.#isFailing) log.info('credential checks of open streams recovered');
        this.#isFailing = false;
      } catch (error) {
        if (!this.#isFailing)
          log.warn({ err: error }, 'credential checks of open streams failed; expiry still applies');
        this.#isFailing = true;
      }
    } while (this.#checksRequested !== requested);
    this.#checking = null;
  }

  async #checkAll(): Promise<void> {
    const byViewer = Map.groupBy(this.#watches, ({ viewer }) => keyOf(viewer));
    const groups = [...byViewer.values()];
    const viewers = groups.flatMap(([first]) => (first ? [first.viewer] : []));
    for (let start = 0; start < viewers.length; start += maxViewersPerStatement) {
      const reasons = await this.#options.endReasons(viewers.slice(start, start + maxViewersPerStatement));
      for (const [index, reason] of reasons.entries()) {
        if (reason !== null) for (const watch of groups[start + index] ?? []) this.#end(watch, reason);
      }
    }
  }
}

/** Contains everything that a check compares, so that equal viewers are checked once. */
const keyOf = ({ credentialId, userId, role, employeeId }: AuthenticatedViewer): string =>
  [credentialId, userId, role, employeeId].join(' ');

const expiredReason = ({ kind }: AuthenticatedViewer): string => expiredReasons[kind];

const expiredReasons = {
  session: 'The access token has expired; refresh the session.',
  apiKey: 'The API key has expired.',
  external: 'The access token has expired; request another one from its issuer.',
};
