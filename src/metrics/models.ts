import { Registry } from 'prom-client';
import type { HistogramCounts } from '../telemetry/histogram.js';
import type {
  AdmissionStatistics,
  Model,
  ModelProblems,
  ModelVersion,
  VersionStatistics,
} from '../inference/serving/predictor.js';
import { metricsOf, type Sample } from './registry.js';
import { rolloutMetrics } from './model-rollouts.js';

export interface ModelsSource {
  models(): readonly MeasuredModel[];
  /** Problems in the model repository, including models that are not loaded. */
  problems(): readonly ModelProblems[];
  /** Estimated memory of the loaded graphs in bytes. */
  memoryBytes(): number;
  /** Null for a model that was never called. */
  admission(model: string): AdmissionStatistics | null;
}

/** What the metrics read of a model. */
export interface MeasuredModel extends Pick<Model, 'name' | 'shadow' | 'problems'> {
  versions: readonly Pick<ModelVersion, 'version' | 'statistics' | 'isFailing'>[];
  current: Pick<ModelVersion, 'version'>;
  canary: Pick<
    NonNullable<Model['canary']>,
    'version' | 'percent' | 'stopped' | 'calls' | 'failures' | 'currentCalls' | 'currentFailures'
  > | null;
}

/** Metrics of models. Names follow Triton Inference Server, with Prometheus units. */
export function modelMetrics(source: ModelsSource): Registry {
  const registry = new Registry();
  const { counter, gauge, histogram } = metricsOf(registry);
  const perVersion = ['model', 'version'] as const;
  const ofVersions = (valueOf: (measured: VersionStatistics) => number) => (): Sample<'model' | 'version'>[] =>
    source
      .models()
      .flatMap(({ name, versions }) =>
        versions.map(({ version, statistics }) => ({ labels: { model: name, version }, value: valueOf(statistics) })),
      );

  counter(
    'auspex_inference_request_success_total',
    'Successful inference requests.',
    perVersion,
    ofVersions((of) => of.successes),
  );
  counter(
    'auspex_inference_request_failure_total',
    'Failed inference requests: model error, timeout, full queue, or a result that was stale, invalid or late.',
    perVersion,
    ofVersions((of) => of.failures),
  );
  counter(
    'auspex_inference_stale_rows_total',
    'Rows with an expired cached result, because the model failed or timed out.',
    perVersion,
    ofVersions((of) => of.staleRows),
  );
  counter(
    'auspex_inference_invalid_rows_total',
    'Rows for which the model returned a value that is not finite.',
    perVersion,
    ofVersions((of) => of.invalidRows),
  );
  counter(
    'auspex_inference_late_requests_total',
    'Inference requests that took more than half of their deadline, or timed out.',
    perVersion,
    ofVersions((of) => of.lateCalls),
  );
  counter(
    'auspex_inference_rows_total',
    'Rows the model ran on.',
    perVersion,
    ofVersions((of) => of.rows),
  );
  counter(
    'auspex_inference_exec_total',
    'Model runs (batches).',
    perVersion,
    ofVersions((of) => of.runs),
  );
  counter(
    'auspex_inference_queue_duration_seconds_total',
    'Queue time summed over rows.',
    perVersion,
    ofVersions((of) => of.queueMs / 1000),
  );
  counter(
    'auspex_inference_compute_duration_seconds_total',
    'Duration of model runs.',
    perVersion,
    ofVersions((of) => of.computeMs / 1000),
  );
  counter(
    'auspex_inference_cache_hits_total',
    'Rows served from the prediction cache.',
    perVersion,
    ofVersions((of) => of.cacheHits),
  );
  counter(
    'auspex_inference_cache_misses_total',
    'Rows missing in the prediction cache.',
    perVersion,
    ofVersions((of) => of.cacheMisses),
  );
  counter(
    'auspex_inference_dropped_rows_total',
    'Rows not run again after a failed run, because no request waited for them.',
    perVersion,
    ofVersions((of) => of.droppedRows),
  );
  gauge(
    'auspex_inference_breaker_open',
    '1 while the version fails on every row and requests fail at once.',
    perVersion,
    () =>
      source
        .models()
        .flatMap(({ name, versions }) =>
          versions.map(({ version, isFailing }) => ({ labels: { model: name, version }, value: isFailing ? 1 : 0 })),
        ),
  );
  const admissions = () => source.models().map(({ name }) => ({ name, of: source.admission(name) }));
  gauge('auspex_inference_waiting_rows', 'Rows of requests that wait for their admission.', ['model'], () =>
    admissions().map(({ name, of }) => ({ labels: { model: name }, value: of?.waitingRows ?? 0 })),
  );
  counter(
    'auspex_inference_admission_rejections_total',
    'Requests rejected before any work: the queue was full, or they waited too long.',
    ['model', 'reason'],
    () =>
      admissions().flatMap(({ name, of }) =>
        Object.entries(of?.rejections ?? { queue_full: 0, wait: 0 }).map(([reason, value]) => ({
          labels: { model: name, reason },
          value,
        })),
      ),
  );
  gauge(
    'auspex_inference_pending_rows',
    'Rows queued or running.',
    perVersion,
    ofVersions((of) => of.pending),
  );
  histogram('auspex_inference_batch_size_rows', 'Model runs by number of rows.', perVersion, () =>
    source.models().flatMap(({ name, versions }) =>
      versions.map(({ version, statistics }) => ({
        labels: { model: name, version },
        counts: batchSizesOf(statistics),
      })),
    ),
  );

  gauge(
    'auspex_model_version_role',
    '1 for the role of a version: current, canary or shadow.',
    [...perVersion, 'role'],
    () => source.models().flatMap(rolesOf),
  );
  gauge('auspex_model_memory_bytes', 'Estimated memory of the loaded models, bounded by MODEL_MEMORY_MB.', [], () => [
    { labels: {}, value: source.memoryBytes() },
  ]);
  gauge('auspex_model_problems', 'Number of problems of the model in the repository.', ['model'], () => {
    // A version that fails is no problem of the repository.
    const served = source.models().map(({ name, problems, versions }) => {
      const failing = versions.filter(({ isFailing }) => isFailing).length;
      return [name, problems.length - failing] as const;
    });
    const all = new Map([
      ...source.problems().map(({ model, problems }) => [model, problems.length] as const),
      ...served,
    ]);
    return [...all].map(([model, value]) => ({ labels: { model }, value }));
  });
  gauge('auspex_model_served', '1 if a version of the model serves, 0 if its folder is broken.', ['model'], () => {
    const served = new Map(source.models().map(({ name }) => [name, 1]));
    const broken = source.problems().map(({ model }) => [model, 0] as const);
    return [...new Map([...broken, ...served])].map(([model, value]) => ({ labels: { model }, value }));
  });
  rolloutMetrics(registry, source);
  return registry;
}

function rolesOf({ name, current, canary, shadow }: MeasuredModel): Sample<'model' | 'version' | 'role'>[] {
  const roles = { current, canary, shadow };
  return Object.entries(roles).flatMap(([role, of]) =>
    of ? [{ labels: { model: name, version: of.version, role }, value: 1 }] : [],
  );
}

/** Bucket bounds of batch sizes: powers of two up to 1024. */
const bounds = Array.from({ length: 11 }, (_, power) => 2 ** power);

const batchSizesOf = ({ rows, batchSizes }: VersionStatistics): HistogramCounts => ({
  bounds,
  counts: [...bounds, Infinity].map((bound, index) => {
    const lower = bounds[index - 1] ?? 0;
    return batchSizes.reduce((sum, size) => (size.rows > lower && size.rows <= bound ? sum + size.runs : sum), 0);
  }),
  sum: rows,
});
