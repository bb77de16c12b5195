// With its extension on disk, since test threads run the sources.
import './disable-telemetry.ts';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { tensorTypes, type Tensor, type Tensors, type TensorType } from './tensor.ts';
import { adaptGraph, type AdaptedValue } from './adapt-graph.ts';
import type { RunResult, GraphValue } from './backend.js';
import { onCpu, type Execution, type ExecutionSettings } from './execution.ts';
import { externalTensors } from './external-data.ts';
import { FixedBatch } from './fixed-batch.ts';
import { producerOf } from './graph-nodes.ts';
import { runnableGraph } from './runnable-graph.ts';

/** An ONNX graph loaded on this thread. */
export interface OnnxSession {
  inputs: GraphValue[];
  outputs: GraphValue[];
  execution: Execution;
  /**
   * Blocks the thread for `computeMs`, in the next turn of its event loop.
   * @throws Error from ONNX Runtime if the feeds do not match the graph or the graph fails
   */
  run(feeds: Tensors): Promise<RunResult>;
  /** Frees the memory of the graph; no run may follow. */
  close(): Promise<void>;
}

/**
 * Loads a graph, which blocks the thread. By default a run uses this thread only.
 * @throws Error if the graph refers to other files, or from ONNX Runtime if the bytes are not a supported graph
 */
export async function openOnnxSession(model: Uint8Array, settings = onCpu): Promise<OnnxSession> {
  if (externalTensors(model).length > 0) throw new Error('The graph refers to data in other files.');
  const adapted = adaptGraph(model);
  const { session, execution } = await createAnySession(adapted.model, settings);
  const originals = (metadata: readonly InferenceSession.ValueMetadata[]) =>
    metadata.map((value) => graphValue(value, adapted.values.get(value.name)));
  const inputs = originals(session.inputMetadata);
  const outputs = originals(session.outputMetadata).map((value) =>
    value.type === null ? withOperator(value, model) : value,
  );
  const names = new Map(Array.from(adapted.values, ([served, { name }]) => [name, served]));
  const fixedBatch = FixedBatch.of(inputs);

  async function run(feeds: Tensors): Promise<RunResult> {
    const ortFeeds = Object.entries(feeds).map(([name, tensor]) => [names.get(name) ?? name, ortTensor(tensor)]);
    // `session.run` also defers its work to an immediate, which runs right after this one.
    let startedAt = 0;
    setImmediate(() => (startedAt = performance.now()));
    const results = await session.run(Object.fromEntries(ortFeeds) as Record<string, OrtTensor>);
    const computeMs = performance.now() - startedAt;
    const outputs = Object.entries(results).map(([name, tensor]) => {
      const original = adapted.values.get(name);
      return [original?.name ?? name, plainTensor(tensor, original?.type)];
    });
    return { outputs: Object.fromEntries(outputs) as Tensors, computeMs };
  }

  return {
    inputs: fixedBatch ? inputs.map(withFreeRows) : inputs,
    outputs: fixedBatch ? outputs.map(withFreeRows) : outputs,
    execution,
    run: (feeds) => (fixedBatch ? fixedBatch.run(feeds, run) : run(feeds)),
    close: () => session.release(),
  };
}

/** Opens a session; of a graph without what this system lacks, if the graph cannot be loaded as it is. @throws Error from ONNX Runtime */
async function createAnySession(model: Uint8Array, settings: ExecutionSettings): ReturnType<typeof createSession> {
  try {
    return await createSession(model, settings);
  } catch (error) {
    const runnable = runnableGraph(model);
    if (runnable === model) throw error;
    return createSession(runnable, settings);
  }
}

/** Opens a session with the first provider that is available. @throws Error from ONNX Runtime with that of the last one */
async function createSession(
  model: Uint8Array,
  { providers, intraOpThreads }: ExecutionSettings,
): Promise<{ session: InferenceSession; execution: Execution }> {
  const [provider = 'cpu', ...others] = providers;
  try {
    const session = await InferenceSession.create(model, {
      executionProviders: [...providers],
      executionMode: 'sequential',
      intraOpNumThreads: intraOpThreads,
      interOpNumThreads: 1,
      // Fatal messages only: errors arrive as exceptions and are logged by the gateway.
      logSeverityLevel: 4,
      // An arena would retain the memory of the largest run on each thread.
      enableCpuMemArena: false,
    });
    return { session, execution: { provider, fallback: null } };
  } catch (error) {
    if (others.length === 0) throw explained(error);
    const { session, execution } = await createSession(model, { providers: others, intraOpThreads });
    const reason = explained(error).message;
    return { session, execution: { ...execution, fallback: `${provider} is not available: ${reason}` } };
  }
}

/** The 16-bit floats are float32 in the adapted graph. */
function ortTensor({ type, data, dims }: Tensor): OrtTensor {
  return new OrtTensor(type === 'float16' || type === 'bfloat16' ? 'float32' : type, data, dims);
}

function plainTensor({ type, data, dims }: OrtTensor, original = type as TensorType): Tensor {
  return { type: original, dims, data };
}

/** What to do about errors that name none. */
const remedies = [
  {
    pattern: /is not a registered function\/op|No Op registered for/,
    remedy: 'ONNX Runtime has no such operator: export the model with the standard operators',
  },
  {
    pattern: /model IR version/,
    remedy: 'save the model with an older version of the onnx package, or set ir_version to the maximum',
  },
  {
    pattern: /Could not find an implementation for/,
    remedy: 'ONNX Runtime has this operator for other types only: export the model with float32',
  },
  {
    pattern: /AppendExecutionProvider/,
    remedy: 'install the GPU libraries of ONNX Runtime and its driver, or add cpu to serving.providers',
  },
  { pattern: /released onnx opset versions/, remedy: 'export the model for a lower opset' },
  {
    pattern: /Unsupported data type|MLDataType for/,
    remedy: `cast the value in the graph: inputs and outputs are ${tensorTypes.join(', ')}`,
  },
];

/** The error of a load, with a remedy where the system lacks something. */
function explained(error: unknown): Error {
  const message = (error instanceof Error ? error.message : String(error)).trim();
  for (const { pattern, remedy } of remedies)
    if (pattern.test(message)) return new Error(`${message}; ${remedy}`, { cause: error });
  const [, locale] = /Failed to construct locale with name:([\w.@-]{1,40})/.exec(message) ?? [];
  const remedy = `The graph normalizes text in the locale ${locale}, which this system lacks; generate it (Debian: package locales, then localedef -i en_US -f UTF-8 en_US.UTF-8).`;
  return new Error(locale === undefined ? message : remedy, { cause: error });
}

function graphValue(metadata: InferenceSession.ValueMetadata, original: AdaptedValue | undefined): GraphValue {
  const name = original?.name ?? metadata.name;
  if (!metadata.isTensor) return { name, type: null, shape: [] };
  const { shape } = metadata;
  const isFree = (dimension: number | string): boolean => typeof dimension === 'string' || dimension < 0;
  const symbols = shape.map((dimension) => (typeof dimension === 'string' && dimension !== '' ? dimension : null));
  return {
    name,
    type: original?.type ?? metadata.type,
    shape: shape.map((dimension) => (isFree(dimension) ? null : Number(dimension))),
    ...(shape.slice(1).some(isFree) ? { symbols } : {}),
    ...(original?.labels === undefined ? {} : { labels: original.labels }),
  };
}

/** A graph for a fixed number of rows takes any number, run after run. */
const withFreeRows = (value: GraphValue): GraphValue => ({ ...value, shape: [null, ...value.shape.slice(1)] });

function withOperator(value: GraphValue, model: Uint8Array): GraphValue {
  const operator = producerOf(model, value.name);
  return operator === null ? value : { ...value, operator };
}
