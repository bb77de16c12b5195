import { Registry } from 'prom-client';
import type { OperationCounts } from '../../graphql/operation-statistics.js';
import { each, metricsOf, one } from './series.js';

/** What is measured of operations. */
export interface OperationsSource {
  /** Queries and mutations by name and type. */
  operations(): readonly OperationCounts[];
  /** What all of them had the database do. */
  sql(): { statements: number; ms: number };
  /** Answers that were refused, by the reason. */
  refusals(): Readonly<Record<string, number>>;
  /** Passwords that were tried, by what came of it. */
  logins(): Readonly<Record<string, number>>;
}

/** Queries and mutations: how many, how they ended, how long they took, and what they took. */
export function operationMetrics(source: OperationsSource): Registry {
  const registry = new Registry();
  const { counter, histogram } = metricsOf(registry);
  const byName = ['operation', 'type'] as const;
  counter('auspex_operations_total', 'Queries and mutations, by how they ended.', [...byName, 'outcome'], () =>
    source.operations().flatMap(({ operation, type, outcomes }) => Object.entries(outcomes).map(([outcome, value]) => ({ labels: { operation, type, outcome }, value }))),
  );
  histogram('auspex_operation_duration_seconds', 'Time from the text of an operation to its answer.', byName, () =>
    source.operations().map(({ operation, type, seconds }) => ({ labels: { operation, type }, counts: seconds })),
  );
  histogram('auspex_operation_sql_statements', 'Statements that an operation had the database execute.', byName, () =>
    source.operations().map(({ operation, type, statements }) => ({ labels: { operation, type }, counts: statements })),
  );
  counter('auspex_operation_errors_total', 'Errors in answers, by their code.', ['operation', 'code'], () => errorsOf(source.operations()));
  counter('auspex_sql_statements_total', 'Statements that operations had the database execute.', [], one(() => source.sql().statements));
  counter('auspex_sql_duration_seconds_total', 'Time that operations waited for the database, summed over their statements.', [], one(() => source.sql().ms / 1000));
  counter('auspex_refusals_total', 'Answers that were refused, whatever they came by.', ['reason'], each('reason', () => source.refusals()));
  counter('auspex_logins_total', 'Passwords that were tried, to sign in or to change them.', ['outcome'], each('outcome', () => source.logins()));
  return registry;
}

/** A name may be that of a query and of a mutation, in different documents. */
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
