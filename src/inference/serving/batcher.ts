import { AppError, Overloaded, TimedOut } from '../../errors/app-error.js';
import { FairQueue } from '../scheduling/fair-queue.js';
import { Suspects } from './failed-rows.js';
import { FailureSearch } from './failure-search.js';
import type { VersionCounters } from './version-statistics.js';

/** When results were received: in milliseconds since 1970, and by `performance.now()`. */
export interface Received {
  computedAt: number;
  knownAt: number;
}

/** A row that waits for its result. The batcher calls `settle` or `fail` once, unless the row is withdrawn. */
export interface BatchItem<Result> {
  /** Whether it is queued; set by the batcher only. */
  isQueued: boolean;
  /** Whether any call waits for it. */
  readonly isNeeded: boolean;
  /** Whose share of the runs it takes; the first of its callers. */
  readonly caller: string;
  settle(result: Result, received: Received): void;
  fail(error: unknown): void;
}

/** Runs rows: one result per row, in order. */
export interface Runner<Result, Item> {
  run(items: readonly Item[]): Promise<{ results: Result[]; computeMs: number }>;
  /** Maximum rows of a run that can start now, beside the runs in progress. */
  room(): number;
  /** Called with a row that failed alone. */
  onCulprit?(item: Item, error: unknown): void;
}

export interface BatchLimits {
  /** Maximum rows per run. */
  maxBatch: number;
  /** Maximum queued rows. */
  maxQueue: number;
  /** How long a row waits for others to join its batch, in milliseconds; 0 joins rows of the same event loop turn. */
  windowMs: number;
}

/** Rows of one call. They stay together if they fit into one run. */
interface Group<Item> {
  items: Item[];
  caller: string;
  since: number;
}

/**
 * Dynamic batching: joins concurrent rows of all calls into one run. A run starts at the end of the event loop turn of its first
 * row, or when the window closes. Callers that wait get the same number of rows run. While capacity is limited, groups that fit
 * overtake groups that do not. Rows of callers whose rows failed a run lately do not run with those of others.
 */
export class Batcher<Result, Item extends BatchItem<Result>> {
  readonly #groups = new FairQueue<Group<Item>>();
  readonly #suspects = new Suspects();
  #queuedRows = 0;
  /** Upper bound on the withdrawn rows that are still in groups. */
  #withdrawnRows = 0;
  #running = 0;
  #window: NodeJS.Timeout | undefined;
  #soon: NodeJS.Immediate | undefined;

  constructor(
    private readonly runner: Runner<Result, Item>,
    private readonly counters: VersionCounters,
    public limits: BatchLimits,
  ) {}

  /** Whether no row is queued and no run is in progress. */
  get isIdle(): boolean {
    return this.#queuedRows === 0 && this.#running === 0;
  }

  /**
   * Queues rows of one caller. @throws Overloaded if they do not fit; none is queued then
   */
  submit(items: readonly Item[]): void {
    const [first] = items;
    if (!first) return;
    const { caller } = first;
    const { maxBatch, maxQueue } = this.limits;
    if (this.#queuedRows + items.length > maxQueue)
      throw new Overloaded('Too many predictions are queued for this model.', this.#retryAfterSeconds());
    const since = performance.now();
    for (let start = 0; start < items.length; start += maxBatch) {
      const part = items.slice(start, start + maxBatch);
      this.#groups.push({ items: part, caller, since }, { flow: caller, cost: part.length });
    }
    for (const item of items) item.isQueued = true;
    this.#queuedRows += items.length;
    this.counters.pending += items.length;
    this.#openWindow();
  }

  /** Removes a row from the queue. @returns whether it was queued */
  withdraw(item: Item): boolean {
    if (!item.isQueued) return false;
    item.isQueued = false;
    this.#queuedRows -= 1;
    this.counters.pending -= 1;
    this.#withdrawnRows += 1;
    if (this.#withdrawnRows > this.limits.maxQueue) this.#sweep();
    return true;
  }

  /** Frees withdrawn rows, which otherwise stay in their groups. */
  #sweep(): void {
    this.#groups.take((group) => {
      group.items = group.items.filter(({ isQueued }) => isQueued);
      return group.items.length === 0;
    });
    this.#withdrawnRows = 0;
  }

  /** Estimates the seconds until the queue is processed, from the runs so far. */
  #retryAfterSeconds(): number {
    const { rows, computeMs } = this.counters;
    return rows === 0 ? 1 : Math.min(60, Math.max(1, Math.ceil(((computeMs / rows) * this.#queuedRows) / 1000)));
  }

  /** Opens the batching window unless it is open; a full batch runs at once. */
  #openWindow(): void {
    const { windowMs, maxBatch } = this.limits;
    if (windowMs === 0 || this.#queuedRows >= maxBatch) this.#fireSoon();
    else this.#window ??= setTimeout(() => this.#fire(), windowMs);
  }

  /** A macrotask, so that I/O is processed between two runs. */
  #fireSoon(): void {
    this.#soon ??= setImmediate(() => this.#fire());
  }

  #fire(): void {
    clearTimeout(this.#window);
    this.#window = undefined;
    this.#soon = undefined;
    const batch = this.#take();
    if (batch.length === 0) return;
    this.#running += 1;
    void this.#runBatch(batch).finally(() => {
      this.#running -= 1;
      if (this.#queuedRows > 0) this.#fireSoon();
    });
    // There may be capacity for another run.
    if (this.#queuedRows > 0) this.#fireSoon();
  }

  /** Takes groups in fair order, skipping those that do not fit. Empty if a run must end first. */
  #take(): Item[] {
    const { maxBatch } = this.limits;
    // Without a run in progress nothing would wake this batcher later, so one run may wait for a thread.
    const room = this.#running === 0 ? maxBatch : Math.min(maxBatch, this.runner.room());
    if (room === 0) return [];
    const now = performance.now();
    const batch: Item[] = [];
    let suspect: string | null = null;
    this.#groups.take((group) => {
      if (batch.length >= room) return false;
      const items = group.items.filter(({ isQueued }) => isQueued);
      if (items.length === 0) return true;
      const itsSuspect = this.#suspects.has(group.caller) ? group.caller : null;
      if (batch.length > 0 && itsSuspect !== suspect) return false;
      // A group may exceed a limit that was lowered after it arrived; it then runs alone.
      const mustRun = this.#running === 0 && batch.length === 0;
      if (batch.length + items.length > room && !mustRun) return false;
      suspect = itsSuspect;
      for (const item of items) {
        item.isQueued = false;
        batch.push(item);
      }
      this.#queuedRows -= items.length;
      this.counters.queueMs += (now - group.since) * items.length;
      return true;
    });
    return batch;
  }

  async #runBatch(items: readonly Item[]): Promise<void> {
    try {
      await this.#runJoined(items);
    } catch (error) {
      if (error instanceof TimedOut) this.#noteHang(items, error);
      // Errors for callers, such as a timeout or overload, are not caused by a row.
      if (error instanceof AppError) for (const item of items) item.fail(error);
      else await this.#findCulprits(items, error);
    }
    this.counters.pending -= items.length;
  }

  async #findCulprits(items: readonly Item[], error: unknown): Promise<void> {
    const search = new FailureSearch<Item>({
      run: (rows) => this.#runJoined(rows),
      onCulprit: (item, cause) => {
        this.#suspects.add(item.caller);
        this.runner.onCulprit?.(item, cause);
      },
    });
    await search.search(items, error);
    this.counters.droppedRows += search.droppedRows;
    for (const [caller, rows] of search.rowsByCaller) this.#groups.charge({ flow: caller, cost: rows });
  }

  /** One of the rows may hang the graph, so they run apart next time; a row that was alone did. */
  #noteHang(items: readonly Item[], error: TimedOut): void {
    for (const { caller } of items) this.#suspects.add(caller);
    const [first, second] = items;
    if (first && !second) this.runner.onCulprit?.(first, error);
  }

  async #runJoined(items: readonly Item[]): Promise<void> {
    const { results, computeMs } = await this.runner.run(items);
    if (results.length !== items.length) throw new Error(`received ${results.length} results for ${items.length} rows`);
    this.counters.countRun(items.length, computeMs);
    const received: Received = { computedAt: Date.now(), knownAt: performance.now() };
    let next = 0;
    for (const item of items) {
      const result = results[next++];
      if (result !== undefined) item.settle(result, received);
    }
  }
}
