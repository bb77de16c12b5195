import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Logger } from '../telemetry/logger.js';
import { applyToSession } from './session-settings.js';

export interface ListenerOptions {
  databaseUrl: string;
  /** Channel of `pg_notify`, which gateways of all schemas of the database share. */
  channel: string;
  /** Payload of the messages for this gateway. Earlier releases send none, for all. */
  schema: string;
  /** Called for each message, and after each (re)connect, since earlier messages were missed. */
  onMessage: () => void;
  /** Called when the connection is lost; `onMessage` follows when it is back. */
  onLost?: () => void;
  log: Logger;
}

const connectTimeoutMs = 5_000;
const pauseMs = { first: 250, longest: 2_000 };

/**
 * Listens for PostgreSQL's NOTIFY over its own connection, and reconnects. Does not keep the process running. Messages are
 * hints, not a queue: read the state from a table. Behind a connection pooler, which may change servers between transactions,
 * it does not listen: poll the table as well.
 */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #stop = new AbortController();
  readonly #attempt = Promise.withResolvers<undefined>();
  #pauseMs = pauseMs.first;

  constructor(options: ListenerOptions) {
    this.#options = options;
    void this.#listen();
  }

  /** Resolves after the first attempt to listen, also if it failed. */
  get attempted(): Promise<unknown> {
    return this.#attempt.promise;
  }

  close(): void {
    this.#stop.abort();
  }

  async #listen(): Promise<void> {
    for (;;) {
      try {
        await this.#hold();
        this.#attempt.resolve(undefined);
        return;
      } catch (error) {
        this.#attempt.resolve(undefined);
        if (this.#stop.signal.aborted) return;
        const { log, channel, onLost } = this.#options;
        onLost?.();
        const isFirst = this.#pauseMs === pauseMs.first;
        log[isFirst ? 'warn' : 'debug'](
          { err: error, channel },
          'notification listener lost its connection; reconnecting',
        );
        await sleep(this.#pauseMs, undefined, { ref: false, signal: this.#stop.signal }).catch(() => undefined);
        this.#pauseMs = Math.min(this.#pauseMs * 2, pauseMs.longest);
      }
    }
  }

  /**
   * Listens until the connection is lost or the listener closed. Resolves if a connection pooler is in between.
   * @throws the reason
   */
  async #hold(): Promise<void> {
    const { signal } = this.#stop;
    signal.throwIfAborted();
    const { databaseUrl, channel, schema, onMessage, log } = this.#options;
    const client = new pg.Client({
      connectionString: databaseUrl,
      connectionTimeoutMillis: connectTimeoutMs,
      keepAlive: true,
    });
    const { promise: lost, reject } = Promise.withResolvers<never>();
    lost.catch(() => undefined); // connect() reports a failed connection
    client.on('error', reject);
    client.on('end', () => reject(new Error('The connection was closed.')));
    const abort = (): void => reject(new Error('The listener was closed.'));
    signal.addEventListener('abort', abort);
    try {
      await client.connect();
      unref(client);
      if (!(await applyToSession(client, {}))) {
        log.info({ channel }, 'connection pooler detected; polling instead of listening for notifications');
        return;
      }
      // The comment shows others whose gateway listens.
      await client.query(`listen ${pg.escapeIdentifier(channel)} /* ${schema} */`);
      signal.throwIfAborted();
      this.#pauseMs = pauseMs.first;
      client.on('notification', ({ payload = '' }) => {
        if (!signal.aborted && (payload === '' || payload === schema)) onMessage();
      });
      onMessage();
      this.#attempt.resolve(undefined);
      await lost;
    } finally {
      signal.removeEventListener('abort', abort);
      // Not awaited: a lost server never closes the connection.
      client.end().catch(() => undefined);
    }
  }
}

/** Lets the process exit while the client is connected; missing in its types. */
const unref = (client: pg.Client): void => (client as pg.Client & { unref(): void }).unref();
