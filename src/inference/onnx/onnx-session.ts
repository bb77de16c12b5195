// With its extension on disk, since test threads run the sources.
import './disable-telemetry.ts';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import type { Tensors } from './tensor.js';
import type { RunResult, GraphValue } from './backend.js';
import { producerOf } from './graph-nodes.ts';
import { externalTensors } from './external-data.ts';

/** An ONNX graph loaded on this thread. */
export interface OnnxSession {
  inputs: GraphValue[];
  outputs: GraphValue[];
  /**
   * Blocks the thread for `computeMs`, in the next turn of its event loop.
   * @throws Error from ONNX Runtime if the feeds do not match the graph or the graph fails
   */
  run(feeds: Tensors): Promise<RunResult>;
  /** Frees the memory of the graph; no run may follow. */
  close(): Promise<void>;
}

/**
 * Loads a graph on the CPU, which blocks the thread. A run uses this thread only: more threads would compete with
 * the rest of the process.
 * @throws Error if the graph refers to other files, or from ONNX Runtime if the bytes are not a supported graph
 */
export async function openOnnxSession(model: Uint8Array): Promise<OnnxSession> {
  if (externalTensors(model).length > 0) throw new Error('The graph refers to data in other files.');
  const session = await InferenceSession.create(model, {
    executionProviders: ['cpu'],
    executionMode: 'sequential',
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    // Fatal messages only: errors arrive as exceptions and are logged by the gateway.
    logSeverityLevel: 4,
    // An arena would retain the memory of the largest run on each thread.
    enableCpuMemArena: false,
  }).catch((error: unknown) => {
    throw explained(error);
  });
  return {
    inputs: session.inputMetadata.map(graphValue),
    outputs: session.outputMetadata
      .map(graphValue)
      .map((value) => (value.type === null ? withOperator(value, model) : value)),
    async run(feeds) {
      const ortFeeds = mapValues(feeds, ({ type, data, dims }) => new OrtTensor(type, data, dims));
      // `session.run` also defers its work to an immediate, which runs right after this one.
      let startedAt = 0;
      setImmediate(() => (startedAt = performance.now()));
      const results = await session.run(ortFeeds);
      const computeMs = performance.now() - startedAt;
      return {
        outputs: mapValues(results, ({ type, data, dims }) => ({ type, data, dims }) as Tensors[string]),
        computeMs,
      };
    },
    close: () => session.release(),
  };
}

/** The error of a load, with a remedy where the system lacks something. */
function explained(error: unknown): Error {
  const message = (error instanceof Error ? error.message : String(error)).trim();
  const [, locale] = /Failed to construct locale with name:([\w.@-]{1,40})/.exec(message) ?? [];
  const remedy = `The graph normalizes text in the locale ${locale}, which this system lacks; generate it (Debian: package locales, then localedef -i en_US -f UTF-8 en_US.UTF-8).`;
  return new Error(locale === undefined ? message : remedy, { cause: error });
}

function graphValue(metadata: InferenceSession.ValueMetadata): GraphValue {
  if (!metadata.isTensor) return { name: metadata.name, type: null, shape: [] };
  const shape = metadata.shape.map((dimension) => (typeof dimension === 'number' ? dimension : null));
  return { name: metadata.name, type: metadata.type, shape };
}

function withOperator(value: GraphValue, model: Uint8Array): GraphValue {
  const operator = producerOf(model, value.name);
  return operator === null ? value : { ...value, operator };
}

function mapValues<From, To>(record: Readonly<Record<string, From>>, change: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}
