import { Registry } from 'prom-client';
import { each, metricsOf, one } from './series.js';

/** What is measured of that which waits. */
export interface QueuesSource {
  /** What waits in each queue now. */
  lengths(): Readonly<Record<string, number>>;
  /** Predictions that will not be in the history. */
  predictionsLost(): number;
}

/** What waits to be done. */
export function queueMetrics(source: QueuesSource): Registry {
  const registry = new Registry();
  const { counter, gauge } = metricsOf(registry);
  gauge('auspex_queue_length', 'What waits: predictions and uses of documents to be written, and rows for a run of their model.', ['queue'], each('queue', () => source.lengths()));
  counter('auspex_predictions_lost_total', 'Predictions that were answered and could not be written to the history.', [], one(() => source.predictionsLost()));
  return registry;
}
