import { availableParallelism } from 'node:os';
import { LRUCache } from 'lru-cache';
import { entryLimit } from '../cache/entry-limit.js';
import { Overloaded } from '../errors/app-error.js';

/** The caller of a hash. */
export interface HashingCaller {
  /** Callers with the same key share one place in the order: the network of a sign-in, or a user who is signed in. */
  share: string;
  /** Whether the caller has proved an identity before: such callers come first. */
  isKnown: boolean;
  /** Aborted when the caller disconnects. */
  signal?: AbortSignal;
}

export interface HashingQueueOptions {
  /** Hashes that run at once. */
  concurrency: number;
  /** Callers that wait. */
  maxWaiting: number;
  /** How long a hash counts in the order of its share. */
  memoryMs?: number;
}

interface Waiter {
  caller: HashingCaller;
  start: () => void;
  reject: (error: Error) => void;
}

/**
 * libuv has four threads by default, which hash passwords, read files, look up names and compress. One stays free of hashes, and
 * one core stays free for the event loop.
 */
const maxThreads = 3;
const waitingPerThread = 32;

export const defaultHashingLimits = (): HashingQueueOptions => {
  const concurrency = Math.max(1, Math.min(availableParallelism() - 1, maxThreads));
  return { concurrency, maxWaiting: concurrency * waitingPerThread };
};

/** Stands for the gateway itself and for scripts. */
const ownWork: HashingCaller = { share: 'gateway', isKnown: true };

const maxShares = 10_000;

/**
 * Bounds the password hashes that run at once, and the callers that wait. Known callers come first, then callers whose share had
 * the fewest hashes lately, so that wrong passwords from one network do not delay the right one from another. Past the
 * bound, the last one in this order is rejected. Callers that disconnect leave the queue.
 */
export class HashingQueue {
  readonly #options: HashingQueueOptions;
  /** Hashes started lately by share. */
  readonly #started: LRUCache<string, number>;
  /** In the order of arrival. */
  readonly #waiting: Waiter[] = [];
  #running = 0;
  #lastMs = 0;

  constructor(options: HashingQueueOptions) {
    this.#options = options;
    this.#started = new LRUCache({ ...entryLimit(maxShares), ttl: options.memoryMs ?? 60_000, noUpdateTTL: true });
  }

  /** Callers that wait. */
  get length(): number {
    return this.#waiting.length;
  }

  /**
   * Runs a hash when it is its turn.
   * @throws Overloaded if the queue is full; the reason of the signal if the caller disconnects. The hash has not run then.
   */
  async run<Result>(hash: () => Promise<Result>, caller: HashingCaller = ownWork): Promise<Result> {
    caller.signal?.throwIfAborted();
    if (this.#running >= this.#options.concurrency) await this.#turnOf(caller);
    else this.#running += 1;
    this.#started.set(caller.share, (this.#started.get(caller.share) ?? 0) + 1);
    const startMs = performance.now();
    try {
      return await hash();
    } finally {
      this.#lastMs = performance.now() - startMs;
      this.#startNext();
    }
  }

  #turnOf(caller: HashingCaller): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#remove(waiter);
        reject(caller.signal?.reason as Error);
      };
      const settled = (): void => caller.signal?.removeEventListener('abort', leave);
      const waiter: Waiter = {
        caller,
        start: () => {
          settled();
          resolve();
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      };
      caller.signal?.addEventListener('abort', leave);
      this.#waiting.push(waiter);
      if (this.#waiting.length > this.#options.maxWaiting) this.#rejectLast();
    });
  }

  /** The next caller takes the place of the hash that ended. */
  #startNext(): void {
    const [next] = this.#inOrder();
    if (!next) {
      this.#running -= 1;
      return;
    }
    this.#remove(next);
    next.start();
  }

  #rejectLast(): void {
    const last = this.#inOrder().at(-1);
    if (!last) return;
    this.#remove(last);
    const waitMs = (this.#waiting.length * this.#lastMs) / this.#options.concurrency;
    last.reject(new Overloaded('Too many passwords are being checked.', Math.max(1, Math.ceil(waitMs / 1000))));
  }

  #remove(waiter: Waiter): void {
    const at = this.#waiting.indexOf(waiter);
    if (at !== -1) this.#waiting.splice(at, 1);
  }

  #inOrder(): Waiter[] {
    const before = new Map<string, number>();
    const ranked = this.#waiting.map((waiter) => {
      const { share, isKnown } = waiter.caller;
      const rank = before.get(share) ?? this.#started.get(share) ?? 0;
      before.set(share, rank + 1);
      return { waiter, isKnown, rank };
    });
    return ranked
      .sort((one, other) => Number(other.isKnown) - Number(one.isKnown) || one.rank - other.rank)
      .map(({ waiter }) => waiter);
  }
}
