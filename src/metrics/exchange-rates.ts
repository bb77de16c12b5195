import { Registry } from 'prom-client';
import type { ExchangeRateStatistics } from '../integrations/exchange-rates/exchange-rates.js';
import { metricsOf, type Sample } from './registry.js';

export interface ExchangeRatesSource {
  /** Null if no exchange rate service is configured. */
  exchangeRates(): ExchangeRateStatistics | null;
}

/** Metrics of the exchange rate service and the age of its rates. */
export function exchangeRateMetrics(source: ExchangeRatesSource): Registry {
  const registry = new Registry();
  const { counter, gauge } = metricsOf(registry);
  const of = (samplesOf: (statistics: ExchangeRateStatistics) => Sample[]) => (): Sample[] => {
    const statistics = source.exchangeRates();
    return statistics ? samplesOf(statistics) : [];
  };
  counter(
    'auspex_exchange_rate_requests_total',
    'Requests for exchange rates including retries: succeeded, failed, or rejected by the open circuit breaker.',
    ['outcome'],
    of(({ requests }) => Object.entries(requests).map(([outcome, value]) => ({ labels: { outcome }, value }))),
  );
  gauge(
    'auspex_exchange_rates_age_seconds',
    'Age of the exchange rates in use.',
    [],
    of(({ ageSeconds }) => (ageSeconds === null ? [] : [{ labels: {}, value: ageSeconds }])),
  );
  gauge(
    'auspex_exchange_rates_breaker_open',
    '1 while the circuit breaker of the exchange rate service is open.',
    [],
    of(({ isBreakerOpen }) => [{ labels: {}, value: isBreakerOpen ? 1 : 0 }]),
  );
  return registry;
}
