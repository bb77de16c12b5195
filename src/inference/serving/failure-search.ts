import { setImmediate as nextTurn } from 'node:timers/promises';
import { AppError, ServiceUnavailable } from '../../errors/app-error.js';
import type { BatchItem } from './batcher.js';

/** Runs that the search in one batch may take for the rows of one caller, and for all. */
const maxRunsOfCaller = 64;
const maxRunsOfBatch = 256;

export interface SearchOptions<Item> {
  /** Runs rows together and settles them. @throws Error if the run fails */
  run(items: readonly Item[]): Promise<void>;
  /** Called with a row that failed alone. */
  onCulprit(item: Item, error: unknown): void;
}

/**
 * Finds the rows that fail a batch by bisection. One bad row of n takes log2 n to 2 log2 n runs. Rows that no call waits for
 * any longer are dropped before each run, so the search for a call ends with its first bad row. Callers are separated first: the
 * runs for one caller's bad rows are its own, and have a limit.
 */
export class FailureSearch<Item extends BatchItem<unknown>> {
  #runs = 0;
  #droppedRows = 0;
  readonly #runsByCaller = new Map<string, number>();
  readonly #rowsByCaller = new Map<string, number>();

  constructor(private readonly options: SearchOptions<Item>) {}

  /** Rows that were not run again, because no call waited for them. */
  get droppedRows(): number {
    return this.#droppedRows;
  }

  /** Rows that were run again, by caller. */
  get rowsByCaller(): ReadonlyMap<string, number> {
    return this.#rowsByCaller;
  }

  /** Settles or fails every row of a run that failed. */
  async search(items: readonly Item[], error: unknown): Promise<void> {
    await this.#divide(
      items.toSorted((one, other) => (one.caller < other.caller ? -1 : Number(one.caller > other.caller))),
      error,
    );
  }

  /** @param items rows that failed together */
  async #divide(items: readonly Item[], error: unknown): Promise<void> {
    const [first, second] = items;
    if (first && !second) {
      this.options.onCulprit(first, error);
      first.fail(error);
      return;
    }
    const [left, right] = halves(items);
    const isLeftFine = await this.#runAgain(left, error);
    // The bad row is in the other half then. A single row must prove it.
    const isRightBad = isLeftFine && right.length > 1 && right.every(({ isNeeded }) => isNeeded);
    if (isRightBad) await this.#divide(right, error);
    else await this.#runAgain(right, error);
  }

  /** @returns whether every row was run and settled */
  async #runAgain(items: readonly Item[], cause: unknown): Promise<boolean> {
    // Calls that failed have left their rows then, and I/O was processed.
    await nextTurn();
    const needed = items.filter((item) => item.isNeeded);
    this.#drop(items, cause);
    if (needed.length === 0) return false;
    if (!this.#spend(needed)) {
      this.#failAll(needed, new ServiceUnavailable('The model failed on rows that ran with yours; try again.'));
      return false;
    }
    try {
      await this.options.run(needed);
      return needed.length === items.length;
    } catch (error) {
      // Errors for callers, such as a timeout or overload, are not searched for.
      if (error instanceof AppError) this.#failAll(needed, error);
      else await this.#divide(needed, error);
      return false;
    }
  }

  #drop(items: readonly Item[], error: unknown): void {
    for (const item of items) {
      if (item.isNeeded) continue;
      this.#droppedRows += 1;
      item.fail(error);
    }
  }

  #failAll(items: readonly Item[], error: unknown): void {
    for (const item of items) item.fail(error);
  }

  /** @returns whether the rows may be run */
  #spend(items: readonly Item[]): boolean {
    const callers = new Set(items.map(({ caller }) => caller));
    const [only = ''] = callers;
    const runsOfCaller = this.#runsByCaller.get(only) ?? 0;
    if (this.#runs >= maxRunsOfBatch || (callers.size === 1 && runsOfCaller >= maxRunsOfCaller)) return false;
    this.#runs += 1;
    if (callers.size === 1) this.#runsByCaller.set(only, runsOfCaller + 1);
    for (const { caller } of items) this.#rowsByCaller.set(caller, (this.#rowsByCaller.get(caller) ?? 0) + 1);
    return true;
  }
}

/** Splits rows, which are sorted by caller, between two callers, or in the middle of the only one. */
function halves<Item extends { caller: string }>(items: readonly Item[]): [Item[], Item[]] {
  const middle = Math.ceil(items.length / 2);
  const isBoundary = (index: number) => items[index - 1]?.caller !== items[index]?.caller;
  let split = middle;
  for (let distance = 0; distance < middle; distance += 1) {
    const found = [middle - distance, middle + distance].find(
      (index) => index > 0 && index < items.length && isBoundary(index),
    );
    if (found === undefined) continue;
    split = found;
    break;
  }
  return [items.slice(0, split), items.slice(split)];
}
