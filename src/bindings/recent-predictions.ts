import { LRUCache } from 'lru-cache';
import type { InputWarning } from '../inference/serving/predictor.js';

/** A prediction for an object, without the names of its binding. */
export interface RowPrediction {
  /** By the names in the manifest. */
  output: Record<string, unknown>;
  version: number;
  source: 'MODEL' | 'CACHE' | 'STALE';
  /** When the model computed the result, in milliseconds since 1970. */
  computedAtMs: number;
  warnings: readonly InputWarning[] | null;
}

const maxPredictions = 20_000;
const maxCharacters = 8_000_000;

/**
 * The latest predictions in this process by version and features. Equal features have equal predictions, so that nothing invalidates them:
 * they expire, and a change of the models removes them. A page whose predictions are here waits for nothing, and makes no promise for each.
 */
export class RecentPredictions {
  readonly #known = new LRUCache<string, RowPrediction>({
    max: maxPredictions,
    maxSize: maxCharacters,
    sizeCalculation: ({ output }, key) => key.length + JSON.stringify(output).length,
  });

  /** @param freshMs how long a result is fresh */
  find(key: string, freshMs: number): RowPrediction | null {
    const found = this.#known.get(key);
    return found && Date.now() - found.computedAtMs < freshMs ? found : null;
  }

  /** Keeps a result, unless it had expired before. */
  store(key: string, prediction: RowPrediction): void {
    if (prediction.source !== 'STALE') this.#known.set(key, { ...prediction, source: 'CACHE' });
  }

  clear(): void {
    this.#known.clear();
  }
}
