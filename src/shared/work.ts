import { AsyncLocalStorage } from 'node:async_hooks';

/** What operations have others do for them. */
export type WorkKind = 'sql' | 'cache' | 'model';

/** How often, and for how long. Things done side by side count each for itself, so that the times may exceed the operation's own. */
export interface Done {
  times: number;
  ms: number;
}

/** What was done for one operation, counted while it is done. */
export class Work {
  readonly sql: Done = { times: 0, ms: 0 };
  readonly cache: Done = { times: 0, ms: 0 };
  readonly model: Done = { times: 0, ms: 0 };
}

const current = new AsyncLocalStorage<Work>();

/** Does a task whose work, and that of all that it starts, is counted to `work`. */
export const workingFor = <Result>(work: Work, task: () => Result): Result => current.run(work, task);

/** Notes that something was done which began at `startMs`, by `performance.now()`, for whichever operation asked for it. */
export function noteDone(kind: WorkKind, startMs: number): void {
  const done = current.getStore()?.[kind];
  if (!done) return;
  done.times += 1;
  done.ms += performance.now() - startMs;
}
