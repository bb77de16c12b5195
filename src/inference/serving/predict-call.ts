import type { Model, ModelVersion } from './model.js';
import type { InvalidRows, OnInvalid, PredictedRow } from './prediction-rows.js';

/** Rows to predict. */
export interface PredictCall {
  model: string;
  /** Absent or null: the current version, or the canary for callers in its share. */
  version?: number | null;
  /** 1 to 1000 rows with the inputs of the model. */
  rows: readonly unknown[];
  /** What an invalid row does; FAIL by default. */
  onInvalid?: OnInvalid;
  /** Identifies the caller, so that a caller keeps its version while a canary by `user` runs. */
  caller?: string | undefined;
  /** Reads a header of the request, by which a canary may select its calls. */
  header?: ((name: string) => string | undefined) | undefined;
  /** Cancels the call; rows that have not started do not run. */
  signal?: AbortSignal | undefined;
}

/** What a recorded prediction says of its version and input. */
export interface PastPrediction {
  model: string;
  version: number;
  digest: string;
  input: Record<string, unknown>;
}

/** The predictions of a call. */
export interface PredictionSet extends Predicted {
  model: Model;
  version: ModelVersion;
}

/** Predictions of a version. */
export interface Predicted {
  /** The predictions of the valid rows, in their order. */
  rows: PredictedRow[];
  /** The other rows; empty unless the call has `onInvalid: NULL`. */
  invalid: InvalidRows;
}
