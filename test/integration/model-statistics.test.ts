import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { VersionStatistics } from '../../src/inference/serving/predictor.js';
import { startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { makeIrisStore, type IrisStore } from '../support/iris-store.js';

let store: IrisStore;
let gateway: TestGateway;
beforeAll(async () => {
  store = await makeIrisStore({ versions: [1, 2], manifest: 'current: 1\nshadow: { version: 2, percent: 100 }' });
  gateway = await startGateway({ MODEL_STORE: store.dir, MODEL_STORE_POLL_MS: '0' });
});
afterAll(async () => {
  await gateway.close();
  await store.remove();
});

const document = `{ model(name: "iris") {
  shadow { version percent rows differences largestDifference failures }
  versions { version statistics { successes failures rows runs queueMs computeMs cacheHits cacheMisses pending batchSizes { rows runs } } }
} }`;

async function seen(): Promise<{ shadow: AnyData; first: VersionStatistics; second: VersionStatistics }> {
  const { data, errors } = await gateway.execute<AnyData>('admin', document);
  expect(errors).toEqual([]);
  const [first, second] = data.model.versions.map((version: AnyData) => version.statistics as VersionStatistics) as [
    VersionStatistics,
    VersionStatistics,
  ];
  return { shadow: data.model.shadow, first, second };
}

let requested = 0;
/** Rows that are not cached. */
const freshRows = (count: number) =>
  Array.from({ length: count }, () => ({ petal_length: 1 + (requested += 1) / 1000, petal_width: 1 }));
const predict = async (inputs: object[], version: number | null = null) =>
  gateway.execute<AnyData>(
    'user',
    'query ($inputs: [JSONObject!]!, $version: Int) { predict(model: "iris", inputs: $inputs, version: $version) { source } }',
    { inputs, version },
  );

/** The total number of runs over all batch sizes. */
const runsOf = (sizes: VersionStatistics['batchSizes']): number => sizes.reduce((sum, { runs }) => sum + runs, 0);

describe('the statistics of a version', () => {
  it('count calls, rows, runs, durations and cache hits', async () => {
    const before = await seen();
    const rows = freshRows(5);
    expect((await predict(rows)).errors).toEqual([]);
    const cold = await seen();
    expect(cold.first).toMatchObject({
      successes: before.first.successes + 1,
      failures: before.first.failures,
      rows: before.first.rows + 5,
      runs: before.first.runs + 1,
      cacheHits: before.first.cacheHits,
      cacheMisses: before.first.cacheMisses + 5,
      pending: 0,
    });
    expect(cold.first.computeMs).toBeGreaterThan(before.first.computeMs);
    expect(cold.first.queueMs).toBeGreaterThan(before.first.queueMs);

    expect((await predict(rows)).data.predict[0].source).toBe('CACHE');
    const warm = await seen();
    expect(warm.first).toMatchObject({
      successes: cold.first.successes + 1,
      rows: cold.first.rows,
      runs: cold.first.runs,
      cacheHits: cold.first.cacheHits + 5,
      cacheMisses: cold.first.cacheMisses,
    });
  });

  it('count each run once by batch size, in powers of two', async () => {
    const sizeOf = ({ batchSizes }: VersionStatistics, rows: number): number =>
      batchSizes.find((size) => size.rows === rows)?.runs ?? 0;
    const before = (await seen()).first;
    await predict(freshRows(1));
    await predict(freshRows(5));
    await predict(freshRows(8));
    const after = (await seen()).first;
    expect([1, 8].map((rows) => sizeOf(after, rows) - sizeOf(before, rows))).toEqual([1, 2]);
    expect(runsOf(after.batchSizes)).toBe(after.runs);
  });

  it('are separate for each version', async () => {
    const before = await seen();
    await predict(freshRows(3), 2);
    const after = await seen();
    expect(after.second.successes).toBe(before.second.successes + 1);
    expect(after.first).toEqual(before.first);
  });

  it('count invalid input neither as success nor as failure', async () => {
    const before = await seen();
    expect((await predict([{ petal_length: 'long', petal_width: 1 }])).errors).toHaveLength(1);
    const after = await seen();
    expect([after.first.successes, after.first.rows, after.first.runs]).toEqual([
      before.first.successes,
      before.first.rows,
      before.first.runs,
    ]);
  });

  it('include the comparison with the shadow', async () => {
    const before = (await seen()).shadow;
    expect(before).toMatchObject({ version: 2, percent: 100, differences: 0, largestDifference: 0, failures: 0 });
    await predict(freshRows(4));
    for (let look = 0; look < 100 && (await seen()).shadow.rows < (before.rows as number) + 4; look += 1)
      await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await seen()).shadow).toEqual({ ...before, rows: (before.rows as number) + 4 });
  });
});
