import { Registry } from 'prom-client';
import type { ResponseCacheStatistics } from '../../graphql/response-cache.js';
import type { StreamStatistics } from '../../graphql/subscriptions.js';
import { each, metricsOf, one } from './series.js';

/** What is measured of answers. */
export interface AnswersSource {
  /** Answers that were kept, and asked for again. */
  responses(): ResponseCacheStatistics;
  /** What subscriptions do. */
  streams(): StreamStatistics;
}

/** Answers that are kept, and answers that stream. */
export function answerMetrics(source: AnswersSource): Registry {
  const registry = new Registry();
  const { counter, gauge } = metricsOf(registry);
  counter('auspex_response_cache_hits_total', 'Queries that were answered by an answer kept from before.', [], one(() => source.responses().hits));
  counter('auspex_response_cache_misses_total', 'Queries whose answer may be kept, and was not there.', [], one(() => source.responses().misses));
  counter('auspex_response_cache_invalidations_total', 'Mutations, and changes of models, that made kept answers old.', [], one(() => source.responses().invalidations));
  gauge('auspex_streams_open', 'Subscriptions that are open.', ['transport'], each('transport', () => source.streams().open));
  gauge('auspex_streams_limit', 'Subscriptions that may be open at a time.', [], one(() => source.streams().limit));
  counter('auspex_stream_events_total', 'Events that were executed for a subscription.', [], one(() => source.streams().events));
  counter('auspex_streams_ended_total', 'Subscriptions that have ended, by the reason.', ['reason'], each('reason', () => source.streams().ended));
  counter('auspex_streams_refused_total', 'Subscriptions that were refused.', [], one(() => source.streams().refused));
  return registry;
}
