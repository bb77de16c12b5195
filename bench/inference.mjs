import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import '../dist/inference/backend/unreported.js';
import { createClient } from '@redis/client';
import * as ort from 'onnxruntime-node';
import { openPredictor } from '../dist/inference/predictor.js';
import { openCache } from '../dist/shared/cache.js';
import { createLogger } from '../dist/shared/logger.js';

// The path from rows to answers, without HTTP and GraphQL: side by side in one process, in turns, as ratios.

const rounds = 7;
const logger = createLogger('silent');
const storeDir = path.resolve('model-store');
const dir = await mkdtemp(path.join(tmpdir(), 'auspex-bench-'));
const unbatchedStore = await storeWithoutBatching();

let kilometres = 0;
const freshCar = () => ({ company: 'Ford', year: 2012, km_driven: (kilometres += 1) % 3_000_000, fuel: 'Diesel', owner: 'First' });

const batched = await open(storeDir);
const unbatched = await open(unbatchedStore);
const session = await ort.InferenceSession.create(await readFile(path.join(storeDir, 'car-price/1/model.onnx')), { intraOpNumThreads: 1, interOpNumThreads: 1 });

const table = {};
await compare('64 callers with a row each, rows/s: joined / one by one', {
  one: () => rowsPerSecond(batched, 64, 1),
  other: () => rowsPerSecond(unbatched, 64, 1),
});
await compare('distinct rows, rows/s: the whole path in calls of 64 / session.run alone in batches of 64', {
  one: () => rowsPerSecond(batched, 1, 64),
  other: () => rawRowsPerSecond(64),
});
await compare('distinct rows, rows/s: the whole path in calls of 1000 / session.run alone in batches of 64', {
  one: () => rowsPerSecond(batched, 1, 1000),
  other: () => rawRowsPerSecond(64),
});
await withRedis(async (url) => {
  const cache = openCache({ redisUrl: url, namespace: 'bench', maxEntries: 1, maxBytes: 1, logger });
  while (!cache.health().isUp) await new Promise((resolve) => setTimeout(resolve, 10));
  const cached = await openPredictor({ storeDir, cache, logger });
  const client = await createClient({ url }).connect();
  const rows = Array.from({ length: 100 }, freshCar);
  await cached.predict({ model: 'car-price', rows });
  while ((await cached.predict({ model: 'car-price', rows })).rows.some(({ source }) => source !== 'CACHE'));
  const keys = (await client.keys('bench:*')).filter((key) => !key.startsWith('bench:claim:'));
  await compare('100 cached rows, calls/s: the whole path / one MGET of the same keys', {
    one: () => timesPerSecond(() => cached.predict({ model: 'car-price', rows })),
    other: () => timesPerSecond(() => client.mGet(keys)),
  });
  await client.close();
  await cached.close();
  await cache.close();
});
console.table(table);

await session.release();
for (const predictor of [batched, unbatched]) await predictor.close();
await rm(dir, { recursive: true, force: true });

/** A copy of the store whose car-price runs every row by itself. */
async function storeWithoutBatching() {
  const copy = path.join(dir, 'unbatched');
  await cp(storeDir, copy, { recursive: true });
  const manifest = path.join(copy, 'car-price/model.yaml');
  await writeFile(manifest, `${await readFile(manifest, 'utf8')}\nserving:\n  max_batch: 1\n`);
  return copy;
}

/** A predictor whose cache remembers nothing, so that every row is a miss. */
function open(from) {
  return openPredictor({ storeDir: from, cache: openCache({ namespace: 'bench', maxEntries: 1, maxBytes: 1024, logger }), logger });
}

async function compare(name, { one, other }) {
  const measured = { one: [], other: [] };
  for (let round = -1; round < rounds; round++) {
    for (const [side, measure] of Object.entries({ one, other })) {
      const figure = await measure();
      if (round >= 0) measured[side].push(figure);
    }
  }
  const median = (figures) => figures.toSorted((a, b) => a - b)[Math.floor(rounds / 2)];
  const [left, right] = [median(measured.one), median(measured.other)];
  table[name] = { left: Math.round(left), right: Math.round(right), ratio: (left / right).toFixed(2) };
}

/** How often a second, one after the other, for half a second. */
async function timesPerSecond(act) {
  const start = performance.now();
  let times = 0;
  while (performance.now() - start < 500) {
    await act();
    times += 1;
  }
  return (times / (performance.now() - start)) * 1000;
}

async function rowsPerSecond(predictor, callers, rowsPerCall) {
  const perSecond = await Promise.all(
    Array.from({ length: callers }, () => timesPerSecond(() => predictor.predict({ model: 'car-price', rows: Array.from({ length: rowsPerCall }, freshCar) }))),
  );
  return perSecond.reduce((sum, figure) => sum + figure, 0) * rowsPerCall;
}

/** `session.run` on tensors that are ready made. */
async function rawRowsPerSecond(size) {
  const texts = { company: 'Ford', fuel: 'Diesel', transmission: '', owner: 'First', seller_type: '' };
  const feeds = Object.fromEntries(
    session.inputMetadata.map(({ name, type }) => [
      name,
      type === 'string'
        ? new ort.Tensor('string', Array(size).fill(texts[name] ?? ''), [size, 1])
        : new ort.Tensor('float32', Float32Array.from({ length: size }, () => (name === 'year' ? 2012 : name === 'km_driven' ? (kilometres += 1) : NaN)), [size, 1]),
    ]),
  );
  return (await timesPerSecond(() => session.run(feeds))) * size;
}

/** Runs with a Redis of its own, where there is the program. */
async function withRedis(use) {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  const server = spawn('redis-server', ['--port', String(port), '--save', '', '--appendonly', 'no'], { stdio: 'ignore' });
  const isThere = await Promise.race([once(server, 'error').then(() => false), once(server, 'spawn').then(() => true)]);
  if (!isThere) return console.log('no redis-server: the cache in Redis is not measured');
  try {
    await use(`redis://127.0.0.1:${port}`);
  } finally {
    server.kill();
  }
}
