import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Backend, GraphAnswer, LoadedGraph } from '../../src/inference/backend/backend.js';
import { openPredictor, type Predictor, type PredictorOptions } from '../../src/inference/predictor.js';
import type { Tensors } from '../../src/inference/tensor.js';
import { openCache } from '../../src/shared/cache.js';
import { createLogger } from '../../src/shared/logger.js';

/** A manifest as an object; what is left out is as in `doubler`. */
export type ManifestParts = Record<string, unknown>;

/** What `model.onnx` holds for the fake backend. */
export interface FakeModel {
  /** y = factor * x. */
  factor: number;
  /** Any text, so that two versions with the same factor differ. */
  note?: string;
}

/** A model store in a folder of its own. */
export class TestStore {
  private constructor(readonly dir: string) {}

  static async create(): Promise<TestStore> {
    return new TestStore(await mkdtemp(path.join(tmpdir(), 'auspex-store-')));
  }

  /** Writes a manifest. The model takes a number `x` and a number `z` that may be missing, and gives a number `y`. */
  async manifest(name: string, parts: ManifestParts = {}): Promise<void> {
    await mkdir(path.join(this.dir, name), { recursive: true });
    const manifest = { title: name, inputs: { x: {}, z: { required: false } }, outputs: { y: {} }, ...parts };
    await writeFile(path.join(this.dir, name, 'model.json'), JSON.stringify(manifest));
  }

  /** Writes a version with two golden rows, right ones unless others are given. */
  async version(name: string, version: number, model: FakeModel, golden = [2, 3].map((x) => ({ input: { x }, output: { y: model.factor * x } }))): Promise<void> {
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

/** A backend whose models are in `FakeModel`'s form, and whose runs a test can watch, hold up and break. */
export class FakeBackend implements Backend {
  /** The values of `x` of each run, in the order of the runs. */
  readonly runs: number[][] = [];
  loaded = 0;
  /** Rows that may run beside a run that is under way. */
  freeRows = 0;
  /** Awaited before a run answers. */
  before: (xs: readonly number[], model: FakeModel) => Promise<void> | void = () => undefined;
  isClosed = false;

  load({ bytes }: { bytes: Uint8Array }): Promise<LoadedGraph> {
    const model = JSON.parse(Buffer.from(bytes).toString()) as FakeModel;
    const column = (name: string) => ({ name, type: 'float32', shape: [null, 1] });
    this.loaded += 1;
    return Promise.resolve({
      inputs: [column('x'), column('z')],
      outputs: [column('y')],
      room: () => this.freeRows,
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

  /** Resolves once so many runs have begun. */
  async begun(runs: number): Promise<void> {
    while (this.runs.length < runs) await sleep(1);
  }

  /** Forgets the runs of golden rows. */
  forgetRuns(): void {
    this.runs.length = 0;
  }

  async #run(model: FakeModel, feeds: Tensors): Promise<GraphAnswer> {
    const xs = Array.from(feeds.x?.data as Float32Array);
    this.runs.push(xs);
    await this.before(xs, model);
    return { computeMs: 1, outputs: { y: { type: 'float32', dims: [xs.length, 1], data: Float32Array.from(xs, (x) => model.factor * x) } } };
  }
}

/** A predictor over fake models, with its backend, whose runs of golden rows are forgotten. */
export interface FakePredictor {
  predictor: Predictor;
  backend: FakeBackend;
  /** Closes the predictor and its cache. */
  close: () => Promise<void>;
}

/** Opens a predictor on a store of fake models, with a cache in memory unless another is given. */
export async function openFakePredictor({ dir }: TestStore, options: Partial<PredictorOptions> = {}): Promise<FakePredictor> {
  const logger = createLogger('silent');
  const backend = new FakeBackend();
  const cache = options.cache ?? openCache({ namespace: 'test', maxEntries: 10_000, maxBytes: 1_000_000, logger });
  const predictor = await openPredictor({ storeDir: dir, backend, logger, ...options, cache });
  backend.forgetRuns();
  return {
    predictor,
    backend,
    async close() {
      await predictor.close();
      await cache.close();
    },
  };
}
