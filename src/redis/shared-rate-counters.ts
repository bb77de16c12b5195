import { MemoryRateCounters } from './memory-rate-counters.js';
import type { CountLimit, LocalCount, RateCounters, WindowCount } from './rate-counters.js';

/** Events of a key to be counted. */
export interface KeyEvents {
  key: string;
  windowMs: number;
  weight: number;
}

/** Where processes count together. */
export interface CountStore {
  /** Adds events of distinct keys at once. @returns the counts in their order; null if the store is unavailable */
  add(events: readonly KeyEvents[]): Promise<WindowCount[] | null>;
  clear(key: string): Promise<void>;
  readonly isShared: boolean;
}

/** A process may be behind by this part of what was left of the limit, so that sixteen replicas together cannot exceed it. */
const lagDivisor = 16;

/** An older count says nothing about the other processes: only one call is counted by it, and the next one waits. */
const freshMs = 1_000;

/** Interval of writes. */
const writeIntervalMs = 250;

/** Keys of one write, which takes Redis about a quarter of a millisecond. */
const maxKeysPerWrite = 256;

/** Events that are counted here. */
interface Backlog {
  windowMs: number;
  /** Not written yet. */
  unsent: number;
  /** Without a reply: unsent or in flight. */
  unconfirmed: number;
}

/**
 * Counts in a store that processes share. Far from a limit, events are counted here and written together a moment later;
 * near it, each call waits for the shared count. While the store is unavailable, the process continues from the last shared count.
 */
export class SharedRateCounters implements RateCounters {
  /** The last shared counts, and on top of them the events of this process that they do not include. */
  readonly #local = new MemoryRateCounters();
  readonly #backlogs = new Map<string, Backlog>();
  /** Keys with unsent events. */
  readonly #unsentKeys = new Set<string>();
  readonly #timer = setInterval(() => this.#writeUnsent(), writeIntervalMs).unref();
  #lastWrite: Promise<unknown> = Promise.resolve();

  constructor(private readonly store: CountStore) {}

  get isShared(): boolean {
    return this.store.isShared;
  }

  async add(key: string, windowMs: number, weight = 1): Promise<WindowCount> {
    const [count] = await this.#write([{ key, windowMs, weight, counted: this.#takeUnsent(key) }]);
    return count ?? this.#local.addUpTo(key, { windowMs, weight });
  }

  addUpTo(key: string, { limit, windowMs, weight = 1 }: CountLimit): WindowCount | Promise<WindowCount> {
    const known = this.#local.peek(key);
    if (!known || !this.#mayLag(key, known, { limit, weight })) return this.add(key, windowMs, weight);
    const backlog = this.#backlogs.get(key) ?? { windowMs, unsent: 0, unconfirmed: 0 };
    this.#backlogs.set(key, backlog);
    backlog.unsent += weight;
    backlog.unconfirmed += weight;
    this.#unsentKeys.add(key);
    if (this.#unsentKeys.size >= maxKeysPerWrite) this.#writeUnsent();
    const count = { count: known.count + weight, resetInMs: known.resetInMs };
    this.#local.record(key, count, known.ageMs);
    return count;
  }

  peek(key: string): LocalCount | null {
    return this.#local.peek(key);
  }

  async clear(key: string): Promise<void> {
    this.#takeUnsent(key);
    this.#backlogs.delete(key);
    await this.#local.clear(key);
    await this.store.clear(key);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#writeUnsent();
    // Replies come in order.
    await this.#lastWrite;
    await this.#local.close();
  }

  #mayLag(key: string, { count, ageMs }: LocalCount, { limit, weight }: { limit: number; weight: number }): boolean {
    const lag = this.#backlogs.get(key)?.unconfirmed ?? 0;
    const maxLag = Math.floor((limit - (count - lag)) / lagDivisor);
    return lag + weight <= maxLag && (lag === 0 || ageMs < freshMs);
  }

  #writeUnsent(): void {
    const keys = [...this.#unsentKeys];
    if (keys.length === 0) return;
    this.#lastWrite = this.#write(
      keys.map((key) => {
        const windowMs = this.#backlogs.get(key)?.windowMs ?? 0;
        return { key, windowMs, weight: 0, counted: this.#takeUnsent(key) };
      }),
    );
  }

  #takeUnsent(key: string): number {
    this.#unsentKeys.delete(key);
    const backlog = this.#backlogs.get(key);
    if (!backlog) return 0;
    const { unsent } = backlog;
    backlog.unsent = 0;
    return unsent;
  }

  /** @param events with `counted`, the part of the events that is counted here already. @returns no counts if the store is unavailable */
  async #write(events: readonly (KeyEvents & { counted: number })[]): Promise<WindowCount[]> {
    const counts = await this.store.add(
      events.map(({ key, windowMs, weight, counted }) => ({ key, windowMs, weight: weight + counted })),
    );
    return events.flatMap(({ key, counted }, index) => {
      const lag = this.#confirm(key, counted);
      const shared = counts?.[index];
      // Without a reply the events may arrive later, so that they are not sent again; this process has counted them.
      if (!shared) return [];
      this.#local.record(key, { ...shared, count: shared.count + lag });
      return [shared];
    });
  }

  /** @returns the events of the key that remain without a reply */
  #confirm(key: string, weight: number): number {
    const backlog = this.#backlogs.get(key);
    if (!backlog) return 0;
    backlog.unconfirmed -= weight;
    if (backlog.unconfirmed <= 0) this.#backlogs.delete(key);
    return Math.max(0, backlog.unconfirmed);
  }
}
