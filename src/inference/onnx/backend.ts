import type { Execution, ExecutionSettings } from './execution.js';
import type { Tensors } from './tensor.js';

/** An input or output of a graph. */
export interface GraphValue {
  name: string;
  /** The element type of the runtime, such as `float32`; null if it is not a tensor. */
  type: string | null;
  /** The operator that produces an output that is not a tensor, such as `ZipMap`, if it is known. */
  operator?: string;
  /** The dimensions; null for a dynamic one. */
  shape: (number | null)[];
  /** The names of the dynamic dimensions, such as `sequence`, where they have one; equal names have equal sizes. */
  symbols?: (string | null)[];
  /** The names of the elements of each row, from the `ZipMap` of the graph. */
  labels?: string[];
}

/**
 * Runs models: ONNX Runtime in this process, or anything else that maps tensors to tensors, such as a server of the Open
 * Inference Protocol. Batching and caching use only this interface.
 */
export interface Backend {
  /**
   * Loads a model, ready to run.
   * @throws Error with the reason why the runtime rejects it
   */
  load(source: ModelSource): Promise<LoadedGraph>;
  /** Estimated memory of all loaded graphs in this process. */
  readonly memoryBytes: number;
  /** Ends the runtime and frees all graphs. */
  close(): Promise<void>;
}

/** The source of a model. A remote backend may use only the label. */
export interface ModelSource {
  /** The version in messages: `iris/1`. */
  label: string;
  bytes: Uint8Array;
  /** One thread of the CPU by default. */
  settings?: ExecutionSettings;
}

/** A loaded model. */
export interface LoadedGraph {
  inputs: GraphValue[];
  outputs: GraphValue[];
  /** Absent for a backend without execution providers. */
  execution?: Execution;
  /**
   * Maximum rows of a run that can start now; 0 if all threads are busy. More rows would wait for another run to end.
   */
  room(): number;
  /**
   * Runs all rows at once: a tensor for each input, whose first dimension is the number of rows.
   * @param limitMs time limit in milliseconds, after which the run is aborted; by default that of the backend
   * @param weight share of the threads, relative to the runs of other graphs that wait for one; 1 by default
   * @throws Error from the runtime
   */
  run(feeds: Tensors, rowCount: number, limitMs?: number, weight?: number): Promise<RunResult>;
  /**
   * Frees memory that the next runs may not need; they load what they need again.
   * @param sessions the loaded copies of the graph that remain: one, or none for a version without calls
   */
  shrink(sessions: 0 | 1): Promise<void>;
  /** Frees the memory of the model. No run may be in progress or follow. */
  close(): Promise<void>;
}

export interface RunResult {
  outputs: Tensors;
  /** Milliseconds of the run itself, without queueing and transfer between threads. */
  computeMs: number;
}
