import type { ExecutionSettings } from './execution.js';
import type { ThreadRequest, ThreadValue } from './onnx-worker.js';
import type { Resident } from './session-memory.js';
import type { WorkerThread } from './worker-thread.js';

/** A graph of the pool. Its bytes remain, so that a thread can load it at any time. */
export interface PooledGraph {
  bytes: Uint8Array;
  /** Estimated memory of one session. */
  sessionBytes: number;
  settings: ExecutionSettings;
}

/** A slot for a thread. Its tasks outlive the thread. */
export interface Seat {
  /** From 0. */
  place: number;
  /** Tasks for this thread only, such as loading a graph. */
  own: Task[];
  /** What the thread holds, by graph. */
  sessions: Map<number, Resident>;
  /** What the thread does. */
  task: Task | null;
  state:
    | { phase: 'starting' | 'ready'; thread: WorkerThread }
    | { phase: 'down'; error: Error; retry: NodeJS.Timeout | undefined };
}

/** Work for a thread. */
export interface Task {
  request: ThreadRequest;
  limitMs: number;
  /** That of a run. */
  weight?: number;
  /** @param thread the index of the thread that ran */
  resolve: (value: ThreadValue, thread: number) => void;
  reject: (error: Error) => void;
}

/** A run, for any thread. */
export interface RunTask extends Task {
  request: Extract<ThreadRequest, { kind: 'run' }>;
}

/** Whether the thread can start a task now. */
export const isIdle = ({ state, task }: Seat): boolean => state.phase === 'ready' && task === null;

/** The state without a thread. */
export function down(error: Error, retry?: NodeJS.Timeout): Seat['state'] {
  return { phase: 'down', error, retry };
}

/** Lower if a task would start sooner. */
export function waitFor({ state, task }: Seat): number {
  if (state.phase === 'ready') return task ? 1 : 0;
  return state.phase === 'starting' ? 2 : 3;
}
