import { Registry } from 'prom-client';
import type { ExchangeRateStatistics } from '../../sources/exchange-rates.js';
import { metricsOf, type Sample } from './series.js';

/** What is measured of exchange rates. */
export interface ExchangeRatesSource {
  /** Null where no source of them is configured. */
  exchangeRates(): ExchangeRateStatistics | null;
}

/** The service that exchange rates come from, and how old those in hand are. */
export function exchangeRateMetrics(source: ExchangeRatesSource): Registry {
  const registry = new Registry();
  const { counter, gauge } = metricsOf(registry);
  const of = (samplesOf: (statistics: ExchangeRateStatistics) => Sample[]) => (): Sample[] => {
    const statistics = source.exchangeRates();
    return statistics ? samplesOf(statistics) : [];
  };
  counter(
    'auspex_exchange_rate_requests_total',
    'Requests for exchange rates, retries among them: answered with good rates, failed, or not sent since the breaker is open.',
    ['outcome'],
    of(({ requests }) => Object.entries(requests).map(([outcome, value]) => ({ labels: { outcome }, value }))),
  );
  gauge(
    'auspex_exchange_rates_age_seconds',
    'Time since the exchange rates in hand were fetched.',
    [],
    of(({ ageSeconds }) => (ageSeconds === null ? [] : [{ labels: {}, value: ageSeconds }])),
  );
  gauge('auspex_exchange_rates_breaker_open', '1 while the service of exchange rates is left alone.', [], of(({ isBreakerOpen }) => [{ labels: {}, value: isBreakerOpen ? 1 : 0 }]));
  return registry;
}
