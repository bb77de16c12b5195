import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../telemetry/logger.js';
import { Listener } from './listen-notify.js';

export interface TableFollowerOptions {
  /** Where to LISTEN for changes by other processes. */
  databaseUrl: string;
  /** Channel of `pg_notify`. */
  channel: string;
  /** Schema of the table. */
  schema: string;
  /** Reads the table and applies it. Never called concurrently. */
  follow: () => Promise<void>;
  /** Called with whether changes arrive at once: not while the connection that listens is lost, or a read fails. */
  onStateChange?: (isFollowing: boolean) => void;
  /** Log messages for the first failed read, and the first successful one after it. */
  messages: { unavailable: string; recovered: string };
  log: Logger;
  /** Polling interval, in case a notification is lost. */
  pollMs?: number | undefined;
}

const timeoutMs = 10_000;
const defaultPollMs = 5_000;

/**
 * Applies changes of a table that any process may make: at once by NOTIFY, within seconds by polling. While the database is
 * unavailable, the current state stays.
 */
export class TableFollower {
  readonly #options: TableFollowerOptions;
  #listener: Listener | null = null;
  #poll: NodeJS.Timeout | null = null;
  #isFailing = false;
  /** Whether notifications arrive, and those missed before were applied. */
  #isListening = false;
  /** How often the connection was lost. */
  #losses = 0;
  #current: Promise<void> = Promise.resolve();
  #next: Promise<void> | null = null;

  constructor(options: TableFollowerOptions) {
    this.#options = options;
  }

  /**
   * Applies the table, and follows it from now on.
   * @throws if the table cannot be read: a start must not serve outdated state
   */
  async ready(): Promise<void> {
    const { databaseUrl, channel, schema, follow, log, pollMs = defaultPollMs } = this.#options;
    await follow();
    const refresh = (): void => void this.refresh();
    const onMessage = (): void => void this.#refreshListening();
    const onLost = (): void => {
      this.#losses += 1;
      this.#isListening = false;
      this.#report();
    };
    this.#listener = new Listener({ databaseUrl, channel, schema, onMessage, onLost, log });
    this.#poll = setInterval(refresh, pollMs).unref();
    await this.#listener.attempted;
    await (this.#next ?? this.#current);
  }

  /** Resolves once all changes committed before the call are applied, or reading has failed. */
  refresh(): Promise<void> {
    // The current read may have started before the change; concurrent callers share the next one.
    this.#next ??= this.#current.then(() => {
      this.#next = null;
      this.#current = this.#tryFollow();
      return this.#current;
    });
    return this.#next;
  }

  /** Stops after the current read. */
  async close(): Promise<void> {
    this.#listener?.close();
    if (this.#poll) clearInterval(this.#poll);
    await (this.#next ?? this.#current);
  }

  async #refreshListening(): Promise<void> {
    const losses = this.#losses;
    await this.refresh();
    if (losses !== this.#losses) return;
    this.#isListening = true;
    this.#report();
  }

  async #tryFollow(): Promise<void> {
    const { follow, messages, log } = this.#options;
    try {
      await follow();
      if (this.#isFailing) log.info(messages.recovered);
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) log.warn({ err: error }, messages.unavailable);
      this.#isFailing = true;
    }
    this.#report();
  }

  #report(): void {
    this.#options.onStateChange?.(this.#isListening && !this.#isFailing);
  }
}

/** @throws Error if the result takes longer, by default than ten seconds */
export async function withDatabaseTimeout<Result>(result: Promise<Result>, ms = timeoutMs): Promise<Result> {
  const done = new AbortController();
  const timeout = sleep(ms, undefined, { ref: false, signal: done.signal }).then(() => {
    throw new Error(`The database did not respond within ${ms} ms.`);
  });
  try {
    return await Promise.race([result, timeout]);
  } finally {
    timeout.catch(() => undefined);
    done.abort();
  }
}
