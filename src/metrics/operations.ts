import { Registry } from 'prom-client';
import type { OperationCounts } from '../graphql/server/stages/operation-statistics.js';
import type { StreamStatistics } from '../graphql/subscriptions/subscription-server.js';
import { each, metricsOf, one } from './registry.js';

export interface OperationsSource {
  /** Queries and mutations by name and type. */
  operations(): readonly OperationCounts[];
  /** SQL statements of all operations. */
  sql(): { statements: number; ms: number };
  /** Rejected requests and subscriptions by reason. */
  rejections(): Readonly<Record<string, number>>;
  /** Password checks by outcome. */
  logins(): Readonly<Record<string, number>>;
}

/** Metrics of queries and mutations: outcomes, errors, duration and SQL statements. */
export function operationMetrics(source: OperationsSource): Registry {
  const registry = new Registry();
  const { counter, histogram } = metricsOf(registry);
  const byName = ['operation', 'type'] as const;
  counter('auspex_operations_total', 'Queries and mutations by outcome.', [...byName, 'outcome'], () =>
    source
      .operations()
      .flatMap(({ operation, type, outcomes }) =>
        Object.entries(outcomes).map(([outcome, value]) => ({ labels: { operation, type, outcome }, value })),
      ),
  );
  histogram('auspex_operation_duration_seconds', 'Time from the document to the response.', byName, () =>
    source.operations().map(({ operation, type, seconds }) => ({ labels: { operation, type }, counts: seconds })),
  );
  histogram('auspex_operation_sql_statements', 'SQL statements of an operation.', byName, () =>
    source.operations().map(({ operation, type, statements }) => ({ labels: { operation, type }, counts: statements })),
  );
  counter('auspex_operation_errors_total', 'GraphQL errors by code.', ['operation', 'code'], () =>
    errorsOf(source.operations()),
  );
  counter(
    'auspex_sql_statements_total',
    'SQL statements of all operations.',
    [],
    one(() => source.sql().statements),
  );
  counter(
    'auspex_sql_duration_seconds_total',
    'Time operations waited for SQL statements; concurrent statements are added up.',
    [],
    one(() => source.sql().ms / 1000),
  );
  counter(
    'auspex_rejections_total',
    'Rejected requests and subscriptions by reason.',
    ['reason'],
    each('reason', () => source.rejections()),
  );
  counter(
    'auspex_logins_total',
    'Password checks, at sign-in or when changing a password.',
    ['outcome'],
    each('outcome', () => source.logins()),
  );
  return registry;
}

/** Adds up errors by name and code: a query and a mutation of different documents may share a name. */
function errorsOf(operations: readonly OperationCounts[]) {
  const samples = new Map<string, { labels: { operation: string; code: string }; value: number }>();
  for (const { operation, errors } of operations) {
    for (const [code, count] of errors) {
      const key = `${operation} ${code}`;
      const sample = samples.get(key) ?? { labels: { operation, code }, value: 0 };
      sample.value += count;
      samples.set(key, sample);
    }
  }
  return [...samples.values()];
}

export function subscriptionMetrics(statistics: () => StreamStatistics): Registry {
  const registry = new Registry();
  const { counter, gauge } = metricsOf(registry);
  gauge(
    'auspex_subscriptions_open',
    'Open subscriptions by transport.',
    ['transport'],
    each('transport', () => statistics().open),
  );
  gauge(
    'auspex_subscriptions_limit',
    'Maximum number of open subscriptions.',
    [],
    one(() => statistics().limit),
  );
  counter(
    'auspex_subscription_events_total',
    'Events executed for a subscription.',
    [],
    one(() => statistics().events),
  );
  counter(
    'auspex_subscriptions_ended_total',
    'Ended subscriptions by reason.',
    ['reason'],
    each('reason', () => statistics().ended),
  );
  counter(
    'auspex_subscriptions_rejected_total',
    'Rejected subscriptions.',
    [],
    one(() => statistics().rejected),
  );
  return registry;
}
