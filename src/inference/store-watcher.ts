import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../shared/logger.js';
import { glanceAtModelStore, problemsOf } from './model-store.js';

export interface WatcherOptions {
  storeDir: string;
  /** Milliseconds from one look to the next. */
  pollMs: number;
  logger: Logger;
  /** Called with one folder after the other that was added, changed or removed and has stood still since. False: try again at the next look. */
  changed: (name: string) => Promise<boolean>;
}

/**
 * Looks at the model store again and again: notifications of the file system do not come from network drives and mounted
 * volumes. A folder that is being written is left alone until two looks find it the same.
 */
export class StoreWatcher {
  readonly #options: WatcherOptions;
  readonly #stop = new AbortController();
  /** As each folder was when it was taken up. */
  readonly #taken: Map<string, string>;
  #before: ReadonlyMap<string, string>;
  #isReadable = true;
  #watching: Promise<void> = Promise.resolve();

  /** @param taken what `glanceAtModelStore` told before the store was read */
  constructor(options: WatcherOptions, taken: ReadonlyMap<string, string>) {
    this.#options = options;
    this.#taken = new Map(taken);
    this.#before = taken;
    if (options.pollMs > 0) this.#watching = this.#watch();
  }

  /** Ends once the folder that is being taken up is done with. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#watching;
  }

  async #watch(): Promise<void> {
    while (await this.#slept()) await this.#look();
  }

  /** Resolves to false where there is to be no other look. */
  #slept(): Promise<boolean> {
    return sleep(this.#options.pollMs, true, { signal: this.#stop.signal, ref: false }).catch(() => false);
  }

  async #look(): Promise<void> {
    const { storeDir, logger, changed } = this.#options;
    let now: ReadonlyMap<string, string>;
    try {
      now = await glanceAtModelStore(storeDir);
      if (now.size === 0 && this.#taken.size > 0) throw new Error('The model store is empty.');
    } catch (error) {
      // A store that is gone, or a volume that is not mounted, is no order to stop serving.
      if (this.#isReadable) logger.error({ problems: problemsOf(error) }, 'the model store cannot be read; what serves goes on');
      this.#isReadable = false;
      return;
    }
    if (!this.#isReadable) logger.info({ storeDir }, 'the model store can be read again');
    this.#isReadable = true;
    const before = this.#before;
    this.#before = now;
    for (const name of new Set([...this.#taken.keys(), ...now.keys()])) {
      const seen = now.get(name);
      if (this.#stop.signal.aborted || seen === this.#taken.get(name) || seen !== before.get(name)) continue;
      if (!(await changed(name))) continue;
      if (seen === undefined) this.#taken.delete(name);
      else this.#taken.set(name, seen);
    }
  }
}
