import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../shared/logger.js';
import { Listener } from './listener.js';

export interface TableFollowerOptions {
  /** Where to listen for changes that other replicas make. */
  databaseUrl: string;
  /** Where they are announced, as `pg_notify` names it. */
  channel: string;
  /** Reads the table and applies what it says; called again and again, never twice at once. */
  follow: () => Promise<void>;
  /** What to log once where the table cannot be read, and once where it can be again. */
  told: { isAway: string; isBack: string };
  log: Logger;
  /** How often it looks even where nothing was heard. */
  pollMs?: number;
}

/** The database answers within this, or it counts as away. */
const deadlineMs = 10_000;

/**
 * Keeps this process to what a table says, which any replica may change. Changes are heard of at once, and found within seconds
 * where nothing is heard. While the database is away everything stays as it was.
 */
export class TableFollower {
  readonly #options: Required<TableFollowerOptions>;
  #listener: Listener | null = null;
  #poll: NodeJS.Timeout | null = null;
  #isBehind = false;
  #underWay: Promise<void> = Promise.resolve();
  #next: Promise<void> | null = null;

  constructor(options: TableFollowerOptions) {
    this.#options = { pollMs: 5_000, ...options };
  }

  /**
   * Applies what the table says, and follows it from now on.
   * @throws whatever keeps the table from being read: a start must not serve what no longer holds
   */
  async ready(): Promise<void> {
    const { databaseUrl, channel, follow, log, pollMs } = this.#options;
    await follow();
    const refresh = (): void => void this.refresh();
    this.#listener = new Listener({ databaseUrl, channel, onMessage: refresh, log });
    this.#poll = setInterval(refresh, pollMs).unref();
  }

  /** Resolves once all that was committed before the call is applied here; if the database is away, once that is known. */
  refresh(): Promise<void> {
    // What is being read now may be older than the call; callers that come meanwhile share the reading after it.
    this.#next ??= this.#underWay.then(() => {
      this.#next = null;
      this.#underWay = this.#tryToFollow();
      return this.#underWay;
    });
    return this.#next;
  }

  /** Stops following, after what is under way. */
  async close(): Promise<void> {
    this.#listener?.close();
    if (this.#poll) clearInterval(this.#poll);
    await (this.#next ?? this.#underWay);
  }

  async #tryToFollow(): Promise<void> {
    const { follow, told, log } = this.#options;
    try {
      await follow();
      if (this.#isBehind) log.info(told.isBack);
      this.#isBehind = false;
    } catch (error) {
      if (!this.#isBehind) log.warn({ err: error }, told.isAway);
      this.#isBehind = true;
    }
  }
}

/** @throws Error where the answer does not come in time; one that comes later is not looked at */
export async function inTime<Result>(answer: Promise<Result>): Promise<Result> {
  const done = new AbortController();
  const late = sleep(deadlineMs, undefined, { ref: false, signal: done.signal }).then(() => {
    throw new Error(`The database did not answer within ${deadlineMs} ms.`);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    late.catch(() => undefined);
    done.abort();
  }
}
