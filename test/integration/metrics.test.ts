import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import fastify from 'fastify';
import type { VersionStatistics } from '../../src/inference/serving/predictor.js';
import { modelMetrics, type MeasuredModel } from '../../src/metrics/models.js';
import { addMetricsRoute } from '../../src/metrics/registry.js';
import { modelsHealth } from '../../src/http/routes/health.js';
import { ConfigError } from '../../src/errors/operator-error.js';
import { startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { flower, makeIrisStore, type IrisStore } from '../support/iris-store.js';
import { parse, scrape, valueOf, type Family, type Sample } from '../support/metrics.js';
import { freePort } from '../support/redis.js';
import { waitUntil } from '../support/wait-until.js';

const port = (url: string): string => new URL(url).port;

describe('the metrics endpoint', () => {
  let store: IrisStore;
  let gateway: TestGateway;
  beforeAll(async () => {
    store = await makeIrisStore({ versions: [1, 2], manifest: 'current: 1\nshadow: { version: 2, percent: 0 }' });
    gateway = await startGateway({ MODEL_STORE: store.dir, MODEL_STORE_POLL_MS: '50' });
  });
  afterAll(async () => {
    await gateway.close();
    await store.remove();
  });
  const metrics = () => scrape(gateway.metricsUrl ?? '');
  const predict = async (row: string) =>
    expect((await gateway.execute('user', `{ predict(model: "iris", inputs: [${row}]) { id } }`)).errors).toEqual([]);
  const first = { model: 'iris', version: '1' };

  it('is on the GraphQL port outside production, without authentication', async () => {
    expect(gateway.metricsUrl).toBe(new URL('/metrics', gateway.url).href);
    await metrics();
  });

  it('counts each request once, regardless of scrapes', async () => {
    const before = await metrics();
    await predict(flower);
    await predict(flower);
    await metrics();
    const after = await metrics();
    const increase = (name: string): number =>
      (valueOf(after, name, first) ?? NaN) - (valueOf(before, name, first) ?? NaN);
    expect({
      successes: increase('auspex_inference_request_success_total'),
      failures: increase('auspex_inference_request_failure_total'),
      rows: increase('auspex_inference_rows_total'),
      runs: increase('auspex_inference_exec_total'),
      hits: increase('auspex_inference_cache_hits_total'),
      misses: increase('auspex_inference_cache_misses_total'),
      pending: valueOf(after, 'auspex_inference_pending_rows', first),
    }).toEqual({ successes: 2, failures: 0, rows: 1, runs: 1, hits: 1, misses: 1, pending: 0 });
    expect(increase('auspex_inference_compute_duration_seconds_total')).toBeGreaterThan(0);
    expect(increase('auspex_inference_compute_duration_seconds_total')).toBeLessThan(1);
    expect(increase('auspex_inference_queue_duration_seconds_total')).toBeLessThan(1);
  });

  it('agrees with ModelVersion.statistics', async () => {
    const { data } = await gateway.execute<AnyData>(
      'admin',
      '{ model(name: "iris") { versions { version statistics { successes rows runs computeMs } } } }',
    );
    const families = await metrics();
    for (const { version, statistics } of data.model.versions) {
      const labels = { model: 'iris', version: String(version) };
      expect(valueOf(families, 'auspex_inference_request_success_total', labels)).toBe(statistics.successes);
      expect(valueOf(families, 'auspex_inference_rows_total', labels)).toBe(statistics.rows);
      expect(valueOf(families, 'auspex_inference_batch_size_rows_count', labels)).toBe(statistics.runs);
      expect(valueOf(families, 'auspex_inference_compute_duration_seconds_total', labels)).toBeCloseTo(
        statistics.computeMs / 1000,
        9,
      );
    }
  });

  it('shows the role of each version, and follows a promotion', async () => {
    const roles = async (): Promise<string[]> =>
      (await metrics())
        .get('auspex_model_version_role')
        ?.samples.map(({ labels }) => `${labels.role} ${labels.version}`) ?? [];
    expect(await roles()).toEqual(['current 1', 'shadow 2']);
    expect(
      (await gateway.execute('admin', 'mutation { promoteModel(name: "iris", version: 2) { name } }')).errors,
    ).toEqual([]);
    expect(await roles()).toEqual(['current 2']);
    expect((await gateway.execute('admin', 'mutation { rollbackModel(name: "iris") { name } }')).errors).toEqual([]);
  });

  it('includes process metrics', async () => {
    const families = await metrics();
    expect(families.get('process_cpu_seconds_total')?.type).toBe('counter');
    expect(families.get('nodejs_eventloop_lag_seconds')?.type).toBe('gauge');
    expect(families.get('nodejs_heap_size_used_bytes')?.samples[0]?.value).toBeGreaterThan(1_000_000);
  });

  it('shows an invalid model like /readyz, which stays ready, until it is fixed', async () => {
    expect(valueOf(await metrics(), 'auspex_model_problems', { model: 'iris' })).toBe(0);
    await writeFile(path.join(store.dir, 'iris', 'model.yaml'), 'title: [');
    await waitUntil(async () => (valueOf(await metrics(), 'auspex_model_problems', { model: 'iris' }) ?? 0) > 0);
    const readiness = async () => {
      const response = await fetch(new URL('/readyz', gateway.url));
      return { status: response.status, models: (await response.json()).parts.models };
    };
    expect(await readiness()).toEqual({
      status: 200,
      models: {
        isRequired: true,
        isUp: true,
        detail: expect.stringMatching(/^1 loaded; broken: iris: .*iris\/model\.yaml/),
      },
    });
    const { data } = await gateway.execute<AnyData>('admin', '{ model(name: "iris") { problems } }');
    expect(data.model.problems[0]).toContain('iris/model.yaml');
    await predict(flower);
    await store.writeManifest();
    await waitUntil(async () => valueOf(await metrics(), 'auspex_model_problems', { model: 'iris' }) === 0);
    expect((await readiness()).models.detail).toBe('1 loaded');
  });

  it('drops the series of a removed version', async () => {
    expect(
      valueOf(await metrics(), 'auspex_inference_request_success_total', { model: 'iris', version: '2' }),
    ).toBeDefined();
    await store.removeVersion(2);
    await waitUntil(
      async () =>
        valueOf(await metrics(), 'auspex_inference_request_success_total', { model: 'iris', version: '2' }) ===
        undefined,
    );
    const left = [...(await metrics()).values()]
      .flatMap(({ samples }) => samples)
      .filter(({ labels }) => labels.model === 'iris' && labels.version === '2');
    expect(left).toEqual([]);
  });
});

describe('METRICS_PORT', () => {
  it('moves metrics to a separate port', async () => {
    const gateway = await startGateway({ METRICS_PORT: '0' });
    try {
      expect(port(gateway.metricsUrl ?? '')).not.toBe(port(gateway.url));
      await scrape(gateway.metricsUrl ?? '');
      expect((await fetch(new URL('/metrics', gateway.url))).status).toBe(404);
      expect((await fetch(new URL('/graphql', gateway.metricsUrl ?? ''), { method: 'POST' })).status).toBe(404);
    } finally {
      await gateway.close();
    }
  });

  it('is required for metrics in production', async () => {
    const production = { NODE_ENV: 'production', DEMO_DATA: 'true' };
    const gateway = await startGateway(production);
    try {
      expect(gateway.metricsUrl).toBeNull();
      expect((await fetch(new URL('/metrics', gateway.url))).status).toBe(404);
    } finally {
      await gateway.close();
    }
    const separate = await startGateway({ ...production, METRICS_PORT: '0' });
    try {
      await scrape(separate.metricsUrl ?? '');
      expect((await fetch(new URL('/metrics', separate.url))).status).toBe(404);
    } finally {
      await separate.close();
    }
  });

  it('must be free and differ from PORT', async () => {
    const taken = fastify();
    const takenPort = await freePort();
    await taken.listen({ host: '127.0.0.1', port: takenPort });
    try {
      await expect(startGateway({ METRICS_PORT: String(takenPort) })).rejects.toThrow(
        `METRICS_PORT ${takenPort} is in use on 127.0.0.1`,
      );
      await expect(startGateway({ PORT: '4123', METRICS_PORT: '4123' })).rejects.toThrow(ConfigError);
      await expect(startGateway({ PORT: '4123', METRICS_PORT: '4123' })).rejects.toThrow(
        'METRICS_PORT must differ from PORT, 4123',
      );
    } finally {
      await taken.close();
    }
  });
});

describe('model metrics', () => {
  const statistics: VersionStatistics = {
    successes: 5_000_000_000,
    failures: 3,
    staleRows: 11,
    invalidRows: 12,
    lateCalls: 13,
    rows: 1 + 2 * 7 + 1500 + 70_000,
    runs: 5,
    queueMs: 1500,
    computeMs: 250,
    cacheHits: 7,
    cacheMisses: 8,
    pending: 9,
    droppedRows: 10,
    batchSizes: [
      { rows: 1, runs: 1 },
      { rows: 8, runs: 2 },
      { rows: 2048, runs: 1 },
      { rows: 65_536, runs: 1 },
    ],
  };
  const model: MeasuredModel = {
    name: 'a "model"\\with\nsigns',
    versions: [{ version: 4, statistics, isFailing: false }],
    current: { version: 4 },
    canary: {
      version: 5,
      percent: 10,
      calls: 40,
      failures: 2,
      currentCalls: 60,
      currentFailures: 1,
      stopped: 'too slow',
    },
    shadow: {
      version: 6,
      percent: 20,
      rows: 30,
      differences: 4,
      largestDifference: 0.25,
      failures: 1,
      outputs: [
        {
          name: 'price',
          meanAbsoluteDifference: 1.5,
          p95AbsoluteDifference: 4,
          meanRelativeDifference: 0.01,
          p95RelativeDifference: 0.05,
          labelAgreement: null,
        },
        {
          name: 'species',
          meanAbsoluteDifference: null,
          p95AbsoluteDifference: null,
          meanRelativeDifference: null,
          p95RelativeDifference: null,
          labelAgreement: 0.9,
        },
      ],
    },
    problems: [],
  };
  const read = async (
    models: MeasuredModel[],
    problems: { model: string; problems: string[] }[] = [],
  ): Promise<Map<string, Family>> => {
    const server = fastify();
    addMetricsRoute(server, [
      modelMetrics({
        models: () => models,
        problems: () => problems,
        memoryBytes: () => 3000,
        admission: (name) =>
          name === model.name ? { waitingRows: 11, runningRows: 12, rejections: { queue_full: 13, wait: 14 } } : null,
      }),
    ]);
    const { body } = await server.inject('/metrics');
    await server.close();
    return parse(body);
  };

  it('expose exact numbers, and seconds for durations, with escaped labels', async () => {
    const families = await read([model]);
    const of = (name: string): number | undefined =>
      valueOf(families, `auspex_inference_${name}`, { model: model.name, version: '4' });
    expect(
      [
        'request_success_total',
        'request_failure_total',
        'stale_rows_total',
        'invalid_rows_total',
        'late_requests_total',
        'rows_total',
        'exec_total',
        'cache_hits_total',
        'cache_misses_total',
        'pending_rows',
        'dropped_rows_total',
        'breaker_open',
      ].map(of),
    ).toEqual([5_000_000_000, 3, 11, 12, 13, 71_515, 5, 7, 8, 9, 10, 0]);
    expect([of('queue_duration_seconds_total'), of('compute_duration_seconds_total')]).toEqual([1.5, 0.25]);
  });

  it('count the calls that wait for their admission or were rejected, from 0', async () => {
    const families = await read([model, { ...model, name: 'idle' }]);
    const of = (name: string, labels: Record<string, string>): number | undefined =>
      valueOf(families, `auspex_inference_${name}`, labels);
    const rejections = (name: string) =>
      ['queue_full', 'wait'].map((reason) => of('admission_rejections_total', { model: name, reason }));
    expect([of('waiting_rows', { model: model.name }), ...rejections(model.name)]).toEqual([11, 13, 14]);
    expect([of('waiting_rows', { model: 'idle' }), ...rejections('idle')]).toEqual([0, 0, 0]);
  });

  it('report a version that fails on every row, which is no problem of the repository', async () => {
    const failing = { ...model, versions: [{ version: 4, statistics, isFailing: true }], problems: ['it fails'] };
    const families = await read([failing]);
    const labels = { model: model.name };
    expect(valueOf(families, 'auspex_inference_breaker_open', { ...labels, version: '4' })).toBe(1);
    expect(valueOf(families, 'auspex_model_problems', labels)).toBe(0);
  });

  it('have a valid histogram of batch sizes', async () => {
    const samples = (await read([model])).get('auspex_inference_batch_size_rows')?.samples ?? [];
    const buckets = samples
      .filter(({ name }) => name.endsWith('_bucket'))
      .map(({ labels, value }) => [labels.le, value]);
    expect(buckets).toEqual([
      ...[1, 2, 4].map((le) => [String(le), 1]),
      ...[8, 16, 32, 64, 128, 256, 512, 1024].map((le) => [String(le), 3]),
      ['+Inf', 5],
    ]);
    expect(samples.filter(({ name }) => !name.endsWith('_bucket')).map(({ name, value }) => [name, value])).toEqual([
      ['auspex_inference_batch_size_rows_sum', statistics.rows],
      ['auspex_inference_batch_size_rows_count', 5],
    ]);
  });

  it('include canaries, shadows and models that are not loaded', async () => {
    const families = await read([model], [{ model: 'broken', problems: ['no manifest', 'no version'] }]);
    const of = (name: string, labels: Record<string, string>): number | undefined =>
      valueOf(families, `auspex_model_${name}`, labels);
    expect([of('canary_percent', { version: '5' }), of('canary_stopped', { version: '5' })]).toEqual([10, 1]);
    const roles = ['canary', 'current'].map((role) => ({ version: '5', role }));
    expect(roles.map((labels) => [of('canary_requests', labels), of('canary_failures', labels)])).toEqual([
      [40, 2],
      [60, 1],
    ]);
    expect(
      ['rows_total', 'differences_total', 'failures_total', 'largest_difference_ratio', 'percent'].map((name) =>
        of(`shadow_${name}`, { version: '6' }),
      ),
    ).toEqual([30, 4, 1, 0.25, 20]);
    const ofPrice = { version: '6', output: 'price' };
    expect(
      ['mean', 'p95'].map((statistic) => [
        of('shadow_absolute_difference', { ...ofPrice, statistic }),
        of('shadow_relative_difference_ratio', { ...ofPrice, statistic }),
      ]),
    ).toEqual([
      [1.5, 0.01],
      [4, 0.05],
    ]);
    expect(of('shadow_label_agreement_ratio', { version: '6', output: 'species' })).toBe(0.9);
    expect([of('problems', { model: model.name }), of('problems', { model: 'broken' })]).toEqual([0, 2]);
  });

  it('drop the series of removed models', async () => {
    const models = [model];
    const server = fastify();
    addMetricsRoute(server, [
      modelMetrics({ models: () => models, problems: () => [], memoryBytes: () => 3000, admission: () => null }),
    ]);
    const before = parse((await server.inject('/metrics')).body);
    models.pop();
    const after = parse((await server.inject('/metrics')).body);
    await server.close();
    const ofModels = (families: Map<string, Family>): Sample[] =>
      [...families.values()].flatMap(({ samples }) => samples);
    expect(ofModels(before)).toHaveLength(14 + 14 + 3 + 3 + 2 + 4 + 5 + 5 + 2 + 1);
    expect(ofModels(after)).toEqual([{ name: 'auspex_model_memory_bytes', labels: {}, value: 3000 }]);
  });
});

describe('the health of models', () => {
  it('lists the number of models and the first problem of each invalid one, truncated', () => {
    const served = [
      { name: 'iris', problems: [] },
      { name: 'car-price', problems: ['a is wrong', 'b is wrong'] },
    ];
    expect(
      modelsHealth(served, [
        { model: 'car-price', problems: ['a is wrong', 'b is wrong'] },
        { model: 'new', problems: ['no manifest'] },
      ]),
    ).toEqual({
      isRequired: true,
      isUp: true,
      detail: '2 loaded; broken: car-price: a is wrong; new: no manifest',
    });
    expect(modelsHealth([], [])).toEqual({ isRequired: true, isUp: false, detail: '0 loaded' });
    const long =
      modelsHealth(
        [],
        Array.from({ length: 50 }, (_, at) => ({ model: `model-${at}`, problems: ['x'.repeat(100)] })),
      ).detail ?? '';
    expect([long.length, long.at(-1)]).toEqual([300, '…']);
  });
});
