import { readFileSync } from 'node:fs';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openPredictor } from '../../../src/inference/serving/open-predictor.js';
import type { PredictedRow, Predictor } from '../../../src/inference/serving/predictor.js';
import { openCache } from '../../../src/cache/cache.js';
import { BadUserInput, type AppError } from '../../../src/errors/app-error.js';
import { createLogger } from '../../../src/telemetry/logger.js';

const bundledDir = path.resolve('model-store');
const logger = createLogger('silent');

const openMemory = () => openCache({ namespace: 'test', maxEntries: 10_000, maxBytes: 16 * 1024 * 1024 });

/** A predictor with an empty cache. */
const open = (storeDir: string): Promise<Predictor> => openPredictor({ storeDir, cache: openMemory(), logger });

const car = (km_driven: number) => ({ company: 'Maruti', year: 2015, km_driven });

const prices = (rows: readonly PredictedRow[]) => rows.map(({ output }) => output.selling_price);

/** Expects numbers within a relative error of 1e-4, and everything else to be equal. */
function expectClose(response: unknown, expected: unknown): void {
  if (typeof expected === 'number') {
    expect(Math.abs(Number(response) - expected)).toBeLessThanOrEqual(1e-4 * Math.max(Math.abs(expected), 1e-2));
  } else if (typeof expected === 'object' && expected !== null) {
    expect(Object.keys(response as object).sort()).toEqual(Object.keys(expected).sort());
    for (const [name, value] of Object.entries(expected))
      expectClose((response as Record<string, unknown>)[name], value);
  } else {
    expect(response).toBe(expected);
  }
}

describe('the models of the store', () => {
  /** One computes the golden rows together, the other alone. */
  let together: Predictor;
  let alone: Predictor;
  beforeAll(async () => {
    [together, alone] = await Promise.all([open(bundledDir), open(bundledDir)]);
  });
  afterAll(async () => {
    await Promise.all([together.close(), alone.close()]);
  });

  it.each(['car-price', 'digits', 'iris', 'salary-benchmark', 'sms-spam'])(
    '%s reproduces its golden rows, individually and in one call',
    async (model) => {
      const golden = readFileSync(path.join(bundledDir, model, '1', 'golden.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { input: Record<string, unknown>; output: Record<string, unknown> });
      expect(golden.length).toBeGreaterThan(50);

      const { rows } = await together.predict({ model, rows: golden.map(({ input }) => input) });
      for (const [index, row] of golden.entries()) expectClose(rows[index]?.output, row.output);

      for (const row of golden) {
        const single = await alone.predict({ model, rows: [row.input] });
        expectClose(single.rows[0]?.output, row.output);
      }
    },
  );

  it('describes a model from its manifest and graph', () => {
    expect(together.models().map(({ name }) => name)).toEqual([
      'car-price',
      'digits',
      'iris',
      'salary-benchmark',
      'sms-spam',
    ]);
    expect(together.model('iris')).toMatchObject({
      name: 'iris',
      title: 'Species of an iris',
      current: {
        version: 1,
        digest: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
        metrics: { accuracy: expect.any(Number) as number },
        inputs: expect.arrayContaining([
          expect.objectContaining({
            name: 'petal_length',
            type: 'float',
            shape: [null, 1],
            required: true,
            unit: 'cm',
            minimum: 0.2,
            maximum: 12,
          }),
        ]) as unknown[],
        outputs: [
          { name: 'species', type: 'string', shape: [null], values: ['setosa', 'versicolor', 'virginica'] },
          { name: 'probabilities', type: 'float', shape: [null, 3], values: ['setosa', 'versicolor', 'virginica'] },
        ],
      },
    });
    expect(together.model('rose')).toBeNull();
    expect(together.model('constructor')).toBeNull();
  });
});

describe('predict', () => {
  /** Two of the bundled models, which load in a moment. */
  let storeDir: string;
  let predictor: Predictor;
  beforeAll(async () => {
    storeDir = await mkdtemp(path.join(tmpdir(), 'auspex-predictor-'));
    for (const model of ['car-price', 'iris']) await symlink(path.join(bundledDir, model), path.join(storeDir, model));
  });
  afterAll(() => rm(storeDir, { recursive: true }));
  beforeEach(async () => {
    predictor = await open(storeDir);
  });
  afterEach(() => predictor.close());

  /** Statistics of the current version of car-price. */
  const statistics = () => predictor.model('car-price')?.current.statistics;

  async function rejection(call: Parameters<Predictor['predict']>[0]): Promise<AppError> {
    return predictor.predict(call).then(
      () => {
        throw new Error('the call was not rejected');
      },
      (error: unknown) => error as AppError,
    );
  }

  it('returns results in row order, each with its input unchanged', async () => {
    const rows = [car(90_000), { ...car(10_000), fuel: null }, car(50_000)];
    const together = await predictor.predict({ model: 'car-price', rows });

    expect(together.rows.map(({ input }) => input)).toEqual(rows);
    expect(together.version.version).toBe(1);
    expect(together.model.name).toBe('car-price');
    for (const [index, row] of rows.entries()) {
      const alone = await predictor.predict({ model: 'car-price', version: 1, rows: [row] });
      expect(alone.rows[0]?.output).toEqual(together.rows[index]?.output);
    }
  });

  it('computes a 1000-row call in one run, without cached rows', async () => {
    const first = Array.from({ length: 400 }, (_, index) => car(index * 10));
    await predictor.predict({ model: 'car-price', rows: first });
    expect(statistics()).toMatchObject({ runs: 1, rows: 400, cacheHits: 0, cacheMisses: 400 });

    const { rows } = await predictor.predict({
      model: 'car-price',
      rows: Array.from({ length: 1000 }, (_, index) => car(index * 10)),
    });

    expect(statistics()).toMatchObject({ runs: 2, rows: 1000, cacheHits: 400, cacheMisses: 1000 });
    expect(rows.map(({ source }) => source)).toEqual([
      ...Array<string>(400).fill('CACHE'),
      ...Array<string>(600).fill('MODEL'),
    ]);
    expect(rows.every(({ durationMs }) => durationMs > 0)).toBe(true);
  });

  it('computes equal rows once', async () => {
    const reordered = { km_driven: 50_000, fuel: null, year: 2015, company: 'Maruti' };
    const { rows } = await predictor.predict({
      model: 'car-price',
      rows: [car(50_000), car(60_000), reordered, car(50_000)],
    });

    expect(statistics()).toMatchObject({ runs: 1, rows: 2, cacheHits: 0, cacheMisses: 2 });
    expect(prices(rows)).toEqual([0, 1, 0, 0].map((row) => prices(rows)[row]));
    expect(prices(rows)[0]).not.toBe(prices(rows)[1]);
    expect(rows[2]?.input).toEqual(reordered);
  });

  it('never returns the result of another caller under concurrency', async () => {
    const expected = new Map<number, unknown>();
    for (let km = 0; km < 200; km += 1) {
      const { rows } = await predictor.predict({ model: 'car-price', rows: [car(km * 1000)] });
      expected.set(km, prices(rows)[0]);
    }
    expect(new Set(expected.values()).size).toBeGreaterThan(20);

    const fresh = await open(storeDir);
    const calls = Array.from({ length: 50 }, (_, call) =>
      Array.from({ length: 1 + (call % 7) }, (__, row) => (call * 37 + row * 11) % 200),
    );
    const responses = await Promise.all([
      ...calls.map((kms) => fresh.predict({ model: 'car-price', rows: kms.map((km) => car(km * 1000)) })),
      fresh.predict({ model: 'iris', rows: [{ petal_length: 1.4, petal_width: 0.2 }] }),
    ]);

    for (const [call, kms] of calls.entries())
      expect(prices(responses[call]?.rows ?? [])).toEqual(kms.map((km) => expected.get(km)));
    expect(responses.at(-1)?.rows[0]?.output.species).toBe('setosa');
    // Concurrent calls share one run per model.
    expect(fresh.models().map(({ current }) => current.statistics.runs)).toEqual([1, 1]);
    await fresh.close();
  });

  it('returns a cached result again', async () => {
    const rows = [car(70_000)];
    const first = await predictor.predict({ model: 'car-price', rows });
    const second = await predictor.predict({ model: 'car-price', rows });

    expect([first.rows[0]?.source, second.rows[0]?.source]).toEqual(['MODEL', 'CACHE']);
    expect(second.rows[0]?.output).toEqual(first.rows[0]?.output);
  });

  it('does not wait for cache writes', async () => {
    const slow = openMemory();
    let hasWritten = false;
    const slowPredictor = await openPredictor({
      storeDir,
      logger,
      cache: {
        isShared: false,
        getMany: (keys) => slow.getMany(keys),
        claimMany: (keys, ttlMs) => slow.claimMany(keys, ttlMs),
        readOrClaimMany: (keys, ttlMs) => slow.readOrClaimMany(keys, ttlMs),
        releaseMany: (keys) => slow.releaseMany(keys),
        health: () => slow.health(),
        close: () => slow.close(),
        async setMany(entries, ttlMs) {
          await new Promise((resolve) => setTimeout(resolve, 200));
          hasWritten = true;
          return slow.setMany(entries, ttlMs);
        },
      },
    });
    await slowPredictor.predict({ model: 'car-price', rows: [car(1)] });

    expect(hasWritten).toBe(false);
    await slowPredictor.close();
    expect(hasWritten).toBe(true);
    await slow.close();
  });

  it('names the served models or versions if an unknown one is requested', async () => {
    const unknownModel = await rejection({ model: 'bike-price', rows: [car(1)] });
    const unknownVersion = await rejection({ model: 'iris', version: 7, rows: [{ petal_length: 1, petal_width: 1 }] });

    expect(unknownModel).toBeInstanceOf(BadUserInput);
    expect(unknownModel.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      fields: [{ field: 'model', message: expect.stringContaining('car-price, iris') as string }],
    });
    expect(unknownVersion.extensions).toMatchObject({
      fields: [{ field: 'version', message: expect.stringMatching(/7 of iris.*served versions: 1/) as string }],
    });
    for (const version of [0, -1, 1.5, NaN])
      expect(await rejection({ model: 'iris', version, rows: [{}] })).toBeInstanceOf(BadUserInput);
  });

  it.each([0, 1001])('rejects a call of %i rows', async (count) => {
    const error = await rejection({ model: 'car-price', rows: Array.from({ length: count }, () => car(1)) });

    expect(error.extensions).toMatchObject({
      fields: [{ field: 'inputs', message: `must have 1 to 1000 rows; it has ${count}` }],
    });
    expect(statistics()).toMatchObject({ runs: 0, rows: 0, cacheHits: 0, cacheMisses: 0 });
  });

  it('names every invalid field of every row and runs nothing', async () => {
    const error = await rejection({
      model: 'car-price',
      rows: [car(1), { company: 'Maruti', year: '2015', km: 5 }, car(-1)],
    });

    expect(error).toBeInstanceOf(BadUserInput);
    expect((error as BadUserInput).fields.map(({ row, field }) => [row, field])).toEqual([
      [1, 'year'],
      [1, 'km_driven'],
      [1, 'km'],
      [2, 'km_driven'],
    ]);
    expect(statistics()?.runs).toBe(0);
  });
});
