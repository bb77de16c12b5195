import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { deploymentChannel } from '../../src/domains/deployment/deployment.service.js';
import { codesOf, startGateway, type AnyData, type Caller, type TestGateway } from '../support/gateway.js';
import { makeIrisStore, type IrisStore } from '../support/iris-store.js';
import { waitUntil } from '../support/wait-until.js';

const steps = 'current: 1\ncanary: { version: 2, steps: [50, 100], min_calls: 20 }';
let store: IrisStore;
let gateway: TestGateway;
beforeAll(async () => {
  store = await makeIrisStore({ versions: [1, 2, 3], manifest: steps });
  gateway = await startGateway({ MODEL_STORE: store.dir, MODEL_STORE_POLL_MS: '50' });
});
beforeEach(async () => {
  await gateway.db.deleteFrom('canary_evidence').execute();
  await gateway.db.deleteFrom('model_deployment').execute();
  await exchange();
  await waitUntil(async () => (await iris()).current.version === 1);
});
afterAll(async () => {
  await gateway.close();
  await store.remove();
});

const iris = async (): Promise<AnyData> =>
  (
    await gateway.execute<AnyData>(
      'admin',
      `{ model(name: "iris") { current { version digest } canary { version percent steps by stopped calls failures currentCalls } } }`,
    )
  ).data.model;
const restart = (caller: Caller = 'admin', model = 'iris') =>
  gateway.execute<AnyData>(
    caller,
    `mutation { restartCanary(model: "${model}") { canary { percent stopped calls } } }`,
  );
const rows = () => gateway.db.selectFrom('model_deployment').selectAll().execute();
const events = async (action: string): Promise<AnyData[]> =>
  (
    await gateway.execute<AnyData>(
      'admin',
      `{ auditLog(first: 5, filter: { action: ${action} }) { nodes { action actor { email } before after client } } }`,
    )
  ).data.auditLog.nodes as AnyData[];

/** Makes the gateway exchange its evidence, which it otherwise does every five seconds. */
const exchange = () => sql`select pg_notify(${deploymentChannel}, '')`.execute(gateway.db);

let petals = 1;
/** The versions that serve calls whose rows are not cached. */
async function servingVersions(calls: number, headers: Record<string, string> = {}): Promise<number[]> {
  const versions: number[] = [];
  for (let call = 0; call < calls; call += 1) {
    petals += 0.001;
    const document = `{ predict(model: "iris", inputs: [{ petal_length: ${petals}, petal_width: 1 }]) { version } }`;
    const { data } = await gateway.execute<AnyData>('user', document, {}, headers);
    versions.push(data.predict[0].version as number);
  }
  return versions;
}

/** Stops the canary as another replica does. */
async function stopped(reason: string): Promise<void> {
  const { digest } = (await iris()).current;
  await sql`insert into model_deployment (model, stopped_canary_digest, stopped_canary_reason) values ('iris', ${digest}, ${reason})`.execute(
    gateway.db,
  );
  await exchange();
  await waitUntil(async () => (await iris()).canary.stopped === reason);
}

describe('restartCanary', () => {
  it('lifts the stop, at the first step and without evidence, and is audited', async () => {
    await stopped('3 of 3 calls failed');
    expect([...new Set(await servingVersions(10))]).toEqual([1]);
    const restarted = await restart();
    expect(restarted.errors).toEqual([]);
    expect(restarted.data.restartCanary.canary).toEqual({ percent: 50, stopped: null, calls: 0 });
    expect([...new Set(await servingVersions(20))].sort()).toEqual([1, 2]);
    expect(await rows()).toMatchObject([{ canary_restarts: 1, stopped_canary_digest: null }]);
    expect((await events('MODEL_CANARY_RESTART'))[0]).toMatchObject({
      actor: { email: 'admin@example.com' },
      before: { canaryStopped: '3 of 3 calls failed', canaryRestarts: 0 },
      after: { canaryStopped: null, canaryRestarts: 1 },
    });
  });

  it('is for administrators with a session; a rejection changes nothing', async () => {
    await stopped('3 of 3 calls failed');
    const before = await rows();
    const key = await gateway.execute<AnyData>(
      'admin',
      'mutation { createApiKey(name: "canaries", scopes: ["predict"]) { secret } }',
    );
    const apiKey = { apiKey: key.data.createApiKey.secret as string };
    const rejected = [];
    for (const caller of [null, 'user', 'manager', apiKey] as const) rejected.push(codesOf(await restart(caller)));
    expect(rejected).toEqual([['UNAUTHENTICATED'], ['FORBIDDEN'], ['FORBIDDEN'], ['FORBIDDEN']]);
    expect(await rows()).toEqual(before);
  });

  it('returns NOT_FOUND for an unknown model, and CONFLICT for one whose canary is the current version', async () => {
    expect(codesOf(await restart('admin', 'no-such'))).toEqual(['NOT_FOUND']);
    await gateway.execute('admin', 'mutation { promoteModel(name: "iris", version: 2) { name } }');
    const before = await rows();
    expect(codesOf(await restart())).toEqual(['CONFLICT']);
    expect(await rows()).toEqual(before);
  });
});

describe('a canary with steps', () => {
  it('is promoted after its last step, and does not start again after a rollback', async () => {
    expect((await iris()).canary).toMatchObject({ percent: 50, steps: [50, 100], by: 'request' });
    await waitUntil(async () => {
      await servingVersions(20);
      await exchange();
      return (await iris()).current.version === 2;
    });
    expect(await rows()).toMatchObject([
      {
        version: 2,
        earlier_versions: [1],
        changed_by: null,
        canary_percent: 100,
        stopped_canary_reason: expect.any(String),
      },
    ]);
    expect((await events('MODEL_PROMOTE'))[0]).toMatchObject({
      actor: null,
      client: 'auspex',
      before: { version: null, canaryPercent: null },
      after: { version: 2, canaryPercent: 100 },
    });
    expect(gateway.logs).toContainEqual(
      expect.objectContaining({ msg: 'canary share increased', model: 'iris', from: 50, to: 100 }),
    );
    expect(await gateway.db.selectFrom('canary_evidence').select('model').execute()).toEqual([{ model: 'iris' }]);

    await gateway.execute('admin', 'mutation { rollbackModel(name: "iris") { name } }');
    expect((await iris()).canary.stopped).toBe(
      'It was promoted after its last step, and is no longer the current version.',
    );
    expect([...new Set(await servingVersions(10))]).toEqual([1]);
    expect((await restart()).data.restartCanary.canary).toEqual({ percent: 50, stopped: null, calls: 0 });
  });

  it('is compared with the version that an administrator promotes meanwhile, from its first call on', async () => {
    await servingVersions(30);
    expect((await iris()).canary.currentCalls).toBeGreaterThan(0);
    await gateway.execute('admin', 'mutation { promoteModel(name: "iris", version: 3) { name } }');
    expect(await iris()).toMatchObject({ current: { version: 3 }, canary: { calls: 0, currentCalls: 0 } });
    await waitUntil(async () => {
      await servingVersions(10);
      await exchange();
      return (await iris()).current.version === 2;
    });
    expect(await rows()).toMatchObject([{ version: 2, earlier_versions: [3, 1] }]);
  });
});

describe('a canary by header', () => {
  it('serves the same values of the header, and no request without it', async () => {
    await store.writeManifest("current: 1\ncanary: { version: 2, percent: 50, by: 'header:X-Tenant' }");
    await waitUntil(async () => (await iris()).canary.by === 'header:X-Tenant');
    const byTenant: number[][] = [];
    for (let tenant = 0; tenant < 12; tenant += 1)
      byTenant.push([...new Set(await servingVersions(3, { 'x-tenant': `tenant-${tenant}` }))]);
    expect(byTenant.map((versions) => versions.length)).toEqual(Array(12).fill(1));
    expect([...new Set(byTenant.flat())].sort()).toEqual([1, 2]);
    expect([...new Set(await servingVersions(10))]).toEqual([1]);
  });
});
