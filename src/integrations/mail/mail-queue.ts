import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../telemetry/logger.js';
import type { Mail, MailTransport } from './mail-transport.js';

/** Writes a message when it is its turn; null if there is nothing to send. */
export type MailTask = () => Promise<Mail | null>;

interface MailQueueOptions {
  transport: MailTransport;
  log: Logger;
  /** Messages that wait. */
  maxWaiting?: number;
  /** Waits before the further attempts to send a message. */
  retryDelaysMs?: readonly number[];
}

/** A server that hangs must not stop the rest at once. */
const concurrency = 2;

/** How long a shutdown waits for messages. */
const closeTimeoutMs = 5_000;

/**
 * Sends messages after the response of their request: neither its time nor its outcome shows whether one was sent. Messages wait in
 * memory, at most `maxWaiting`; a shutdown sends those it can, and drops the rest.
 */
export class MailQueue {
  readonly name = 'mail';
  readonly #options: Required<MailQueueOptions>;
  readonly #waiting: MailTask[] = [];
  readonly #running = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  #lost = 0;

  constructor(options: MailQueueOptions) {
    this.#options = { maxWaiting: 1_000, retryDelaysMs: [2_000, 15_000], ...options };
  }

  /** Messages that wait or are being sent. */
  get length(): number {
    return this.#waiting.length + this.#running.size;
  }

  /** Messages that were dropped or failed since the start. */
  get lost(): number {
    return this.#lost;
  }

  /** Whether messages reach their recipients; false if they are logged. */
  get isDelivering(): boolean {
    return this.#options.transport.isDelivering;
  }

  /** Adds a message. Never throws. @returns false if the queue is full */
  add(task: MailTask): boolean {
    if (this.#closing.signal.aborted || this.#waiting.length >= this.#options.maxWaiting) {
      this.#lost += 1;
      this.#options.log.warn({ waiting: this.#waiting.length }, 'mail queue is full; mail dropped');
      return false;
    }
    this.#waiting.push(task);
    // In a later turn, so that the caller's response does not wait for the task.
    setImmediate(() => this.#startNext());
    return true;
  }

  /** Sends what waits, within a few seconds, and drops the rest. */
  async close(): Promise<void> {
    const timer = setTimeout(() => this.#closing.abort(), closeTimeoutMs);
    while (this.length > 0 && !this.#closing.signal.aborted) {
      this.#startNext();
      await Promise.race([...this.#running, aborted(this.#closing.signal)]);
    }
    clearTimeout(timer);
    this.#closing.abort();
    if (this.#waiting.length > 0)
      this.#options.log.warn({ waiting: this.#waiting.length }, 'mail dropped at the shutdown');
    this.#waiting.length = 0;
    this.#options.transport.close();
  }

  #startNext(): void {
    while (this.#running.size < concurrency) {
      const task = this.#waiting.shift();
      if (!task) return;
      const running = this.#run(task).finally(() => {
        this.#running.delete(running);
        this.#startNext();
      });
      this.#running.add(running);
    }
  }

  /** Never rejects. */
  async #run(task: MailTask): Promise<void> {
    const { log } = this.#options;
    try {
      const mail = await task();
      if (mail) await this.#send(mail);
    } catch (error) {
      this.#lost += 1;
      log.error({ err: error }, 'mail not sent');
    }
  }

  async #send(mail: Mail): Promise<void> {
    const { transport, retryDelaysMs, log } = this.#options;
    const { signal } = this.#closing;
    for (const delayMs of retryDelaysMs) {
      try {
        await transport.send(mail);
        return;
      } catch (error) {
        if (isPermanent(error)) throw error;
        log.warn({ err: error, delayMs }, 'mail not sent; retrying');
        await sleep(delayMs, undefined, { signal });
      }
    }
    await transport.send(mail);
  }
}

/** Whether the server rejected the message for good (RFC 5321, 4.2.1). */
const isPermanent = (error: unknown): boolean => {
  const status: unknown = error !== null && typeof error === 'object' ? Reflect.get(error, 'responseCode') : undefined;
  return typeof status === 'number' && status >= 500;
};

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
