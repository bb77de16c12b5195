import { performance } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';

/** What is measured and set; tests replace it. */
interface Engine {
  /** Share of the time since the last call in which the event loop worked, from 0 to 1. */
  utilization: () => number;
  /** The same, for calls while memory is saved. */
  load: () => number;
  /** Memory of the JavaScript heap, including what is free. */
  heapBytes: () => number;
  /** Whether the garbage collector saves memory at the cost of time. */
  saveMemory: (isSaving: boolean) => void;
}

const intervalMs = 2_000;
const idleUtilization = 0.05;

/**
 * Idle intervals before memory is saved: after the start longer than a pause between two requests, and after a load much longer, since
 * what V8 has compiled for the load is lost, too. To compile it again takes half a second of CPU time.
 */
const idleIntervals = { afterStart: 3, afterLoad: 30 };

/** Intervals in which V8 runs two incremental collections. */
const savingIntervals = 5;

/** While memory is saved, a load must not wait for the end of an interval: collections take twice the time meanwhile. */
const loadIntervalMs = 100;
const loadUtilization = 0.5;

/** A smaller growth of the heap is not worth a collection. */
const worthwhileBytes = 16 * 1024 * 1024;

/**
 * Returns memory to the system when the gateway becomes idle: after a start or a load, V8 holds tens of megabytes for garbage. V8 frees them
 * by itself if the rate of allocations is low, but takes a program without any allocation for one whose rate is unknown.
 */
export class IdleMemory {
  #idle = 0;
  #saving = 0;
  #smallestHeap = 0;
  #intervals = idleIntervals.afterStart;

  constructor(private readonly engine: Engine) {}

  /** To be called at each interval. */
  check(): void {
    const isIdle = this.engine.utilization() < idleUtilization;
    this.#idle = isIdle ? this.#idle + 1 : 0;
    if (this.#saving > 0) {
      this.#saving -= 1;
      if (this.#saving > 0 && isIdle) return;
      if (isIdle) this.#smallestHeap = this.engine.heapBytes();
      this.#endSaving();
    } else if (this.#idle >= this.#intervals && this.engine.heapBytes() > this.#smallestHeap + worthwhileBytes) {
      this.#saving = savingIntervals;
      this.#intervals = idleIntervals.afterLoad;
      this.engine.saveMemory(true);
    }
  }

  /** To be called often while memory is saved. */
  checkLoad(): void {
    if (this.#saving > 0 && this.engine.load() > loadUtilization) this.#endSaving();
  }

  #endSaving(): void {
    this.#saving = 0;
    this.#idle = 0;
    this.engine.saveMemory(false);
  }
}

/** Returns memory of this process while it is idle. */
export function returnIdleMemory(): void {
  // The collector looks so often whether it should save memory.
  setFlagsFromString('--gc-memory-reducer-start-delay-ms=1000');
  let often: NodeJS.Timeout | undefined;
  const memory = new IdleMemory({
    utilization: utilizationMeter(),
    load: utilizationMeter(),
    heapBytes: () => getHeapStatistics().total_physical_size,
    saveMemory(isSaving) {
      clearInterval(often);
      if (isSaving) often = setInterval(() => memory.checkLoad(), loadIntervalMs).unref();
      // Read at each decision of the collector; the compiler does not use it.
      setFlagsFromString(isSaving ? '--optimize-for-size' : '--no-optimize-for-size');
    },
  });
  setInterval(() => memory.check(), intervalMs).unref();
}

/** Measures the utilization of the event loop between calls. */
function utilizationMeter(): () => number {
  let last = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    return utilization;
  };
}
