import type { CanaryRule, ShadowRule } from './manifest.js';
import type { InputField, OutputField } from './signature.js';

/** A model that is served. */
export interface Model {
  name: string;
  title: string;
  description?: string;
  /** Those that are served, the lowest first. */
  versions: ModelVersion[];
  /** The version that answers when none is asked for. */
  current: ModelVersion;
  canary: Canary | null;
  shadow: Shadow | null;
  /** What is wrong with the folder as it lies on disk now; what is served is what it was before. Empty where all is well. */
  problems: readonly string[];
}

export interface ModelVersion {
  version: number;
  inputs: InputField[];
  outputs: OutputField[];
  /** SHA-256 of the model's file, hexadecimal. */
  digest: string;
  /** What the training measured; null where it left nothing. */
  metrics: Record<string, unknown> | null;
  /** Counted since the version was loaded. */
  readonly statistics: VersionStatistics;
}

/** Counted since a version was loaded; the names are those of Triton Inference Server's statistics. */
export interface VersionStatistics {
  /** Calls that were answered. */
  successes: number;
  /** Calls that were not: the model failed, was late or had too much to do. Faulty input is not counted. */
  failures: number;
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
  /** Rows that were not found, or had expired. Rows that join one on its way are looked up once. */
  cacheMisses: number;
  /** Rows that wait for a run now, or are in one. */
  pending: number;
  /** Runs by their number of rows, in powers of two: how many runs had up to `rows` rows and more than the size before. */
  batchSizes: { rows: number; runs: number }[];
}

/** A canary as it stands. */
export interface Canary extends CanaryRule {
  /** Why it was stopped; null while it runs. */
  stopped: string | null;
}

/** A shadow and what came of comparing it with the current version. */
export interface Shadow extends ShadowRule {
  /** Rows that both have answered. */
  rows: number;
  /** Rows on which they differ: in a text or whole number, or in a number by more than a thousandth. */
  differences: number;
  /** The largest relative difference of a number, 0 to 1. */
  largestDifference: number;
  /** Calls that the shadow failed to answer. */
  failures: number;
}

/** What was decided while serving, which outlives the process: kept elsewhere, handed in by `Predictor.apply`. */
export interface Deployment {
  model: string;
  /** The version that was promoted; null: the one that the manifest says. */
  version: number | null;
  /** The digest of the canary that was stopped, and why; null where none was. */
  stoppedCanary: { digest: string; reason: string } | null;
}

/** What is wrong in the model store as it lies on disk now. */
export interface ModelProblems {
  /** The folder's name. */
  model: string;
  problems: readonly string[];
}
