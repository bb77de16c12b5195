import { z } from 'zod';
import { executionProviders, onCpu, type ExecutionSettings } from '../onnx/execution.js';
import { whole, within } from './manifest-numbers.js';
import { defaultMaxRowBytes } from '../signature/types.js';

/** How calls are queued and run. */
export interface Serving extends ExecutionSettings {
  /** Maximum rows per run. */
  maxBatch: number;
  /** Batching window in milliseconds; 0 joins only rows of the same event loop turn. */
  windowMs: number;
  /** Maximum queued rows; further rows are rejected. */
  maxQueue: number;
  /** Deadline of a call in milliseconds. */
  deadlineMs: number;
  /** Seconds after expiry for which a cached result may be returned if the model fails or times out; 0 never. */
  staleSeconds: number;
  /** Maximum bytes of the value of one input or output in one row. */
  maxRowBytes: number;
  /** Maximum bytes of the inputs and outputs of all rows of a call. */
  maxCallBytes: number;
  /** Whether results are cached and identical rows share a run. False for graphs whose results may differ for the same row. */
  cache: boolean;
  /** Seconds after which a cached result expires; null for that of the gateway. */
  ttlSeconds: number | null;
  /** Share of the threads when models compete for them. */
  priority: ModelPriority;
}

/** How models share the threads, from least to most. */
const modelPriorities = ['low', 'normal', 'high'] as const;
type ModelPriority = (typeof modelPriorities)[number];

const maxCacheSeconds = 31_536_000;

/** The section `serving` of a manifest. */
export const serving = z
  .strictObject({
    max_batch: whole(1, 65_536).default(1024),
    window_ms: within(0, 1000).default(0),
    max_queue: whole(1, 1_000_000).default(65_536),
    deadline_ms: whole(1, 600_000).default(2000),
    stale_seconds: whole(0, maxCacheSeconds).default(0),
    providers: z
      .array(z.enum(executionProviders, `must be one of ${executionProviders.join(', ')}`))
      .min(1, 'must name at least one')
      .refine((list) => new Set(list).size === list.length, 'must not name one twice')
      .default([...onCpu.providers]),
    intra_op_threads: whole(1, 64).default(onCpu.intraOpThreads),
    max_row_bytes: whole(1, 2 ** 30).default(defaultMaxRowBytes),
    max_call_bytes: whole(1, 2 ** 30).default(2 * defaultMaxRowBytes),
    cache: z.boolean().default(true),
    ttl_seconds: whole(1, maxCacheSeconds).optional(),
    priority: z.enum(modelPriorities, `must be ${modelPriorities.join(', ')}`).default('normal'),
  })
  .refine(({ cache, ttl_seconds }) => cache || ttl_seconds === undefined, {
    path: ['ttl_seconds'],
    message: 'needs cache: true',
  })
  .refine(({ cache, stale_seconds }) => cache || stale_seconds === 0, {
    path: ['stale_seconds'],
    message: 'needs cache: true',
  });

/** Converts the section to the names of the code. */
export function toServing(section: z.infer<typeof serving>): Serving {
  return {
    maxBatch: section.max_batch,
    windowMs: section.window_ms,
    maxQueue: section.max_queue,
    deadlineMs: section.deadline_ms,
    staleSeconds: section.stale_seconds,
    providers: section.providers,
    intraOpThreads: section.intra_op_threads,
    maxRowBytes: section.max_row_bytes,
    maxCallBytes: section.max_call_bytes,
    cache: section.cache,
    ttlSeconds: section.ttl_seconds ?? null,
    priority: section.priority,
  };
}
