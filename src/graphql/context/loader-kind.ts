import DataLoader from 'dataloader';
import type { Database } from '../../database/tables.js';
import { isTracing, withSpan } from '../../telemetry/tracing.js';
import type { QueryCache } from '../caching/query-cache.js';

/** Loads the values of many keys, in their order. */
export type Batch<Key, Value> = (keys: readonly Key[]) => Promise<ArrayLike<Value | Error>>;

/**
 * A kind of loader, declared once per module; each request creates its own loaders. `batch` loads many keys with one statement.
 */
export interface LoaderKind<Key, Value> {
  batch: (db: Database) => Batch<Key, Value>;
  /** Makes a comparable key of an object. */
  keyOf?: (key: Key) => string;
  /** The name of its batches in traces. */
  name?: string;
  /** Reads through the query result cache; see `cachedQuery`. */
  cachedBy?: (queries: QueryCache, read: Batch<Key, Value>) => Batch<Key, Value>;
}

/** Bounds the keys of one statement. */
const maxBatchSize = 1000;

/** Creates a loader that is traced as `load <name>`. */
export function createLoader<Key, Value>(
  { keyOf, name }: LoaderKind<Key, Value>,
  batch: Batch<Key, Value>,
): DataLoader<Key, Value, unknown> {
  return new DataLoader<Key, Value, unknown>(tracedBatch(name, batch), {
    maxBatchSize,
    ...(keyOf ? { cacheKeyFn: keyOf } : {}),
  });
}

function tracedBatch<Key, Value>(name: string | undefined, load: Batch<Key, Value>): Batch<Key, Value> {
  if (!isTracing()) return load;
  return (keys) =>
    withSpan(
      name ? `load ${name}` : 'load',
      () => ({ 'auspex.loader.keys': keys.length }),
      () => load(keys),
    );
}
