import { AsyncLocalStorage } from 'node:async_hooks';

/** Resources that operations use. */
export type CostKind = 'sql' | 'cache' | 'model';

/** Number and total duration of calls. Concurrent calls each count in full, so `ms` may exceed the operation's duration. */
export interface CostItem {
  times: number;
  ms: number;
}

/** The resources that one operation has used so far. */
export class OperationCost {
  readonly sql: CostItem = { times: 0, ms: 0 };
  readonly cache: CostItem = { times: 0, ms: 0 };
  readonly model: CostItem = { times: 0, ms: 0 };
  /** What the limit of cost has counted for rows that were in a cache, in objects. */
  refunded = 0;
}

const current = new AsyncLocalStorage<OperationCost>();

/** Runs a task and adds the cost of everything it starts to `cost`. */
export const trackCost = <Result>(cost: OperationCost, task: () => Result): Result => current.run(cost, task);

/**
 * Adds a finished call to the cost of the current operation, if there is one.
 * @param startMs start of the call by `performance.now()`
 */
export function recordCost(kind: CostKind, startMs: number): void {
  const item = current.getStore()?.[kind];
  if (!item) return;
  item.times += 1;
  item.ms += performance.now() - startMs;
}
