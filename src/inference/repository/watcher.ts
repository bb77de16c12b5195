import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../telemetry/logger.js';
import { scanModelRepository } from './model-repository.js';
import { problemsOf } from './problems.js';

export interface WatcherOptions {
  storeDir: string;
  /** Polling interval in milliseconds. */
  pollMs: number;
  logger: Logger;
  /** Whether a model is served: an empty repository then counts as unavailable. */
  isServing: () => boolean;
  /** Called for each folder that was added, changed or removed and is stable since. Return false to retry at the next poll. */
  changed: (name: string) => Promise<boolean>;
}

/** Differs from the state of every folder, also of one that is gone, so that the next poll looks again. */
const toRetry = '\0';

/**
 * Polls the model repository: network drives and mounted volumes send no file system notifications. A folder that is being
 * written is skipped until two polls find it unchanged.
 */
export class RepositoryWatcher {
  readonly #options: WatcherOptions;
  readonly #stop = new AbortController();
  /** State of each folder when it was loaded. */
  readonly #taken: Map<string, string>;
  #before: ReadonlyMap<string, string>;
  #isReadable = true;
  #watching: Promise<void> = Promise.resolve();

  /** @param taken the result of `scanModelRepository` from before the repository was read */
  constructor(options: WatcherOptions, taken: ReadonlyMap<string, string>) {
    this.#options = options;
    this.#taken = new Map(taken);
    this.#before = taken;
    if (options.pollMs > 0) this.#watching = this.#watch();
  }

  /** Stops after the folder in progress. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#watching;
  }

  async #watch(): Promise<void> {
    while (await this.#slept()) await this.#look();
  }

  /** Resolves to false if polling must stop. */
  #slept(): Promise<boolean> {
    return sleep(this.#options.pollMs, true, { signal: this.#stop.signal, ref: false }).catch(() => false);
  }

  async #look(): Promise<void> {
    const { storeDir, logger, isServing, changed } = this.#options;
    let now: ReadonlyMap<string, string>;
    try {
      now = await scanModelRepository(storeDir);
      if (now.size === 0 && isServing()) throw new Error('The model repository is empty.');
    } catch (error) {
      // A missing directory or unmounted volume must not stop serving.
      if (this.#isReadable)
        logger.error({ problems: problemsOf(error) }, 'model repository unavailable; keeping current models');
      this.#isReadable = false;
      return;
    }
    if (!this.#isReadable) logger.info({ storeDir }, 'model repository available again');
    this.#isReadable = true;
    const before = this.#before;
    this.#before = now;
    for (const name of new Set([...this.#taken.keys(), ...now.keys()])) {
      const seen = now.get(name);
      if (this.#stop.signal.aborted || seen === this.#taken.get(name) || seen !== before.get(name)) continue;
      const isTaken = await changed(name);
      if (seen === undefined && isTaken) this.#taken.delete(name);
      else this.#taken.set(name, isTaken && seen !== undefined ? seen : toRetry);
    }
  }
}
