import type { Binding } from '../repository/model-manifest.js';
import type { HistoryRule } from '../repository/history-rule.js';
import type { CanaryRule, ShadowRule } from '../repository/rollout-rules.js';
import type { InputField, OutputField } from '../signature/types.js';

/** A served model. */
export interface Model {
  name: string;
  title: string;
  description?: string;
  /** Served versions, in ascending order. */
  versions: ModelVersion[];
  /** The version used when a call requests none. */
  current: ModelVersion;
  readonly canary: Canary | null;
  shadow: Shadow | null;
  /** Which of its predictions are recorded. */
  history: HistoryRule;
  /** Fields of the schema that it computes. */
  bindings: readonly Binding[];
  /** Whether its names allow a typed field; otherwise `predict` alone serves it. */
  isTyped: boolean;
  /** Problems of the folder on disk, for which the versions loaded before keep serving, and names that allow no typed field. */
  problems: readonly string[];
  /** The version that the manifest selects. */
  manifestVersion: number;
  /** What a promotion overrides in the manifest. Not an error: the model serves as the promotion says. */
  overrides: readonly string[];
}

export interface ModelVersion {
  version: number;
  inputs: InputField[];
  outputs: OutputField[];
  /** SHA-256 of the graph and its external data, hexadecimal. */
  digest: string;
  /** Quality metrics from training; null if absent. */
  metrics: Record<string, unknown> | null;
  /** A row of the golden rows, without missing values; null if there is none. */
  exampleInput: Record<string, unknown> | null;
  /** Whether its circuit breaker is open. */
  readonly isFailing: boolean;
  /** Where its graph runs, such as `cpu`; null if it is not loaded by ONNX Runtime here. */
  executionProvider?: string | null;
  /** Why that is not the first of `serving.providers`; null if it is. */
  executionFallback?: string | null;
  /** Counted since the version was loaded. */
  readonly statistics: VersionStatistics;
}

/** Counted since a version was loaded; the names are those of Triton Inference Server's statistics. */
export interface VersionStatistics {
  /** Successful calls. */
  successes: number;
  /**
   * Failed calls: the model failed, timed out or was overloaded, was late, returned a value that is not finite, or an expired cached
   * result had to do. Invalid input is not counted.
   */
  failures: number;
  /** Rows with an expired cached result, because the model failed or timed out. */
  staleRows: number;
  /** Rows for which the model returned no finite value. */
  invalidRows: number;
  /** Calls that took more than half of their deadline, also those that timed out. */
  lateCalls: number;
  /** Rows that were run (Triton: inference_count). */
  rows: number;
  /** Runs of the graph (Triton: execution_count). */
  runs: number;
  /** Milliseconds that rows waited for their run, summed over rows. */
  queueMs: number;
  /** Milliseconds that runs took, summed over runs. */
  computeMs: number;
  /** Rows that were looked up in the cache and found. */
  cacheHits: number;
  /** Rows not found or expired. Coalesced rows are looked up once. */
  cacheMisses: number;
  /** Rows queued or running. */
  pending: number;
  /** Rows that were not run again after a failed run, because no call waited for them any longer. */
  droppedRows: number;
  /** Runs by their number of rows, in powers of two: the number of runs had up to `rows` rows and more than the size before. */
  batchSizes: { rows: number; runs: number }[];
}

/** The state of a canary. */
interface Canary extends CanaryRule {
  /** The share in percent that it serves while it runs. */
  percent: number;
  /** Why it stopped; null while it runs. */
  stopped: string | null;
  /** Calls that the canary computed on all replicas since it started, also those of the other version meanwhile. */
  calls: number;
  failures: number;
  /** Calls of the canary above the latency limit. */
  slowCalls: number;
  currentCalls: number;
  currentFailures: number;
}

/** A shadow and its comparison with the current version. */
export interface Shadow extends ShadowRule {
  /** Compared rows. */
  rows: number;
  /** Rows that differ: in a string, integer or boolean, or in a float by more than the tolerance of the manifest. */
  differences: number;
  /** The largest relative difference of a float, 0 to 1. */
  largestDifference: number;
  /** Calls on which the shadow failed, as `VersionStatistics.failures` defines it, and calls with rows that it rejects. */
  failures: number;
  /** Differences by output; the first 50 outputs. */
  outputs: readonly ShadowOutput[];
}

/** Differences of an output of a shadow, over all values; null without values of that kind. */
export interface ShadowOutput {
  name: string;
  meanAbsoluteDifference: number | null;
  /** The 95th percentile, within 2.5 %. */
  p95AbsoluteDifference: number | null;
  /** Relative to the value of the current version, and to a hundredth of the mean magnitude of the output at least. */
  meanRelativeDifference: number | null;
  p95RelativeDifference: number | null;
  /**
   * Share of the rows, 0 to 1, on which both versions give the same label: the same strings, integers and booleans, or the same largest
   * element of a labelled vector of floats.
   */
  labelAgreement: number | null;
}

/** Deployment state that outlives the process, passed in by `Predictor.apply`. */
export interface Deployment {
  model: string;
  /** The promoted version; null if the manifest selects it. */
  version: number | null;
  /** The stopped canary and the reason; null if there is none. */
  stoppedCanary: { digest: string; reason: string } | null;
  /** The share in percent that a canary has reached; absent or null for the first step. */
  canaryStep?: { digest: string; percent: number } | null;
  /** How often stopped canaries of the model were restarted; 0 if absent. */
  canaryRestarts?: number;
}

/** Problems of a model folder on disk. */
export interface ModelProblems {
  /** The folder's name. */
  model: string;
  problems: readonly string[];
}
