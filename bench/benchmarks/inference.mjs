/* The prediction path in one process, without HTTP and GraphQL. Two sides are measured alternately and compared as a ratio. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import '../../dist/inference/onnx/disable-telemetry.js';
import { createClient } from '@redis/client';
import * as ort from 'onnxruntime-node';
import { openPredictor } from '../../dist/inference/serving/open-predictor.js';
import { openCache } from '../../dist/cache/cache.js';
import { RedisConnection } from '../../dist/redis/connection.js';
import { createLogger } from '../../dist/telemetry/logger.js';
import { copyModels, median, newCar, temporaryFolder } from '../support/setup.mjs';

const rounds = 7;
const logger = createLogger('silent');
const models = path.resolve('model-store');

await using resources = new AsyncDisposableStack();
const dir = await temporaryFolder(resources);
const batched = await openUncached(models);
const unbatched = await openUncached(await copyModels(dir, 'serving:\n  max_batch: 1\n'));
const session = await ort.InferenceSession.create(await readFile(path.join(models, 'car-price/1/model.onnx')), {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
});
resources.defer(() => session.release());

const table = {};
await compare('64 callers with one row each, rows/s: batched / unbatched', {
  left: () => rowsPerSecond(batched, 64, 1),
  right: () => rowsPerSecond(unbatched, 64, 1),
});
await compare('new rows, rows/s: predictor, 64-row requests / session.run, batches of 64', {
  left: () => rowsPerSecond(batched, 1, 64),
  right: () => sessionRowsPerSecond(64),
});
await compare('new rows, rows/s: predictor, 1000-row requests / session.run, batches of 64', {
  left: () => rowsPerSecond(batched, 1, 1000),
  right: () => sessionRowsPerSecond(64),
});
await compare('new rows, CPU us a row: predictor, 1000-row requests / session.run, batches of 1000', {
  left: () => cpuMicrosPerRow(() => predictNewRows(batched, 1000), 1000),
  right: sessionCpuMicrosPerRow(1000),
});
const remembering = await openWithCache(
  openCache({ namespace: 'bench', maxEntries: 10_000, maxBytes: 2 ** 26 }),
  models,
);
const known = Array.from({ length: 1000 }, newCar);
await compare('cached rows, CPU us a row: predictor, 1000-row requests / session.run, batches of 1000', {
  left: () => cpuMicrosPerRow(() => remembering.predict({ model: 'car-price', rows: known }), 1000),
  right: sessionCpuMicrosPerRow(1000),
});
await compareRedisCache();
console.table(table);

async function compareRedisCache() {
  const url = await startRedis();
  if (url === null) {
    console.log('redis-server is not on the PATH; the Redis cache is not measured');
    return;
  }
  const redis = new RedisConnection({ url, logger });
  resources.defer(() => redis.close());
  const cache = openCache({ redis, namespace: 'bench', maxEntries: 1, maxBytes: 1 });
  resources.defer(() => cache.close());
  while (!cache.health().isUp) await sleep(10);
  const cached = await openPredictor({ storeDir: models, cache, logger });
  resources.defer(() => cached.close());
  const client = await createClient({ url }).connect();
  resources.defer(() => client.close());
  const rows = Array.from({ length: 100 }, newCar);
  await cached.predict({ model: 'car-price', rows });
  while ((await cached.predict({ model: 'car-price', rows })).rows.some(({ source }) => source !== 'CACHE'));
  const keys = (await client.keys('bench:*')).filter((key) => !key.startsWith('bench:claim:'));
  await compare('100 cached rows, requests/s: predictor / one MGET of the same keys', {
    left: () => timesPerSecond(() => cached.predict({ model: 'car-price', rows })),
    right: () => timesPerSecond(() => client.mGet(keys)),
  });
}

/** A predictor whose cache is too small for any entry, so that every row is a miss. */
function openUncached(storeDir) {
  return openWithCache(openCache({ namespace: 'bench', maxEntries: 1, maxBytes: 1024 }), storeDir);
}

async function openWithCache(cache, storeDir) {
  const predictor = await openPredictor({ storeDir, cache, logger });
  resources.defer(() => predictor.close());
  return predictor;
}

/** Measures both sides alternately. The first round is a warm-up and not recorded. */
async function compare(name, sides) {
  const figures = { left: [], right: [] };
  for (let round = -1; round < rounds; round++) {
    for (const [side, measure] of Object.entries(sides)) {
      const figure = await measure();
      if (round >= 0) figures[side].push(figure);
    }
  }
  const [left, right] = [median(figures.left), median(figures.right)];
  table[name] = { left: shown(left), right: shown(right), ratio: (left / right).toFixed(2) };
}

function shown(figure) {
  return Number(figure.toPrecision(Math.max(3, Math.ceil(Math.log10(figure)))));
}

/**
 * Repeats a task for half a second. CPU time, of all threads, depends less on the load of the machine than rates do.
 * @returns microseconds of CPU time of the process for each row
 */
async function cpuMicrosPerRow(task, rows) {
  const before = process.cpuUsage();
  const start = performance.now();
  let times = 0;
  while (performance.now() - start < 500) {
    await task();
    times += 1;
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / (times * rows);
}

/** The least that a row can take: ONNX Runtime alone. */
function sessionCpuMicrosPerRow(batchSize) {
  const feeds = preparedFeeds(batchSize);
  return () => cpuMicrosPerRow(() => session.run(feeds), batchSize);
}

/** Repeats a task sequentially for half a second. @returns completions per second */
async function timesPerSecond(task) {
  const start = performance.now();
  let times = 0;
  while (performance.now() - start < 500) {
    await task();
    times += 1;
  }
  return (times / (performance.now() - start)) * 1000;
}

async function rowsPerSecond(predictor, callers, rowsPerRequest) {
  const perSecond = await Promise.all(
    Array.from({ length: callers }, () => timesPerSecond(() => predictNewRows(predictor, rowsPerRequest))),
  );
  return perSecond.reduce((sum, figure) => sum + figure, 0) * rowsPerRequest;
}

function predictNewRows(predictor, rows) {
  return predictor.predict({ model: 'car-price', rows: Array.from({ length: rows }, newCar) });
}

/** Runs ONNX Runtime alone on prepared tensors. */
async function sessionRowsPerSecond(batchSize) {
  const feeds = preparedFeeds(batchSize);
  return (await timesPerSecond(() => session.run(feeds))) * batchSize;
}

function preparedFeeds(batchSize) {
  const texts = { company: 'Ford', fuel: 'Diesel', transmission: '', owner: 'First', seller_type: '' };
  const numbers = { year: 2012, km_driven: 90_000 };
  const shape = [batchSize, 1];
  return Object.fromEntries(
    session.inputMetadata.map(({ name, type }) => [
      name,
      type === 'string'
        ? new ort.Tensor('string', Array(batchSize).fill(texts[name] ?? ''), shape)
        : new ort.Tensor('float32', new Float32Array(batchSize).fill(numbers[name] ?? NaN), shape),
    ]),
  );
}

/** @returns the URL of a new Redis, or null if redis-server is not installed */
async function startRedis() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  const server = spawn('redis-server', ['--port', String(port), '--save', '', '--appendonly', 'no'], {
    stdio: 'ignore',
  });
  const isInstalled = await Promise.race([
    once(server, 'error').then(() => false),
    once(server, 'spawn').then(() => true),
  ]);
  if (!isInstalled) return null;
  resources.defer(() => void server.kill());
  return `redis://127.0.0.1:${port}`;
}
