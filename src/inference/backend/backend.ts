import type { Tensors } from '../tensor.js';

/** One input or output of a graph, as plain data. */
export interface GraphValue {
  name: string;
  /** The elements' type as the runtime calls it, such as `float32`; null for what is not a tensor. */
  type: string | null;
  /** The tensor's dimensions; null for one that is free. */
  shape: (number | null)[];
}

/**
 * What runs models: ONNX Runtime in this process, or anything else that takes tensors and gives tensors, such as a
 * server of the Open Inference Protocol. Batching, caching and GraphQL stand on this interface and know no runtime.
 */
export interface Backend {
  /**
   * Loads a model, ready to run.
   * @throws Error that says why the runtime cannot take it
   */
  load(source: ModelSource): Promise<LoadedGraph>;
  /** Ends the runtime; graphs that are still loaded go with it. */
  close(): Promise<void>;
}

/** Where a model's bytes are. A backend that serves elsewhere may use the label alone. */
export interface ModelSource {
  /** The version as told in messages: `iris/1`. */
  label: string;
  bytes: Uint8Array;
}

/** A loaded model. */
export interface LoadedGraph {
  inputs: GraphValue[];
  outputs: GraphValue[];
  /**
   * Rows that a run may have so that it begins at once: 0 where all that could run it is busy. Rows above it would wait
   * for another run to end.
   */
  room(): number;
  /**
   * Runs all rows at once: a tensor for each input, whose first dimension is the number of rows.
   * @param limitMs a run that takes longer hangs, and is given up; the backend's own limit if absent
   * @throws Error from the runtime
   */
  run(feeds: Tensors, rowCount: number, limitMs?: number): Promise<GraphAnswer>;
  /** Frees the model's memory. No run may be under way or follow. */
  close(): Promise<void>;
}

export interface GraphAnswer {
  outputs: Tensors;
  /** Milliseconds of the run itself, without waiting for a thread and without the way there and back. */
  computeMs: number;
}
