import {
  problemsOf,
  ModelStoreError,
  readGoldenRows,
  readModelBytes,
  type GoldenRow,
  type StoredModel,
  type StoredVersion,
} from './model-store.js';
import { openOnnxSession, type OnnxSession } from './onnx-session.js';
import { fingerprintOf } from './prediction-cache.js';
import {
  createSignature,
  encodeRow,
  fromTensors,
  toTensors,
  validateRows,
  type EncodedRow,
  type InputField,
  type ModelField,
  type RowAnswer,
  type Signature,
} from './signature.js';

/** A model that is served. */
export interface Model {
  name: string;
  title: string;
  description?: string;
  /** The lowest version first. */
  versions: ModelVersion[];
  /** The version that answers when none is asked for. */
  current: ModelVersion;
}

export interface ModelVersion {
  version: number;
  inputs: ModelField[];
  outputs: ModelField[];
  /** SHA-256 of the model's file, hexadecimal. */
  digest: string;
  /** What the training measured; null where it left nothing. */
  metrics: Record<string, unknown> | null;
}

/** A version in memory, ready to answer. */
export interface LoadedVersion {
  model: Model;
  version: ModelVersion;
  signature: Signature;
  fingerprint: string;
  /** Runs the graph once over all the rows. */
  run(rows: readonly EncodedRow[]): Promise<RowAnswer[]>;
}

/** How far a golden row's number may be off at the start; processors round differently. */
const goldenTolerance = 1e-3;

/** The versions that are loaded, and which is current. */
export class Registry {
  readonly #models = new Map<string, { model: Model; versions: Map<number, LoadedVersion> }>();
  readonly #sessions: OnnxSession[] = [];

  /**
   * Loads every version and lets it answer a golden row.
   * @throws ModelStoreError that names the problems of all versions; what was loaded is released
   */
  static async load(store: readonly StoredModel[]): Promise<Registry> {
    const registry = new Registry();
    const problems: string[] = [];
    for (const model of store) problems.push(...(await registry.#loadModel(model)));
    if (problems.length === 0) return registry;
    await registry.close();
    throw new ModelStoreError(problems);
  }

  /** By name, in the order of the alphabet. */
  models(): Model[] {
    return [...this.#models.values()].map(({ model }) => model);
  }

  get(name: string): Model | null {
    return this.#models.get(name)?.model ?? null;
  }

  /** The version asked for, or the current one; null where there is no such model or version. */
  find(name: string, version?: number | null): LoadedVersion | null {
    const found = this.#models.get(name);
    return found?.versions.get(version ?? found.model.current.version) ?? null;
  }

  /** Every loaded version. */
  versions(): LoadedVersion[] {
    return [...this.#models.values()].flatMap(({ versions }) => [...versions.values()]);
  }

  /** Releases every session; no run may be under way. */
  async close(): Promise<void> {
    this.#models.clear();
    await Promise.all(this.#sessions.splice(0).map((session) => session.close()));
  }

  /** The problems that kept versions from being loaded. */
  async #loadModel(stored: StoredModel): Promise<string[]> {
    const problems: string[] = [];
    const opened: OpenedVersion[] = [];
    for (const version of stored.versions) {
      try {
        const session = await openSession(version);
        this.#sessions.push(session);
        opened.push(await openVersion(stored, version, session));
      } catch (error) {
        problems.push(...problemsOf(error));
      }
    }
    const current = opened.find(({ version }) => version.version === stored.current)?.version;
    if (problems.length > 0 || !current) return problems;
    const { title, description } = stored.manifest;
    const model: Model = {
      name: stored.name,
      title,
      ...(description === undefined ? {} : { description }),
      versions: opened.map(({ version }) => version),
      current,
    };
    this.#models.set(stored.name, { model, versions: new Map(opened.map((version) => [version.version.version, { model, ...version }])) });
    return [];
  }
}

type OpenedVersion = Omit<LoadedVersion, 'model'>;

async function openSession(stored: StoredVersion): Promise<OnnxSession> {
  const bytes = await readModelBytes(stored);
  try {
    return await openOnnxSession(bytes);
  } catch (error) {
    throw new ModelStoreError([`${stored.label}/model.onnx cannot be loaded: ${problemsOf(error).join(' ')}`]);
  }
}

async function openVersion({ name, manifest }: StoredModel, stored: StoredVersion, session: OnnxSession): Promise<OpenedVersion> {
  const signature = createSignature(stored.label, session, manifest);
  const { inputs, outputs } = signature;
  const opened: OpenedVersion = {
    version: { version: stored.version, inputs, outputs, digest: stored.digest, metrics: stored.metrics },
    signature,
    fingerprint: fingerprintOf(name, stored.digest, signature),
    run: async (rows) => fromTensors(signature, await session.run(toTensors(signature, rows)), rows.length),
  };
  await warmUp(stored, opened);
  return opened;
}

/**
 * The first run of a session is its slowest; better now than for the first caller. It also shows whether the graph does
 * what it did in training.
 */
async function warmUp(stored: StoredVersion, { signature, run }: OpenedVersion): Promise<void> {
  const [golden] = await readGoldenRows(stored, 1);
  const input = golden?.input ?? syntheticRow(signature);
  const what = golden ? `${stored.label}/golden.jsonl: its first row` : `${stored.label}: a made-up row`;
  const faults = validateRows(signature, [input]);
  if (faults.length > 0) {
    throw new ModelStoreError(faults.map(({ field, message }) => `${what} does not fit the manifest: ${field} ${message}`));
  }
  const row = encodeRow(signature, input);
  // Twice the same row: a graph whose number of rows is not free shows it here.
  const answers = await run([row, row]).catch((error: unknown) => {
    throw new ModelStoreError([`${what} cannot be answered: ${problemsOf(error).join(' ')}`]);
  });
  for (const answer of answers) {
    if (answer.kind === 'unanswerable') {
      if (golden) throw new ModelStoreError([`${what} gets no finite value for ${answer.field}`]);
    } else if (golden && !isClose(answer.output, golden.output)) {
      throw new ModelStoreError([
        `${what} is answered ${JSON.stringify(answer.output)}, not ${JSON.stringify(golden.output)}; ` +
          'model.onnx and golden.jsonl are not of one training',
      ]);
    }
  }
}

function syntheticRow({ inputs }: Signature): GoldenRow['input'] {
  return Object.fromEntries(inputs.filter(({ required }) => required).map((input) => [input.name, syntheticValue(input)]));
}

function syntheticValue({ type, minimum, maximum, values, isClosed }: InputField): unknown {
  const known = values?.[0];
  if (type === 'boolean') return false;
  if (type === 'string') return known ?? 'a';
  if (isClosed && known !== undefined) return Number(known);
  const nearestToOne = Math.min(Math.max(1, minimum ?? 1), maximum ?? Infinity);
  return type === 'integer' ? Math.round(nearestToOne) : nearestToOne;
}

/** Equal, numbers within a relative error. */
function isClose(answer: unknown, expected: unknown): boolean {
  if (typeof answer === 'number' && typeof expected === 'number') {
    return Math.abs(answer - expected) <= goldenTolerance * Math.max(Math.abs(answer), Math.abs(expected), goldenTolerance);
  }
  if (typeof answer !== 'object' || answer === null || typeof expected !== 'object' || expected === null) return answer === expected;
  const told = new Map(Object.entries(expected));
  const given = Object.entries(answer);
  return given.length === told.size && given.every(([name, value]) => told.has(name) && isClose(value, told.get(name)));
}
