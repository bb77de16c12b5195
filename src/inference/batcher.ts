import { AppError, Overloaded } from '../shared/errors.js';
import type { VersionCounters } from './statistics.js';

/** A row that waits for its answer. The batcher calls `settle` or `fail` once, unless the row was withdrawn. */
export interface BatchItem<Answer> {
  /** Whether it waits for a run; for the batcher alone to set. */
  isQueued: boolean;
  settle(answer: Answer): void;
  fail(error: unknown): void;
}

/** What answers rows: one answer for each, in their order. */
export interface Runner<Answer, Item> {
  run(items: readonly Item[]): Promise<{ answers: Answer[]; computeMs: number }>;
  /** Rows that a run may have so that it begins at once, although others are under way. */
  room(): number;
}

export interface BatchLimits {
  /** Rows of one run. */
  maxBatch: number;
  /** Rows that may wait for a run. */
  maxQueue: number;
  /** Milliseconds that a row waits for others to join its run; 0: those of the same turn of the event loop join. */
  windowMs: number;
}

/** Rows that came together. They stay together where they fit into one run. */
interface Group<Item> {
  items: Item[];
  since: number;
}

/**
 * Joins the rows that are wanted at the same moment into one run, whoever wants them. A run begins when the turn of the
 * event loop ends in which its first row came, or when the window ends. While all that could run is busy, groups that
 * are small enough to run all the same overtake those that are not.
 */
export class Batcher<Answer, Item extends BatchItem<Answer>> {
  #groups: Group<Item>[] = [];
  #queuedRows = 0;
  /** Rows of groups in the queue that are not queued any more; more than there are, since taken groups are not counted off. */
  #withdrawnRows = 0;
  #running = 0;
  #window: NodeJS.Timeout | undefined;
  #soon: NodeJS.Immediate | undefined;

  constructor(
    private readonly runner: Runner<Answer, Item>,
    private readonly counters: VersionCounters,
    public limits: BatchLimits,
  ) {}

  /** Whether no row waits and no run is under way. */
  get isIdle(): boolean {
    return this.#queuedRows === 0 && this.#running === 0;
  }

  /**
   * Puts rows into the queue.
   * @throws Overloaded at once where they do not fit; none of them is queued then
   */
  submit(items: readonly Item[]): void {
    if (items.length === 0) return;
    const { maxBatch, maxQueue } = this.limits;
    if (this.#queuedRows + items.length > maxQueue) throw new Overloaded('Too many predictions are waiting for this model.', this.#retryAfterSeconds());
    const since = performance.now();
    for (let start = 0; start < items.length; start += maxBatch) {
      this.#groups.push({ items: items.slice(start, start + maxBatch), since });
    }
    for (const item of items) item.isQueued = true;
    this.#queuedRows += items.length;
    this.counters.pending += items.length;
    this.#openWindow();
  }

  /** Takes a row out of the queue; answers whether it was still there. */
  withdraw(item: Item): boolean {
    if (!item.isQueued) return false;
    item.isQueued = false;
    this.#queuedRows -= 1;
    this.counters.pending -= 1;
    this.#withdrawnRows += 1;
    if (this.#withdrawnRows > this.limits.maxQueue) this.#sweep();
    return true;
  }

  /** Lets go of withdrawn rows, which otherwise stay in their groups until these are taken. */
  #sweep(): void {
    this.#groups = this.#groups.map(({ items, since }) => ({ items: items.filter(({ isQueued }) => isQueued), since })).filter(({ items }) => items.length > 0);
    this.#withdrawnRows = 0;
  }

  /** Seconds in which what waits now will have been run, at the pace of the runs so far. */
  #retryAfterSeconds(): number {
    const { rows, computeMs } = this.counters;
    return rows === 0 ? 1 : Math.min(60, Math.max(1, Math.ceil(((computeMs / rows) * this.#queuedRows) / 1000)));
  }

  /** Opens the window for others to join, unless one is open; a full batch waits no longer. */
  #openWindow(): void {
    const { windowMs, maxBatch } = this.limits;
    if (windowMs === 0 || this.#queuedRows >= maxBatch) this.#fireSoon();
    else this.#window ??= setTimeout(() => this.#fire(), windowMs);
  }

  /** A macrotask, also between two runs: sockets are read and written in the meantime. */
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
    // Another run may have room beside this one.
    if (this.#queuedRows > 0) this.#fireSoon();
  }

  /** Groups in the order in which they came, those passed over that do not fit. Empty where all must wait for a run to end. */
  #take(): Item[] {
    const { maxBatch } = this.limits;
    // With no run of its own under way nothing would wake this batcher later: what runs models may queue this one run.
    const room = this.#running === 0 ? maxBatch : Math.min(maxBatch, this.runner.room());
    if (room === 0) return [];
    const now = performance.now();
    const batch: Item[] = [];
    const left: Group<Item>[] = [];
    for (const group of this.#groups) {
      const items = batch.length < room ? group.items.filter(({ isQueued }) => isQueued) : group.items;
      // A group may be larger than a limit that was lowered after it came; alone it is run all the same.
      const mustRun = this.#running === 0 && batch.length === 0;
      if (batch.length + items.length > room && !mustRun) {
        left.push(group);
        continue;
      }
      for (const item of items) {
        item.isQueued = false;
        batch.push(item);
      }
      this.#queuedRows -= items.length;
      this.counters.queueMs += (now - group.since) * items.length;
    }
    this.#groups = left;
    return batch;
  }

  async #runBatch(items: readonly Item[]): Promise<void> {
    try {
      await this.#runJoined(items);
      this.counters.pending -= items.length;
    } catch (error) {
      // What is told to callers, such as a run that hangs or threads that are all busy, is not a row's doing.
      if (items.length === 1 || error instanceof AppError) {
        for (const item of items) item.fail(error);
        this.counters.pending -= items.length;
        return;
      }
      // Some row has failed the run for its neighbours: halves find it in few runs.
      const half = Math.ceil(items.length / 2);
      await this.#runBatch(items.slice(0, half));
      await this.#runBatch(items.slice(half));
    }
  }

  async #runJoined(items: readonly Item[]): Promise<void> {
    const { answers, computeMs } = await this.runner.run(items);
    if (answers.length !== items.length) throw new Error(`${answers.length} answers came for ${items.length} rows`);
    this.counters.countRun(items.length, computeMs);
    for (const [index, item] of items.entries()) {
      const answer = answers[index];
      if (answer !== undefined) item.settle(answer);
    }
  }
}
