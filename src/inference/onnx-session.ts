import { InferenceSession, Tensor } from 'onnxruntime-node';

export { Tensor };

/** One input or output of a graph, as plain data. */
export interface GraphValue {
  name: string;
  /** The elements' type, such as `float32`; null for what is not a tensor. */
  type: Tensor.Type | null;
  /** The tensor's dimensions; null for one that is free. */
  shape: (number | null)[];
}

/** A loaded ONNX graph. `run` takes a tensor for each input and gives one for each output. */
export interface OnnxSession {
  inputs: GraphValue[];
  outputs: GraphValue[];
  run(feeds: Record<string, Tensor>): Promise<Record<string, Tensor>>;
  /** Frees the graph's memory; no run may follow. */
  close(): Promise<void>;
}

/**
 * Loads a graph on the CPU. A run blocks the thread that it is on, so it uses that thread alone: more of them would
 * take the cores from the rest of the process.
 * @throws Error from ONNX Runtime where the bytes are no graph that it can run
 */
export async function openOnnxSession(model: Uint8Array): Promise<OnnxSession> {
  const session = await InferenceSession.create(model, {
    executionProviders: ['cpu'],
    executionMode: 'sequential',
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    // Errors only; they come as exceptions as well.
    logSeverityLevel: 3,
  });
  return {
    inputs: session.inputMetadata.map(graphValue),
    outputs: session.outputMetadata.map(graphValue),
    run: (feeds) => session.run(feeds),
    close: () => session.release(),
  };
}

function graphValue(metadata: InferenceSession.ValueMetadata): GraphValue {
  if (!metadata.isTensor) return { name: metadata.name, type: null, shape: [] };
  const shape = metadata.shape.map((dimension) => (typeof dimension === 'number' ? dimension : null));
  return { name: metadata.name, type: metadata.type, shape };
}
