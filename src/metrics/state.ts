import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Look } from '../http/routes/health.js';
import { each, metricsOf, one, type Sample } from './registry.js';

/** Health of the gateway and its dependencies. */
export interface StateSource {
  build: { version: string; node: string };
  look(): Promise<Look>;
  /** Whether each cache in Redis is reachable; caches in memory are left out. */
  caches(): Readonly<Record<string, boolean>>;
  /** Whether events reach other replicas; null without Redis. */
  reachesReplicas(): boolean | null;
}

export function stateMetrics(source: StateSource): Registry {
  const registry = new Registry();
  const { gauge } = metricsOf(registry);
  gauge('auspex_build_info', 'Always 1; labels name the running version.', ['version', 'node'], () => [
    { labels: source.build, value: 1 },
  ]);
  gauge('auspex_ready', '1 if /readyz returns 200; 0 while the gateway drains.', [], async () =>
    flag((await source.look()).status === 'ready'),
  );
  gauge('auspex_database_up', '1 if PostgreSQL responds.', [], async () =>
    flag((await source.look()).parts.database?.isUp === true),
  );
  gauge('auspex_cache_up', '1 if the cache in Redis responds; no series without Redis.', ['cache'], () =>
    Object.entries(source.caches()).map(([cache, isUp]) => ({ labels: { cache }, value: Number(isUp) })),
  );
  gauge('auspex_pubsub_up', '1 if events reach other replicas through Redis; no series without Redis.', [], () => {
    const isUp = source.reachesReplicas();
    return isUp === null ? [] : flag(isUp);
  });
  return registry;
}

const flag = (isTrue: boolean): Sample<never>[] => [{ labels: {}, value: Number(isTrue) }];

/** Queues that are drained in the background. */
export interface QueuesSource {
  /** Current length by queue. */
  lengths(): Readonly<Record<string, number>>;
  history(): HistoryStatistics;
}

/** The history of predictions; bytes are those of rows that are computed or wait to be written. */
export interface HistoryStatistics {
  /** Predictions that were returned but not recorded. */
  lost: number;
  reservedBytes: number;
  capacityBytes: number;
  /** Calls that were rejected because the history had no room. */
  rejectedCalls: number;
  /** Null without a journal. */
  journal: { isUp: boolean; bytes: number } | null;
}

export function queueMetrics(source: QueuesSource): Registry {
  const registry = new Registry();
  const { counter, gauge } = metricsOf(registry);
  gauge(
    'auspex_queue_length',
    'Queued items: predictions and document usage to be recorded, and rows waiting for their model.',
    ['queue'],
    each('queue', () => source.lengths()),
  );
  counter(
    'auspex_predictions_lost_total',
    'Predictions that were returned but could not be recorded.',
    [],
    one(() => source.history().lost),
  );
  gauge(
    'auspex_prediction_history_bytes',
    'Bytes reserved in the prediction history: by calls that compute, and by predictions that wait to be recorded.',
    [],
    one(() => source.history().reservedBytes),
  );
  gauge(
    'auspex_prediction_history_capacity_bytes',
    'Bytes above which the prediction history rejects calls.',
    [],
    one(() => source.history().capacityBytes),
  );
  counter(
    'auspex_prediction_history_rejected_total',
    'Calls rejected before they ran, because the prediction history had no room.',
    [],
    one(() => source.history().rejectedCalls),
  );
  gauge(
    'auspex_prediction_journal_up',
    '1 if predictions that wait to be recorded survive a killed process; 0 without a journal or after an error of the disk.',
    [],
    one(() => Number(source.history().journal?.isUp === true)),
  );
  gauge(
    'auspex_prediction_journal_bytes',
    'Bytes of the files with predictions that wait to be recorded.',
    [],
    one(() => source.history().journal?.bytes ?? 0),
  );
  return registry;
}

/** Gauges named like counters. Each is the sum of a labelled gauge without `_total`. */
const misnamed = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

let processRegistry: Registry | undefined;

/** One registry per process, because its observers of the garbage collector and the event loop are never removed. */
export function processMetrics(): Registry {
  if (!processRegistry) {
    processRegistry = new Registry();
    collectDefaultMetrics({ register: processRegistry });
    for (const name of misnamed) processRegistry.removeSingleMetric(name);
  }
  return processRegistry;
}
