import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Backend, RunResult, LoadedGraph, ModelSource } from '../../src/inference/onnx/backend.js';
import { openPredictor, type PredictorOptions } from '../../src/inference/serving/open-predictor.js';
import type { Predictor } from '../../src/inference/serving/predictor.js';
import type { Tensors } from '../../src/inference/onnx/tensor.js';
import { openCache } from '../../src/cache/cache.js';
import { createLogger } from '../../src/telemetry/logger.js';

/** Fields of a manifest that override the defaults of `TestStore.manifest`. */
export type ManifestParts = Record<string, unknown>;

/** Content of `model.onnx` for the fake backend. */
export interface FakeModel {
  /** y = factor * x. */
  factor: number;
  /** Any text, so that two versions with the same factor differ. */
  note?: string;
}

/** A model store in a temporary folder. */
export class TestStore {
  private constructor(readonly dir: string) {}

  static async create(): Promise<TestStore> {
    return new TestStore(await mkdtemp(path.join(tmpdir(), 'auspex-store-')));
  }

  /**
   * Writes a manifest. By default the model has a number `x` and an optional number `z` as inputs, and a number `y` as
   * output.
   */
  async manifest(name: string, parts: ManifestParts = {}): Promise<void> {
    await mkdir(path.join(this.dir, name), { recursive: true });
    const manifest = { title: name, inputs: { x: {}, z: { required: false } }, outputs: { y: {} }, ...parts };
    await writeFile(path.join(this.dir, name, 'model.json'), JSON.stringify(manifest));
  }

  /** Writes a version with two golden rows, correct by default. */
  async version(
    name: string,
    version: number,
    model: FakeModel,
    golden = [2, 3].map((x) => ({ input: { x }, output: { y: model.factor * x } })),
  ): Promise<void> {
    const dir = path.join(this.dir, name, String(version));
    await mkdir(dir, { recursive: true });
    await writeFile(path.join(dir, 'golden.jsonl'), golden.map((row) => `${JSON.stringify(row)}\n`).join(''));
    await writeFile(path.join(dir, 'model.onnx'), JSON.stringify(model));
  }

  async remove(...parts: string[]): Promise<void> {
    await rm(path.join(this.dir, ...parts), { recursive: true, force: true });
  }

  async close(): Promise<void> {
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** A backend for `FakeModel`s that records its runs. Tests can delay runs and make them fail. */
export class FakeBackend implements Backend {
  /** The values of `x` of each run, in order. */
  readonly runs: number[][] = [];
  loaded = 0;
  /** The sessions that each version keeps between calls, by label. */
  readonly sessions = new Map<string, number>();
  /** Rows that can run concurrently with a run in progress. */
  freeRows = 0;
  /** Awaited before a run returns its result. */
  before: (xs: readonly number[], model: FakeModel) => Promise<void> | void = () => undefined;
  isClosed = false;
  readonly memoryBytes = 0;

  load({ label, bytes }: ModelSource): Promise<LoadedGraph> {
    const model = JSON.parse(Buffer.from(bytes).toString()) as FakeModel;
    const column = (name: string) => ({ name, type: 'float32', shape: [null, 1] });
    this.loaded += 1;
    return Promise.resolve({
      inputs: [column('x'), column('z')],
      outputs: [column('y')],
      room: () => this.freeRows,
      shrink: (sessions) => {
        this.sessions.set(label, sessions);
        return Promise.resolve();
      },
      run: (feeds) => this.#run(model, feeds),
      close: () => {
        this.loaded -= 1;
        return Promise.resolve();
      },
    });
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }

  /** Resolves once this number of runs have started. */
  async started(runs: number): Promise<void> {
    while (this.runs.length < runs) await sleep(1);
  }

  /** Clears recorded runs, such as those of golden rows. */
  clearRuns(): void {
    this.runs.length = 0;
  }

  async #run(model: FakeModel, feeds: Tensors): Promise<RunResult> {
    const xs = Array.from(feeds.x?.data as Float32Array);
    this.runs.push(xs);
    await this.before(xs, model);
    return {
      computeMs: 1,
      outputs: { y: { type: 'float32', dims: [xs.length, 1], data: Float32Array.from(xs, (x) => model.factor * x) } },
    };
  }
}

/** A predictor with fake models and its backend; the runs of golden rows are cleared. */
export interface FakePredictor {
  predictor: Predictor;
  backend: FakeBackend;
  /** Closes the predictor and its cache. */
  close: () => Promise<void>;
}

/** Opens a predictor on a store of fake models, by default with an in-memory cache. */
export async function openFakePredictor(
  { dir }: TestStore,
  options: Partial<PredictorOptions> = {},
): Promise<FakePredictor> {
  const logger = createLogger('silent');
  const backend = new FakeBackend();
  const cache = options.cache ?? openCache({ namespace: 'test', maxEntries: 10_000, maxBytes: 1_000_000 });
  const predictor = await openPredictor({ storeDir: dir, backend, logger, ...options, cache });
  backend.clearRuns();
  return {
    predictor,
    backend,
    async close() {
      await predictor.close();
      await cache.close();
    },
  };
}

/** Lets every user read a folder and all below it, whatever the umask of the process. */
export const openForAll = (dir: string): void => void execFileSync('chmod', ['-R', 'a+rX', dir]);
