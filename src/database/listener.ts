import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Logger } from '../shared/logger.js';

export interface ListenerOptions {
  databaseUrl: string;
  /** As `pg_notify` names it. */
  channel: string;
  /** Called for each message, and once whenever the connection is there: messages sent before were missed. */
  onMessage: () => void;
  log: Logger;
}

const connectTimeoutMs = 5_000;
const pauseMs = { first: 250, longest: 2_000 };

/**
 * Hears what PostgreSQL's NOTIFY says, over a connection of its own; one that is lost is opened again. It does not keep the
 * process from ending. Messages are a hint that comes at once, not a queue: what matters must be read from a table.
 */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #stop = new AbortController();
  #pauseMs = pauseMs.first;

  constructor(options: ListenerOptions) {
    this.#options = options;
    void this.#listen();
  }

  close(): void {
    this.#stop.abort();
  }

  async #listen(): Promise<void> {
    for (;;) {
      try {
        await this.#hold();
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        const { log, channel } = this.#options;
        const isFirst = this.#pauseMs === pauseMs.first;
        log[isFirst ? 'warn' : 'debug']({ err: error, channel }, 'the database is not heard; connecting again');
        await sleep(this.#pauseMs, undefined, { ref: false, signal: this.#stop.signal }).catch(() => undefined);
        this.#pauseMs = Math.min(this.#pauseMs * 2, pauseMs.longest);
      }
    }
  }

  /** Connects and listens until the connection is lost or not wanted any more: ends with the reason. */
  async #hold(): Promise<never> {
    const { signal } = this.#stop;
    signal.throwIfAborted();
    const { databaseUrl, channel, onMessage } = this.#options;
    const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: connectTimeoutMs, keepAlive: true });
    const { promise: lost, reject } = Promise.withResolvers<never>();
    lost.catch(() => undefined); // where connecting fails, that error is the reason
    client.on('error', reject);
    client.on('end', () => reject(new Error('The connection was closed.')));
    const giveUp = (): void => reject(new Error('The listener was closed.'));
    signal.addEventListener('abort', giveUp);
    try {
      await client.connect();
      unref(client);
      await client.query(`listen ${pg.escapeIdentifier(channel)}`);
      signal.throwIfAborted();
      this.#pauseMs = pauseMs.first;
      client.on('notification', () => {
        if (!signal.aborted) onMessage();
      });
      onMessage();
      return await lost;
    } finally {
      signal.removeEventListener('abort', giveUp);
      // Not waited for: a server that is gone never says goodbye.
      client.end().catch(() => undefined);
    }
  }
}

/** Lets the process end while the client is connected; its types leave that out. */
const unref = (client: pg.Client): void => (client as pg.Client & { unref(): void }).unref();
