import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { Role } from '../../src/auth/viewer.js';
import { deploymentChannel } from '../../src/domains/deployment/deployment.service.js';
import {
  codesOf,
  fieldsOf,
  startGateway,
  type AnyData,
  type GraphQLResponse,
  type Caller,
  type TestGateway,
} from '../support/gateway.js';
import { flower, makeIrisStore, type IrisStore } from '../support/iris-store.js';
import { addPerson, setRole } from '../support/people.js';
import { waitUntil } from '../support/wait-until.js';

let store: IrisStore;
let gateway: TestGateway;
beforeAll(async () => {
  store = await makeIrisStore({ versions: [1, 2, 3] });
  gateway = await startGateway({ MODEL_STORE: store.dir, MODEL_STORE_POLL_MS: '0' });
});
afterEach(async () => {
  await gateway.db.deleteFrom('model_deployment').execute();
  await sql`select pg_notify(${deploymentChannel}, '')`.execute(gateway.db);
  await waitUntil(async () => (await servingVersion()) === 1);
});
afterAll(async () => {
  await gateway.close();
  await store.remove();
});

const shown = '{ name current { version } deployment { version earlierVersions changedAt changedBy { email } } }';
const promote = (version: number, caller: Caller = 'admin', name = 'iris'): Promise<GraphQLResponse<AnyData>> =>
  gateway.execute<AnyData>(caller, `mutation { promoteModel(name: "${name}", version: ${version}) ${shown} }`);
const clear = (caller: Caller = 'admin', name = 'iris'): Promise<GraphQLResponse<AnyData>> =>
  gateway.execute<AnyData>(
    caller,
    `mutation { clearDeployment(model: "${name}") { clearedVersion clearedEarlierVersions model ${shown} } }`,
  );
const problems = async (): Promise<string[]> =>
  (await gateway.execute<AnyData>('admin', '{ model(name: "iris") { problems } }')).data.model.problems as string[];
const rollback = (caller: Caller = 'admin', name = 'iris'): Promise<GraphQLResponse<AnyData>> =>
  gateway.execute<AnyData>(caller, `mutation { rollbackModel(name: "${name}") ${shown} }`);
/** The version that serves predictions. */
const servingVersion = async (): Promise<number> =>
  (await gateway.execute<AnyData>('user', `{ predict(model: "iris", inputs: [${flower}]) { version } }`)).data
    .predict[0].version as number;
const rows = () => gateway.db.selectFrom('model_deployment').selectAll().execute();

/** Locks the row until `count` statements wait for it, so that the calls contend for it. */
async function contend(
  count: number,
  calls: () => Promise<GraphQLResponse<AnyData>>[],
): Promise<GraphQLResponse<AnyData>[]> {
  const { db } = gateway;
  const waiting = sql<{
    count: number;
  }>`select count(*)::integer as count from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  const { pending } = await db.transaction().execute(async (holder) => {
    await holder.selectFrom('model_deployment').select('model').forUpdate().execute();
    const promises = calls();
    await waitUntil(async () => ((await waiting.execute(db)).rows[0]?.count ?? 0) >= count);
    return { pending: promises };
  });
  return Promise.all(pending);
}

describe('promoting a version', () => {
  it('makes it the current version and records who promoted it', async () => {
    expect(await servingVersion()).toBe(1);
    const promoted = await promote(2);
    expect(promoted.errors).toEqual([]);
    expect(promoted.data.promoteModel).toEqual({
      name: 'iris',
      current: { version: 2 },
      deployment: {
        version: 2,
        earlierVersions: [1],
        changedAt: expect.any(String),
        changedBy: { email: 'admin@example.com' },
      },
    });
    expect(await servingVersion()).toBe(2);
  });

  it('keeps other versions available by number', async () => {
    await promote(2);
    const { data } = await gateway.execute<AnyData>(
      'user',
      `{ predict(model: "iris", version: 1, inputs: [${flower}]) { version } }`,
    );
    expect(data.predict).toEqual([{ version: 1 }]);
  });

  it('changes nothing if the version is already promoted', async () => {
    await promote(2);
    const before = await rows();
    expect((await promote(2)).data.promoteModel.deployment).toMatchObject({ version: 2, earlierVersions: [1] });
    expect(await rows()).toEqual(before);
  });

  it('pins the version of the manifest, which leaves no earlier version to roll back to', async () => {
    expect((await promote(1)).data.promoteModel.deployment).toMatchObject({ version: 1, earlierVersions: [] });
    expect(codesOf(await rollback())).toEqual(['CONFLICT']);
  });

  it('rejects a version that is not served, lists those that are, and changes nothing', async () => {
    const rejected = await promote(9);
    expect([codesOf(rejected), fieldsOf(rejected), rejected.errors[0]?.message]).toEqual([
      ['BAD_USER_INPUT'],
      ['version'],
      'Invalid input: version is not served; iris serves 1, 2, 3.',
    ]);
    expect(await rows()).toEqual([]);
  });

  it('returns NOT_FOUND for an unknown model', async () => {
    expect([codesOf(await promote(1, 'admin', 'no-such')), codesOf(await rollback('admin', 'no-such'))]).toEqual([
      ['NOT_FOUND'],
      ['NOT_FOUND'],
    ]);
    expect(await rows()).toEqual([]);
  });

  it('applies one of several concurrent promotions and returns CONFLICT to the others', async () => {
    await promote(2);
    const responses = await contend(4, () => [3, 3, 1, 1].map((version) => promote(version)));
    expect(responses.flatMap(codesOf)).toEqual(['CONFLICT', 'CONFLICT', 'CONFLICT']);
    expect(responses.flatMap(({ errors }) => errors.map(({ message }) => message))[0]).toBe(
      'Concurrent update of iris detected; read its current version and retry.',
    );
    const [row] = await rows();
    expect(row).toMatchObject({ revision: 2, earlier_versions: [2, 1] });
    expect(responses.find(({ errors }) => errors.length === 0)?.data.promoteModel.current.version).toBe(row?.version);
  });

  it('records every concurrent first promotion or returns CONFLICT', async () => {
    const responses = await Promise.all([2, 3, 2, 3, 2, 3].map((version) => promote(version)));
    for (const response of responses) if (response.errors.length > 0) expect(codesOf(response)).toEqual(['CONFLICT']);
    const [row] = await rows();
    // Each change increments the revision and prepends the previous version.
    expect(row?.revision).toBe(row?.earlier_versions.length);
    expect(responses.filter((response) => response.errors.length === 0).length).toBeGreaterThanOrEqual(
      row?.revision ?? 0,
    );
    const path = [row?.version, ...(row?.earlier_versions ?? [])];
    expect(path.at(-1)).toBe(1);
    expect(path.every((version, at) => version !== path[at + 1])).toBe(true);
    expect(await servingVersion()).toBe(row?.version);
  });

  it('keeps 20 earlier versions', async () => {
    for (let turn = 0; turn < 22; turn += 1) expect((await promote(2 + (turn % 2))).errors).toEqual([]);
    const [row] = await rows();
    expect(row?.earlier_versions).toHaveLength(20);
    expect(row?.earlier_versions.slice(0, 3)).toEqual([2, 3, 2]);
  });
});

describe('rolling back a model', () => {
  it('undoes promotions one by one', async () => {
    await promote(2);
    await promote(3);
    const first = await rollback();
    expect(first.data.rollbackModel).toMatchObject({
      current: { version: 2 },
      deployment: { version: 2, earlierVersions: [1] },
    });
    expect(await servingVersion()).toBe(2);
    const second = await rollback();
    expect(second.data.rollbackModel).toMatchObject({
      current: { version: 1 },
      deployment: { version: 1, earlierVersions: [] },
    });
    expect(await servingVersion()).toBe(1);
  });

  it('returns CONFLICT with the remedy if there is no earlier version, and changes nothing', async () => {
    const rejected = await rollback();
    expect([codesOf(rejected), rejected.errors[0]?.message]).toEqual([
      ['CONFLICT'],
      'iris has no earlier version to roll back to; it serves 1, 2, 3, and 1 is current. Promote a version instead.',
    ]);
    expect(await rows()).toEqual([]);
  });

  it('skips versions that are no longer served', async () => {
    await promote(2);
    await promote(3);
    await gateway.db
      .updateTable('model_deployment')
      .set({ earlier_versions: JSON.stringify([9, 3, 2, 1]) as never })
      .execute();
    expect((await rollback()).data.rollbackModel).toMatchObject({
      current: { version: 2 },
      deployment: { version: 2, earlierVersions: [1] },
    });
  });

  it('goes back one step for two concurrent rollbacks and returns CONFLICT to one', async () => {
    await promote(2);
    await promote(3);
    const responses = await contend(2, () => [rollback(), rollback()]);
    expect(responses.flatMap(codesOf)).toEqual(['CONFLICT']);
    expect((await rows())[0]).toMatchObject({ version: 2, earlier_versions: [1] });
    expect(await servingVersion()).toBe(2);
  });
});

describe('clearing a promotion', () => {
  it('returns the choice to the manifest, with what was cleared', async () => {
    await promote(2);
    await promote(3);
    gateway.logs.length = 0;
    const cleared = await clear();
    expect(cleared.errors).toEqual([]);
    expect(cleared.data.clearDeployment).toEqual({
      clearedVersion: 3,
      clearedEarlierVersions: [2, 1],
      model: { name: 'iris', current: { version: 1 }, deployment: null },
    });
    expect(await servingVersion()).toBe(1);
    expect(await rows()).toMatchObject([{ model: 'iris', version: null, earlier_versions: [] }]);
    expect(gateway.logs.filter(({ model }) => model === 'iris')).toEqual([
      expect.objectContaining({
        level: 'info',
        msg: 'promotion cleared; the manifest selects the version',
        modelVersion: 1,
        digest: expect.stringMatching(/^[0-9a-f]{64}$/),
        durationMs: expect.any(Number),
      }),
    ]);
  });

  it('leaves nothing to roll back to', async () => {
    await promote(2);
    await promote(3);
    await clear();
    expect(codesOf(await rollback())).toEqual(['CONFLICT']);
    expect(await servingVersion()).toBe(1);
    expect((await promote(2)).data.promoteModel.deployment.earlierVersions).toEqual([1]);
  });

  it('changes nothing if no version is promoted', async () => {
    const unchanged = {
      clearedVersion: null,
      clearedEarlierVersions: [],
      model: { name: 'iris', current: { version: 1 }, deployment: null },
    };
    expect((await clear()).data.clearDeployment).toEqual(unchanged);
    expect(await rows()).toEqual([]);
    await promote(2);
    await clear();
    const before = await rows();
    expect((await clear()).data.clearDeployment).toEqual(unchanged);
    expect(await rows()).toEqual(before);
  });

  it('keeps a stopped canary stopped', async () => {
    const digest = 'd'.repeat(64);
    await promote(2);
    await gateway.db
      .updateTable('model_deployment')
      .set({ stopped_canary_digest: digest, stopped_canary_reason: 'failed' })
      .execute();
    await clear();
    expect(await rows()).toMatchObject([{ version: null, stopped_canary_digest: digest }]);
  });

  it('returns NOT_FOUND for an unknown model, and CONFLICT to one of two concurrent calls', async () => {
    expect(codesOf(await clear('admin', 'no-such'))).toEqual(['NOT_FOUND']);
    expect(await rows()).toEqual([]);
    await promote(2);
    const responses = await contend(2, () => [clear(), promote(3)]);
    expect(responses.flatMap(codesOf)).toEqual(['CONFLICT']);
  });
});

describe('a promotion that overrides the manifest', () => {
  const override =
    'iris: version 2 is promoted and overrides the manifest, which selects version 1; clearDeployment returns the choice to the manifest';

  it('is among the problems of the model until it is cleared, but not counted as one', async () => {
    await promote(2);
    expect(await problems()).toEqual([override]);
    const readiness = await (await fetch(new URL('/readyz', gateway.url))).json();
    expect(readiness.parts.models.detail).toBe('1 loaded');
    const metrics = await (await fetch(new URL('/metrics', gateway.url))).text();
    expect(metrics).toContain('auspex_model_problems{model="iris"} 0');
    await clear();
    expect(await problems()).toEqual([]);
  });

  it('is not reported if the manifest selects the same version', async () => {
    await promote(1);
    expect(await problems()).toEqual([]);
  });

  it('is logged once when it takes effect, with name, version, digest and duration', async () => {
    gateway.logs.length = 0;
    await promote(2);
    await promote(2);
    const lines = gateway.logs.filter(({ model, modelVersion }) => model === 'iris' && modelVersion === 2);
    const fields = { level: 'info', digest: expect.stringMatching(/^[0-9a-f]{64}$/) };
    expect(lines).toEqual([
      expect.objectContaining({
        ...fields,
        msg: 'promotion overrides the manifest',
        manifestVersion: 1,
        overrides: [override],
      }),
      expect.objectContaining({ ...fields, msg: 'model version promoted', durationMs: expect.any(Number) }),
    ]);
  });
});

describe('authorization of promotion, rollback and clearing', () => {
  it('requires a signed-in administrator; a rejection changes nothing', async () => {
    await promote(2);
    const before = await rows();
    for (const [caller, code] of [
      [null, 'UNAUTHENTICATED'],
      ['user', 'FORBIDDEN'],
      ['manager', 'FORBIDDEN'],
    ] as const) {
      const rejected = [await promote(3, caller), await rollback(caller), await clear(caller)];
      expect([caller, ...rejected.map(codesOf)]).toEqual([caller, [code], [code], [code]]);
    }
    expect(await rows()).toEqual(before);
    expect(await servingVersion()).toBe(2);
  });

  it('rejects API keys and administrators demoted since their access token was issued', async () => {
    const key = await gateway.execute<AnyData>(
      'admin',
      'mutation { createApiKey(name: "deployments", scopes: ["predict", "employees:read"]) { secret } }',
    );
    expect(key.errors).toEqual([]);
    const apiKey = { apiKey: key.data.createApiKey.secret as string };
    const ofKey = [await promote(2, apiKey), await rollback(apiKey), await clear(apiKey)];
    expect(ofKey.map(codesOf)).toEqual([['FORBIDDEN'], ['FORBIDDEN'], ['FORBIDDEN']]);

    const former = await addPerson(gateway, Role.ADMIN);
    expect((await promote(2, former)).errors).toEqual([]);
    await setRole(gateway, former, Role.USER);
    const before = await rows();
    const ofFormer = [await promote(3, former), await rollback(former), await clear(former)];
    expect(ofFormer.map(codesOf)).toEqual([['UNAUTHENTICATED'], ['UNAUTHENTICATED'], ['UNAUTHENTICATED']]);
    expect(await rows()).toEqual(before);
  });

  it('keeps a promotion after its author’s account is deleted', async () => {
    const former = await addPerson(gateway, Role.ADMIN);
    await promote(2, former);
    await gateway.db.deleteFrom('user_account').where('id', '=', former.uuid).execute();
    const { data } = await gateway.execute<AnyData>('admin', `{ model(name: "iris") ${shown} }`);
    expect(data.model.deployment).toMatchObject({ version: 2, changedBy: null });
  });
});

describe('a model', () => {
  it('shows its deployment only to administrators', async () => {
    await promote(2);
    const document =
      '{ models { name canary { version } shadow { version } problems deployment { version } current { version statistics { runs } } } }';
    const seen = await gateway.execute<AnyData>('admin', document);
    expect(seen.errors).toEqual([]);
    expect(seen.data.models).toEqual([
      {
        name: 'iris',
        canary: null,
        shadow: null,
        problems: [expect.stringContaining('version 2 is promoted')],
        deployment: { version: 2 },
        current: { version: 2, statistics: { runs: expect.any(Number) } },
      },
    ]);
    for (const caller of ['user', 'manager'] as const) {
      const rejected = await gateway.execute<AnyData>(caller, document);
      expect(rejected.data.models).toEqual([
        {
          name: 'iris',
          canary: null,
          shadow: null,
          problems: null,
          deployment: null,
          current: { version: 2, statistics: null },
        },
      ]);
      expect(rejected.errors.map(({ path, extensions }) => [path?.slice(2).join('.'), extensions.code]).sort()).toEqual(
        ['canary', 'current.statistics', 'deployment', 'problems', 'shadow'].map((field) => [field, 'FORBIDDEN']),
      );
    }
  });
});
