import { Registry } from 'prom-client';
import type { HistogramCounts } from '../../shared/histogram.js';
import type { ModelProblems } from '../health.js';
import { metricsOf, type Sample } from './series.js';

/** What is measured of models. */
export interface ModelsSource {
  models(): readonly MeasuredModel[];
  /** What is wrong in the model store, with models that are not served at all. */
  problems(): readonly ModelProblems[];
}

/** A model that is served. */
export interface MeasuredModel {
  name: string;
  versions: readonly { version: number; statistics: MeasuredVersion }[];
  current: { version: number };
  canary: { version: number; percent: number; stopped: string | null } | null;
  shadow: { version: number; percent: number; rows: number; differences: number; largestDifference: number; failures: number } | null;
  problems: readonly string[];
}

/** Counted since the version was loaded. */
export interface MeasuredVersion {
  successes: number;
  failures: number;
  rows: number;
  runs: number;
  queueMs: number;
  computeMs: number;
  cacheHits: number;
  cacheMisses: number;
  pending: number;
  /** Runs that had up to `rows` rows and more than the size before; `rows` is a power of two. */
  batchSizes: readonly { rows: number; runs: number }[];
}

/** What the models do. Names follow Triton Inference Server's, with units as Prometheus has them. */
export function modelMetrics(source: ModelsSource): Registry {
  const registry = new Registry();
  const { counter, gauge, histogram } = metricsOf(registry);
  const perVersion = ['model', 'version'] as const;
  const ofVersions = (valueOf: (measured: MeasuredVersion) => number) => (): Sample<'model' | 'version'>[] =>
    source.models().flatMap(({ name, versions }) =>
      versions.map(({ version, statistics }) => ({ labels: { model: name, version }, value: valueOf(statistics) })),
    );
  const ofCanaries = (valueOf: (canary: NonNullable<MeasuredModel['canary']>) => number) => (): Sample<'model' | 'version'>[] =>
    source.models().flatMap(({ name, canary }) => (canary ? [{ labels: { model: name, version: canary.version }, value: valueOf(canary) }] : []));
  const ofShadows = (valueOf: (shadow: NonNullable<MeasuredModel['shadow']>) => number) => (): Sample<'model' | 'version'>[] =>
    source.models().flatMap(({ name, shadow }) => (shadow ? [{ labels: { model: name, version: shadow.version }, value: valueOf(shadow) }] : []));

  counter('auspex_inference_request_success_total', 'Calls that were answered.', perVersion, ofVersions((of) => of.successes));
  counter(
    'auspex_inference_request_failure_total',
    'Calls that were not answered: the model failed, was late or had too much to do.',
    perVersion,
    ofVersions((of) => of.failures),
  );
  counter('auspex_inference_rows_total', 'Rows that the graph was run on.', perVersion, ofVersions((of) => of.rows));
  counter('auspex_inference_exec_total', 'Runs of the graph, each on one row or more.', perVersion, ofVersions((of) => of.runs));
  counter(
    'auspex_inference_queue_duration_seconds_total',
    'Time that rows waited for their run, summed over the rows.',
    perVersion,
    ofVersions((of) => of.queueMs / 1000),
  );
  counter(
    'auspex_inference_compute_duration_seconds_total',
    'Time that runs took, summed over the runs.',
    perVersion,
    ofVersions((of) => of.computeMs / 1000),
  );
  counter('auspex_inference_cache_hits_total', 'Rows that were answered from the cache.', perVersion, ofVersions((of) => of.cacheHits));
  counter('auspex_inference_cache_misses_total', 'Rows that the cache had no answer for.', perVersion, ofVersions((of) => of.cacheMisses));
  gauge('auspex_inference_pending_rows', 'Rows that wait for a run now, or are in one.', perVersion, ofVersions((of) => of.pending));
  histogram('auspex_inference_batch_size_rows', 'Runs of the graph by their number of rows.', perVersion, () =>
    source.models().flatMap(({ name, versions }) => versions.map(({ version, statistics }) => ({ labels: { model: name, version }, counts: batchSizesOf(statistics) }))),
  );

  gauge('auspex_model_version_role', '1 for what a version is: current, canary or shadow.', [...perVersion, 'role'], () => source.models().flatMap(rolesOf));
  gauge('auspex_model_canary_percent', 'Callers out of a hundred that get the canary while it runs.', perVersion, ofCanaries((of) => of.percent));
  gauge('auspex_model_canary_stopped', '1 where the canary passed a limit and was stopped.', perVersion, ofCanaries((of) => (of.stopped === null ? 0 : 1)));
  gauge('auspex_model_shadow_percent', 'Calls out of a hundred that the shadow answers as well.', perVersion, ofShadows((of) => of.percent));
  counter('auspex_model_shadow_rows_total', 'Rows that the shadow and the current version both answered.', perVersion, ofShadows((of) => of.rows));
  counter('auspex_model_shadow_differences_total', 'Rows on which the two differ.', perVersion, ofShadows((of) => of.differences));
  counter('auspex_model_shadow_failures_total', 'Calls that the shadow failed to answer.', perVersion, ofShadows((of) => of.failures));
  gauge(
    'auspex_model_shadow_largest_difference_ratio',
    'Largest relative difference of a number, 0 to 1.',
    perVersion,
    ofShadows((of) => of.largestDifference),
  );
  gauge('auspex_model_problems', "What is wrong with a model's folder as it lies on disk: how many problems.", ['model'], () => {
    const served = source.models().map(({ name, problems: known }) => ({ model: name, problems: known }));
    const all = new Map([...source.problems(), ...served].map((one) => [one.model, one.problems.length]));
    return [...all].map(([model, value]) => ({ labels: { model }, value }));
  });
  return registry;
}

function rolesOf({ name, current, canary, shadow }: MeasuredModel): Sample<'model' | 'version' | 'role'>[] {
  const roles = { current, canary, shadow };
  return Object.entries(roles).flatMap(([role, of]) => (of ? [{ labels: { model: name, version: of.version, role }, value: 1 }] : []));
}

/** The batch sizes that are told apart: powers of two up to 1024. */
const bounds = Array.from({ length: 11 }, (_, power) => 2 ** power);

const batchSizesOf = ({ rows, batchSizes }: MeasuredVersion): HistogramCounts => ({
  bounds,
  counts: [...bounds, Infinity].map((bound, at) => {
    const before = bounds[at - 1] ?? 0;
    return batchSizes.reduce((sum, size) => (size.rows > before && size.rows <= bound ? sum + size.runs : sum), 0);
  }),
  sum: rows,
});
