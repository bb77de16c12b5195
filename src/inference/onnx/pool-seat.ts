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
  /** Whether it got a task since the last look for unused threads. */
  isUsed: boolean;
  state:
    /** Without a thread, until a task needs one. */
    | { phase: 'stopped' }
    | { phase: 'starting' | 'ready'; thread: WorkerThread }
    /** After a failure. */
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

/** Whether the seat does nothing, with or without a thread. */
export const isFree = (seat: Seat): boolean => isIdle(seat) || seat.state.phase === 'stopped';

/** Lower if a task would start sooner. */
export function waitFor({ state, task }: Seat): number {
  if (state.phase === 'ready') return task ? 1 : 0;
  if (state.phase === 'starting') return 2;
  return state.phase === 'stopped' ? 3 : 4;
}
