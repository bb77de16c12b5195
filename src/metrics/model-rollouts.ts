import type { Registry } from 'prom-client';
import type { ShadowOutput } from '../inference/serving/predictor.js';
import type { MeasuredModel, ModelsSource } from './models.js';
import { metricsOf, type Sample } from './registry.js';

/** Adds the metrics of canaries and shadows. */
export function rolloutMetrics(registry: Registry, source: Pick<ModelsSource, 'models'>): void {
  const { counter, gauge } = metricsOf(registry);
  const perVersion = ['model', 'version'] as const;
  const ofCanaries =
    (valueOf: (canary: NonNullable<MeasuredModel['canary']>) => number) => (): Sample<'model' | 'version'>[] =>
      source
        .models()
        .flatMap(({ name, canary }) =>
          canary ? [{ labels: { model: name, version: canary.version }, value: valueOf(canary) }] : [],
        );
  const ofEvidence =
    (countsOf: (canary: NonNullable<MeasuredModel['canary']>) => Record<'canary' | 'current', number>) => () =>
      source.models().flatMap(({ name, canary }) =>
        canary
          ? Object.entries(countsOf(canary)).map(([role, value]) => ({
              labels: { model: name, version: canary.version, role },
              value,
            }))
          : [],
      );
  const ofShadows =
    (valueOf: (shadow: NonNullable<MeasuredModel['shadow']>) => number) => (): Sample<'model' | 'version'>[] =>
      source
        .models()
        .flatMap(({ name, shadow }) =>
          shadow ? [{ labels: { model: name, version: shadow.version }, value: valueOf(shadow) }] : [],
        );

  gauge(
    'auspex_model_canary_percent',
    'Percentage of requests routed to the canary while it runs.',
    perVersion,
    ofCanaries((of) => of.percent),
  );
  gauge(
    'auspex_model_canary_stopped',
    '1 if the canary was worse than the current version or a limit, and was stopped.',
    perVersion,
    ofCanaries((of) => (of.stopped === null ? 0 : 1)),
  );
  gauge(
    'auspex_model_canary_requests',
    'Requests that canary and current version computed on all replicas since the canary started.',
    [...perVersion, 'role'],
    ofEvidence((of) => ({ canary: of.calls, current: of.currentCalls })),
  );
  gauge(
    'auspex_model_canary_failures',
    'Those of auspex_model_canary_requests that failed.',
    [...perVersion, 'role'],
    ofEvidence((of) => ({ canary: of.failures, current: of.currentFailures })),
  );
  gauge(
    'auspex_model_shadow_percent',
    'Percentage of requests also run on the shadow.',
    perVersion,
    ofShadows((of) => of.percent),
  );
  counter(
    'auspex_model_shadow_rows_total',
    'Rows compared between shadow and current version.',
    perVersion,
    ofShadows((of) => of.rows),
  );
  counter(
    'auspex_model_shadow_differences_total',
    'Rows on which shadow and current version differ.',
    perVersion,
    ofShadows((of) => of.differences),
  );
  counter(
    'auspex_model_shadow_failures_total',
    'Failed shadow requests.',
    perVersion,
    ofShadows((of) => of.failures),
  );
  gauge(
    'auspex_model_shadow_largest_difference_ratio',
    'Largest relative difference of a number, 0 to 1.',
    perVersion,
    ofShadows((of) => of.largestDifference),
  );
  const ofOutputs = (valuesOf: (output: ShadowOutput) => Record<string, number | null>) => () =>
    source
      .models()
      .flatMap(({ name, shadow }) =>
        (shadow?.outputs ?? []).flatMap((output) =>
          Object.entries(valuesOf(output)).flatMap(([statistic, value]) =>
            value === null
              ? []
              : [{ labels: { model: name, version: shadow?.version ?? 0, output: output.name, statistic }, value }],
          ),
        ),
      );
  const perStatistic = [...perVersion, 'output', 'statistic'] as const;
  gauge(
    'auspex_model_shadow_absolute_difference',
    'Absolute difference of the floats of an output: mean or p95 (statistic).',
    perStatistic,
    ofOutputs((of) => ({ mean: of.meanAbsoluteDifference, p95: of.p95AbsoluteDifference })),
  );
  gauge(
    'auspex_model_shadow_relative_difference_ratio',
    'Relative difference of the floats of an output: mean or p95 (statistic).',
    perStatistic,
    ofOutputs((of) => ({ mean: of.meanRelativeDifference, p95: of.p95RelativeDifference })),
  );
  gauge(
    'auspex_model_shadow_label_agreement_ratio',
    'Share of the rows on which shadow and current version give the same label.',
    [...perVersion, 'output'],
    () =>
      source
        .models()
        .flatMap(({ name, shadow }) =>
          (shadow?.outputs ?? []).flatMap(({ name: output, labelAgreement }) =>
            labelAgreement === null
              ? []
              : [{ labels: { model: name, version: shadow?.version ?? 0, output }, value: labelAgreement }],
          ),
        ),
  );
}
