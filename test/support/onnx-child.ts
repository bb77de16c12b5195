import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openOnnxBackend } from '../../src/inference/onnx/onnx-backend.js';
import { openPredictor } from '../../src/inference/serving/open-predictor.js';
import { openCache } from '../../src/cache/cache.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { loopingModel } from './looping-model.js';
import { carPrice } from './real-models.js';

/** Runs a scene in its own process, so that a test can observe its exit and its memory. */
const scenes: Record<string, () => Promise<void>> = {
  /** Opens and closes backends: unused, with graphs still loaded, with graphs closed. */
  async reopening() {
    for (let round = 0; round < 6; round += 1) {
      const backend = openOnnxBackend({ size: 3 });
      if (round % 3 > 0) {
        const graph = await backend.load({ label: 'car-price/1', bytes: carPrice.bytes });
        await graph.run(carPrice.feeds(1000), 1000);
        if (round % 3 > 1) await graph.close();
      }
      await backend.close();
    }
  },

  /** Ends without closing the backend. */
  async unclosed() {
    const graph = await openOnnxBackend().load({ label: 'car-price/1', bytes: carPrice.bytes });
    await graph.run(carPrice.feeds(1000), 1000);
  },

  /** Exits while threads load and run. */
  async busy() {
    const backend = openOnnxBackend();
    const graph = await backend.load({ label: 'car-price/1', bytes: carPrice.bytes });
    const work = [graph.run(carPrice.feeds(1000), 1000), backend.load({ label: 'car-price/1', bytes: carPrice.bytes })];
    void Promise.allSettled(work);
    await sleep(3);
    process.exit(0);
  },

  /** Exits while a run hangs that cannot be stopped. */
  async hanging() {
    const backend = openOnnxBackend({ hangMs: 200, graceMs: 100, exitMs: 100 });
    const graph = await backend.load({ label: 'looping/1', bytes: loopingModel() });
    const feeds = { steps: { type: 'int64', dims: [1, 1], data: BigInt64Array.of(2n ** 60n) } } as const;
    await graph.run(feeds, 1).catch((error: unknown) => process.stdout.write(`${String(error)}\n`));
    await backend.close();
    process.stdout.write('closed\n');
    process.exit(0);
  },

  /** Prints the growth of the process in bytes during 200 hot reloads of a model under load. */
  async reloading() {
    const storeDir = await mkdtemp(path.join(tmpdir(), 'auspex-reloading-'));
    const folder = path.join(storeDir, 'car-price');
    await cp(path.join(import.meta.dirname, '..', '..', 'model-store', 'car-price'), folder, { recursive: true });
    // A changed file would not match it.
    await rm(path.join(folder, '1', 'SHA256SUMS'));
    const golden = path.join(folder, '1', 'golden.jsonl');
    const rows = await readFile(golden, 'utf8');
    const logger = createLogger('silent');
    const cache = openCache({ namespace: 'test', maxEntries: 100, maxBytes: 100_000 });
    // A second thread would start and end meanwhile, with its memory.
    const predictor = await openPredictor({ storeDir, cache, logger, pollMs: 2, threads: 1 });
    const loaded = () => predictor.model('car-price')?.current.statistics;
    let kilometres = 0;
    const reload = async (times: number) => {
      for (let time = 0; time < times; time += 1) {
        const before = loaded();
        // Changed golden rows cause a reload of the version.
        await writeFile(golden, rows + '\n'.repeat(1 + (time % 2)));
        while (loaded() === before) {
          await predictor.predict({
            model: 'car-price',
            rows: [{ company: 'Ford', year: 2012, km_driven: (kilometres += 1) }],
          });
          await sleep(2);
        }
      }
      globalThis.gc?.();
      return process.memoryUsage.rss();
    };
    const before = await reload(60);
    process.stdout.write(String((await reload(200)) - before));
    await predictor.close();
    await rm(storeDir, { recursive: true });
  },

  /** Prints the growth of the process in bytes during 200 loads and closes, after a warm-up. */
  async memory() {
    const backend = openOnnxBackend();
    const reload = async (times: number) => {
      for (let time = 0; time < times; time += 1) {
        const graph = await backend.load({ label: 'car-price/1', bytes: carPrice.bytes });
        await graph.run(carPrice.feeds(64), 64);
        await graph.close();
      }
      globalThis.gc?.();
      return process.memoryUsage.rss();
    };
    const before = await reload(60);
    process.stdout.write(String((await reload(200)) - before));
    await backend.close();
  },
};

await scenes[process.argv[2] ?? '']?.();
