import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { deploymentChannel } from '../../src/domains/deployment/deployment.service.js';
import { startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { loopingModel } from '../support/looping-model.js';
import { scrape, valueOf } from '../support/metrics.js';
import { bytesField, elementTypes, modelOf, node, text, valueInfo } from '../support/onnx-proto.js';
import { slowSteps } from '../support/outage-store.js';
import { reasonToSkipRedis, startRedis, type TestRedis } from '../support/redis.js';
import { throwingModel } from '../support/throwing-model.js';
import { waitUntil } from '../support/wait-until.js';

const reasonToSkip = reasonToSkipRedis();

let dir: string;
let redis: TestRedis;
let one: TestGateway;
let other: TestGateway;

/** A model that returns its input, whose dimensions are [N, 1]. */
const echoing = (input: string): Uint8Array =>
  modelOf([
    ...bytesField(1, node('Identity', [input], 'done')),
    ...bytesField(2, text('echoing')),
    ...bytesField(11, valueInfo(input, elementTypes.int64, ['N', 1])),
    ...bytesField(12, valueInfo('done', elementTypes.int64, ['N', 1])),
  ]);

/** Adds a model whose canary, selected by a header, is another graph. */
async function addModel(name: string, input: string, canary: Uint8Array, serving: object): Promise<void> {
  for (const [version, bytes] of [echoing(input), canary].entries()) {
    const folder = path.join(dir, name, String(version + 1));
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, 'model.onnx'), bytes);
    await writeFile(path.join(folder, 'golden.jsonl'), `{"input":{"${input}":0},"output":{"done":0}}\n`);
  }
  const rollout = { current: 1, versions: 'all', canary: { version: 2, percent: 50, by: 'header:X-Tenant' } };
  const manifest = { title: name, ...rollout, serving, inputs: { [input]: {} }, outputs: { done: {} } };
  await writeFile(path.join(dir, name, 'model.json'), JSON.stringify(manifest));
}

(reasonToSkip === null ? describe : describe.skip)(`the canaries of two gateways${reasonToSkip ?? ''}`, () => {
  beforeAll(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'auspex-canaries-'));
    await addModel('throws', 'step', throwingModel(), {});
    await addModel('slow', 'steps', loopingModel(), { deadline_ms: 2_000, ttl_seconds: 1, stale_seconds: 600 });
    redis = await startRedis();
    const env = { MODEL_STORE: dir, MODEL_STORE_POLL_MS: '0', INFERENCE_THREADS: '1', REDIS_URL: redis.url };
    one = await startGateway(env);
    other = await startGateway({ ...env, DATABASE_URL: one.databaseUrl });
  }, 120_000);
  afterAll(async () => {
    await other.close();
    await one.close();
    await redis.stop();
    await rm(dir, { recursive: true, force: true });
  }, 60_000);

  const predict = async (gateway: TestGateway, model: string, input: object, tenant: string): Promise<AnyData> => {
    const document =
      'query ($model: String!, $inputs: [JSONObject!]!) { predict(model: $model, inputs: $inputs) { version source output } }';
    const { data, errors } = await gateway.execute<AnyData>(
      'user',
      document,
      { model, inputs: [input] },
      { 'x-tenant': tenant },
    );
    expect(errors).toEqual([]);
    return data.predict[0];
  };
  const canaryOf = async (gateway: TestGateway, model: string): Promise<AnyData> =>
    (
      await gateway.execute<AnyData>(
        'admin',
        `{ model(name: "${model}") { canary { stopped calls failures currentCalls currentFailures } } }`,
      )
    ).data.model.canary;
  const measured = async (gateway: TestGateway, name: string, labels: Record<string, string>) =>
    valueOf(await scrape(gateway.url.replace('/graphql', '/metrics')), name, labels);

  /** Failures in the evidence of both; makes them exchange it now instead of every five seconds. */
  async function storedFailures(): Promise<number> {
    await sql`select pg_notify(${deploymentChannel}, '')`.execute(one.db);
    const { rows } = await sql<{
      failures: number;
    }>`select (evidence->'canary'->>'failures')::int as failures from canary_evidence where model = 'throws'`.execute(
      one.db,
    );
    return rows[0]?.failures ?? 0;
  }

  /** The versions that values of the header get, by calls that both versions can serve. */
  async function tenants(model: string, input: string): Promise<{ canary: string; current: string }> {
    const found = new Map<number, string>();
    for (let tenant = 0; found.size < 2; tenant += 1) {
      // Version 2 of both models returns 0 for 0.
      const { version } = await predict(one, model, { [input]: 0 }, `tenant-${tenant}`);
      found.set(version as number, `tenant-${tenant}`);
    }
    return { canary: found.get(2) ?? '', current: found.get(1) ?? '' };
  }

  it('add up what each sees, and stop together', async () => {
    const tenant = await tenants('throws', 'step');
    let step = 1;
    const sent = new Map([one, other].map((gateway) => [gateway, 0]));
    const isStopped = async (): Promise<boolean> => (await canaryOf(one, 'throws')).stopped !== null;
    while (!(await isStopped()) && step < 100) {
      // Each gateway gets one call of each version in turn, and neither has enough alone.
      for (const gateway of [one, other]) {
        sent.set(gateway, (sent.get(gateway) ?? 0) + 1);
        // The current version repeats the call on which the canary fails.
        expect(await predict(gateway, 'throws', { step: (step += 1) }, tenant.canary)).toMatchObject({ version: 1 });
        await predict(gateway, 'throws', { step: (step += 1) }, tenant.current);
      }
      const calls = [...sent.values()].reduce((sum, each) => sum + each, 0);
      // The last call of each may be in a block that is still open.
      await waitUntil(async () => (await isStopped()) || (await storedFailures()) >= calls - 2, 'The exchange', 20_000);
    }
    await waitUntil(async () => (await canaryOf(other, 'throws')).stopped !== null, 'The stop', 20_000);
    const [canary, same] = [await canaryOf(one, 'throws'), await canaryOf(other, 'throws')];
    expect(same.stopped).toBe(canary.stopped);
    const [, failures] = /^(\d+) of \d+ calls failed, and 0 of \d+ of the current version/.exec(canary.stopped) ?? [];
    for (const ofGateway of sent.values()) expect(Number(failures)).toBeGreaterThan(ofGateway);

    for (const gateway of [one, other]) {
      expect(await measured(gateway, 'auspex_model_canary_stopped', { model: 'throws' })).toBe(1);
      const before = await measured(gateway, 'auspex_inference_request_failure_total', {
        model: 'throws',
        version: '2',
      });
      for (let call = 0; call < 3; call += 1) await predict(gateway, 'throws', { step: (step += 1) }, tenant.canary);
      expect(await measured(gateway, 'auspex_inference_request_failure_total', { model: 'throws', version: '2' })).toBe(
        before,
      );
    }
    const audited = await one.execute<AnyData>(
      'admin',
      '{ auditLog(first: 5, filter: { action: MODEL_CANARY_STOP }) { nodes { after } } }',
    );
    expect(audited.data.auditLog.nodes).toHaveLength(1);

    await other.execute('admin', 'mutation { restartCanary(model: "throws") { name } }');
    await waitUntil(async () => (await canaryOf(one, 'throws')).stopped === null, 'The restart', 20_000);
    expect(await predict(one, 'throws', { step: 0 }, tenant.canary)).toMatchObject({ version: 2 });
  }, 120_000);

  it('count a late call and a stale result as failures of the canary, in metrics and evidence', async () => {
    const tenant = await tenants('slow', 'steps');
    const fresh = await predict(one, 'slow', { steps: 3 }, tenant.canary);
    expect(fresh).toEqual({ version: 2, source: 'MODEL', output: { done: 3 } });
    await predict(one, 'slow', { steps: 4 }, tenant.current);
    const labels = { model: 'slow', version: '2' };
    const [late, stale, failed] = [
      'auspex_inference_late_requests_total',
      'auspex_inference_stale_rows_total',
      'auspex_inference_request_failure_total',
    ] as const;
    expect([await measured(one, late, labels), await measured(one, stale, labels)]).toEqual([0, 0]);
    // Beyond the TTL of one second.
    await sleep(1_200);

    // The canary occupies the only thread. After half of the deadline the current version repeats the call.
    const slow = predict(one, 'slow', { steps: slowSteps }, tenant.canary);
    await waitUntil(
      async () => ((await measured(one, 'auspex_inference_pending_rows', labels)) ?? 0) > 0,
      'The slow call',
      5_000,
    );
    expect(await predict(one, 'slow', { steps: 3 }, tenant.canary)).toEqual({
      version: 2,
      source: 'STALE',
      output: { done: 3 },
    });
    expect(await slow).toMatchObject({ version: 1, output: { done: slowSteps } });
    expect([
      await measured(one, late, labels),
      await measured(one, stale, labels),
      await measured(one, failed, labels),
    ]).toEqual([1, 1, 2]);
    // The other gateway has the evidence after an exchange of each; a gateway without calls of both versions exchanges none.
    let steps = 4;
    const exchanged = async (): Promise<boolean> => {
      for (const gateway of [one, other])
        for (const header of [tenant.current, tenant.canary])
          await predict(gateway, 'slow', { steps: (steps += 1) }, header);
      await sleep(200);
      return (await canaryOf(other, 'slow')).failures >= 2;
    };
    await waitUntil(exchanged, 'The evidence', 20_000);
    expect(await canaryOf(other, 'slow')).toMatchObject({ currentFailures: 0, stopped: null });
  }, 120_000);
});
