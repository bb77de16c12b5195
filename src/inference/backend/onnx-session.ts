// By its name on disk, as threads of tests run the sources.
import './unreported.ts';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import type { Tensors } from '../tensor.js';
import type { GraphAnswer, GraphValue } from './backend.js';

/** An ONNX graph that is loaded on this thread. */
export interface OnnxSession {
  inputs: GraphValue[];
  outputs: GraphValue[];
  /**
   * Blocks the thread for `computeMs`, in the next turn of its event loop.
   * @throws Error from ONNX Runtime where the feeds do not suit the graph or the graph fails
   */
  run(feeds: Tensors): Promise<GraphAnswer>;
  /** Frees the graph's memory; no run may follow. */
  close(): Promise<void>;
}

/**
 * Loads a graph on the CPU, which blocks the thread. A run uses this thread alone: more of them would take the cores from
 * the rest of the process.
 * @throws Error from ONNX Runtime where the bytes are no graph that it can run
 */
export async function openOnnxSession(model: Uint8Array): Promise<OnnxSession> {
  const session = await InferenceSession.create(model, {
    executionProviders: ['cpu'],
    executionMode: 'sequential',
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    // Fatal ones only: errors come as exceptions, which the log tells of in its own form.
    logSeverityLevel: 4,
    // An arena would keep the memory of the largest run for as long as the graph is loaded, on each thread.
    enableCpuMemArena: false,
  });
  return {
    inputs: session.inputMetadata.map(graphValue),
    outputs: session.outputMetadata.map(graphValue),
    async run(feeds) {
      const ortFeeds = mapValues(feeds, ({ type, data, dims }) => new OrtTensor(type, data, dims));
      // `session.run` leaves its work to an immediate as well, which comes right after this one.
      let startedAt = 0;
      setImmediate(() => (startedAt = performance.now()));
      const results = await session.run(ortFeeds);
      const computeMs = performance.now() - startedAt;
      return { outputs: mapValues(results, ({ type, data, dims }) => ({ type, data, dims }) as Tensors[string]), computeMs };
    },
    close: () => session.release(),
  };
}

function graphValue(metadata: InferenceSession.ValueMetadata): GraphValue {
  if (!metadata.isTensor) return { name: metadata.name, type: null, shape: [] };
  const shape = metadata.shape.map((dimension) => (typeof dimension === 'number' ? dimension : null));
  return { name: metadata.name, type: metadata.type, shape };
}

function mapValues<From, To>(record: Readonly<Record<string, From>>, change: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}
