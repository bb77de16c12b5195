import DataLoader from 'dataloader';
import { z } from 'zod';
import { Unauthenticated } from '../shared/errors.js';
import type { Logger } from '../shared/logger.js';
import { topic, type PubSub } from '../shared/pub-sub.js';
import type { KnownViewer, Viewer } from './viewer.js';

/** Told when a credential may be good no more, or a user is not who it was: a hint to look, which nobody has to believe. */
export const viewerTopic = topic('viewer', z.union([z.strictObject({ userId: z.uuid() }), z.strictObject({ credentialId: z.uuid() })]));

export interface LiveViewersOptions {
  /** Why each of the viewers is no longer who it was when it came; null where it is. One statement for all. */
  whyEnded: (viewers: readonly KnownViewer[]) => Promise<(string | null)[]>;
  pubSub: PubSub;
  log: Logger;
  /** How often it looks even where nothing was heard. */
  pollMs?: number;
}

/** A viewer whose connection stays open. */
interface Watched {
  viewer: KnownViewer;
  end: (error: Unauthenticated) => void;
  expiry: NodeJS.Timeout | null;
}

/** The longest that a timer can wait. What lasts longer is found when it is looked for. */
const maxTimerMs = 2_147_483_647;

const maxViewersPerStatement = 1000;

/**
 * Sees to it that an open connection does not outlive its credential. A request is judged once, when it comes; a stream must
 * end when the token expires, the session ends, the key is revoked, the user is switched off or becomes someone else: to the
 * second where the time is known, at once where it is told, and in any case within seconds, by one statement for all.
 */
export class LiveViewers {
  readonly #options: LiveViewersOptions;
  readonly #watched = new Set<Watched>();
  readonly #forget: () => void;
  readonly #whyEnded: DataLoader<KnownViewer, string | null>;
  readonly #pollMs: number;
  #poll: NodeJS.Timeout | null = null;
  #checking: Promise<void> | null = null;
  #checksAsked = 0;
  #isBehind = false;

  constructor(options: LiveViewersOptions) {
    this.#options = options;
    this.#pollMs = options.pollMs ?? 3_000;
    this.#whyEnded = new DataLoader((viewers) => options.whyEnded(viewers), { cache: false, maxBatchSize: maxViewersPerStatement });
    this.#forget = options.pubSub.subscribe(viewerTopic, (hint) => {
      const isMeant = ({ viewer }: Watched): boolean => ('userId' in hint ? viewer.userId === hint.userId : viewer.credentialId === hint.credentialId);
      if ([...this.#watched].some(isMeant)) void this.check();
    });
  }

  /** Connections that are watched. */
  get size(): number {
    return this.#watched.size;
  }

  /**
   * Watches over a viewer from now on; answers how to stop that. `end` is called once, when the credential is good no more.
   * @throws Unauthenticated for a stranger, and where the credential is good no more already
   */
  async watch(viewer: Viewer, end: (error: Unauthenticated) => void): Promise<() => void> {
    if (viewer.kind === 'stranger') throw new Unauthenticated(viewer.reason);
    const watched: Watched = { viewer, end, expiry: null };
    // Before it looks: what ends meanwhile is then found by one of the two.
    this.#add(watched);
    try {
      const reason = await this.#whyEnded.load(viewer);
      if (reason !== null) throw new Unauthenticated(reason);
    } catch (error) {
      this.#remove(watched);
      throw error;
    }
    return () => this.#remove(watched);
  }

  /** Looks for all viewers now. Resolves once all that was committed before the call is known here. */
  check(): Promise<void> {
    this.#checksAsked += 1;
    if (this.#checking) return this.#checking;
    const checking = this.#checkUntilSettled();
    this.#checking = checking;
    return checking;
  }

  close(): void {
    this.#forget();
    for (const watched of [...this.#watched]) this.#remove(watched);
  }

  #add(watched: Watched): void {
    this.#watched.add(watched);
    const { expiresAt } = watched.viewer;
    const leftMs = expiresAt ? expiresAt.getTime() - Date.now() : Infinity;
    if (leftMs <= maxTimerMs) watched.expiry = setTimeout(() => this.#end(watched, expiredReason(watched.viewer)), Math.max(0, leftMs)).unref();
    this.#poll ??= setInterval(() => void this.check(), this.#pollMs).unref();
  }

  #remove(watched: Watched): void {
    this.#watched.delete(watched);
    if (watched.expiry) clearTimeout(watched.expiry);
    if (this.#watched.size > 0 || !this.#poll) return;
    clearInterval(this.#poll);
    this.#poll = null;
  }

  #end(watched: Watched, reason: string): void {
    if (!this.#watched.has(watched)) return;
    this.#remove(watched);
    watched.end(new Unauthenticated(reason));
  }

  async #checkUntilSettled(): Promise<void> {
    const { log } = this.#options;
    let asked: number;
    do {
      asked = this.#checksAsked;
      try {
        await this.#checkAll();
        if (this.#isBehind) log.info('who has open streams is looked after again');
        this.#isBehind = false;
      } catch (error) {
        if (!this.#isBehind) log.warn({ err: error }, 'who has open streams cannot be looked after; tokens expire all the same');
        this.#isBehind = true;
      }
    } while (this.#checksAsked !== asked);
    this.#checking = null;
  }

  async #checkAll(): Promise<void> {
    const byViewer = Map.groupBy(this.#watched, ({ viewer }) => keyOf(viewer));
    const groups = [...byViewer.values()];
    const viewers = groups.flatMap(([first]) => (first ? [first.viewer] : []));
    for (let start = 0; start < viewers.length; start += maxViewersPerStatement) {
      const reasons = await this.#options.whyEnded(viewers.slice(start, start + maxViewersPerStatement));
      for (const [index, reason] of reasons.entries()) {
        if (reason !== null) for (const watched of groups[start + index] ?? []) this.#end(watched, reason);
      }
    }
  }
}

/** All that makes a viewer who it is. */
const keyOf = ({ credentialId, userId, role, employeeId }: KnownViewer): string => [credentialId, userId, role, employeeId].join(' ');

const expiredReason = ({ kind }: KnownViewer): string =>
  kind === 'session' ? 'The access token has expired; refresh the session.' : 'The API key has expired.';
