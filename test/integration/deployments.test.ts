import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { Role } from '../../src/auth/viewer.js';
import { deploymentChannel } from '../../src/domains/prediction/deployment.service.js';
import { codesOf, fieldsOf, startGateway, type Any, type Answer, type Asker, type TestGateway } from '../kit/gateway.js';
import { flower, makeIrisStore, type IrisStore } from '../kit/iris-store.js';
import { addPerson } from '../kit/people.js';
import { until } from '../kit/until.js';

let store: IrisStore;
let gateway: TestGateway;
beforeAll(async () => {
  store = await makeIrisStore({ versions: [1, 2, 3] });
  gateway = await startGateway({ MODEL_STORE: store.dir, MODEL_STORE_POLL_MS: '0' });
});
afterEach(async () => {
  await gateway.db.deleteFrom('model_deployment').execute();
  await sql`select pg_notify(${deploymentChannel}, '')`.execute(gateway.db);
  await until(async () => (await answering()) === 1);
});
afterAll(async () => {
  await gateway.close();
  await store.remove();
});

const shown = '{ name current { version } deployment { version earlierVersions changedAt changedBy { email } } }';
const promote = (version: number, asker: Asker = 'admin', name = 'iris'): Promise<Answer<Any>> =>
  gateway.ask<Any>(asker, `mutation { promoteModel(name: "${name}", version: ${version}) ${shown} }`);
const rollback = (asker: Asker = 'admin', name = 'iris'): Promise<Answer<Any>> => gateway.ask<Any>(asker, `mutation { rollbackModel(name: "${name}") ${shown} }`);
/** The version that answers a prediction. */
const answering = async (): Promise<number> => (await gateway.ask<Any>('user', `{ predict(model: "iris", inputs: [${flower}]) { version } }`)).data.predict[0].version as number;
const rows = () => gateway.db.selectFrom('model_deployment').selectAll().execute();

/** Holds the row until `count` statements wait for it, so that changes that come at once surely meet. */
async function meeting(count: number, calls: () => Promise<Answer<Any>>[]): Promise<Answer<Any>[]> {
  const { db } = gateway;
  const waiting = sql<{ count: number }>`select count(*)::integer as count from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  const { asked } = await db.transaction().execute(async (holder) => {
    await holder.selectFrom('model_deployment').select('model').forUpdate().execute();
    const promises = calls();
    await until(async () => ((await waiting.execute(db)).rows[0]?.count ?? 0) >= count);
    return { asked: promises };
  });
  return Promise.all(asked);
}

describe('promoting a version', () => {
  it('makes it the one that answers, and says by whom', async () => {
    expect(await answering()).toBe(1);
    const promoted = await promote(2);
    expect(promoted.errors).toEqual([]);
    expect(promoted.data.promoteModel).toEqual({
      name: 'iris',
      current: { version: 2 },
      deployment: { version: 2, earlierVersions: [1], changedAt: expect.any(String), changedBy: { email: 'admin@example.com' } },
    });
    expect(await answering()).toBe(2);
  });

  it('leaves the other versions to those who ask for them', async () => {
    await promote(2);
    const { data } = await gateway.ask<Any>('user', `{ predict(model: "iris", version: 1, inputs: [${flower}]) { version } }`);
    expect(data.predict).toEqual([{ version: 1 }]);
  });

  it('changes nothing where it is promoted already', async () => {
    await promote(2);
    const before = await rows();
    expect((await promote(2)).data.promoteModel.deployment).toMatchObject({ version: 2, earlierVersions: [1] });
    expect(await rows()).toEqual(before);
  });

  it('pins the version that the manifest says, which leaves nothing to go back to', async () => {
    expect((await promote(1)).data.promoteModel.deployment).toMatchObject({ version: 1, earlierVersions: [] });
    expect(codesOf(await rollback())).toEqual(['CONFLICT']);
  });

  it('names the versions that are served where another is asked for, and changes nothing', async () => {
    const refused = await promote(9);
    expect([codesOf(refused), fieldsOf(refused), refused.errors[0]?.message]).toEqual([
      ['BAD_USER_INPUT'],
      ['version'],
      'Invalid input: version is not served; iris serves 1, 2, 3.',
    ]);
    expect(await rows()).toEqual([]);
  });

  it('does not know a model that is not served', async () => {
    expect([codesOf(await promote(1, 'admin', 'no-such')), codesOf(await rollback('admin', 'no-such'))]).toEqual([['NOT_FOUND'], ['NOT_FOUND']]);
    expect(await rows()).toEqual([]);
  });

  it('tells all but one of those that meet to try again', async () => {
    await promote(2);
    const answers = await meeting(4, () => [3, 3, 1, 1].map((version) => promote(version)));
    expect(answers.flatMap(codesOf)).toEqual(['CONFLICT', 'CONFLICT', 'CONFLICT']);
    expect(answers.flatMap(({ errors }) => errors.map(({ message }) => message))[0]).toBe(
      'Another change of iris came between; see which version answers now, and try again.',
    );
    const [row] = await rows();
    expect(row).toMatchObject({ revision: 2, earlier_versions: [2, 1] });
    expect(answers.find(({ errors }) => errors.length === 0)?.data.promoteModel.current.version).toBe(row?.version);
  });

  it('loses none where none was promoted before: each one stands in the history, or was told to try again', async () => {
    const answers = await Promise.all([2, 3, 2, 3, 2, 3].map((version) => promote(version)));
    for (const answer of answers) if (answer.errors.length > 0) expect(codesOf(answer)).toEqual(['CONFLICT']);
    const [row] = await rows();
    // Each change counted the revision up by one, and left what answered before it behind.
    expect(row?.revision).toBe(row?.earlier_versions.length);
    expect(answers.filter((answer) => answer.errors.length === 0).length).toBeGreaterThanOrEqual(row?.revision ?? 0);
    const path = [row?.version, ...(row?.earlier_versions ?? [])];
    expect(path.at(-1)).toBe(1);
    expect(path.every((version, at) => version !== path[at + 1])).toBe(true);
    expect(await answering()).toBe(row?.version);
  });

  it('keeps no more than 20 versions to go back to', async () => {
    for (let turn = 0; turn < 22; turn += 1) expect((await promote(2 + (turn % 2))).errors).toEqual([]);
    const [row] = await rows();
    expect(row?.earlier_versions).toHaveLength(20);
    expect(row?.earlier_versions.slice(0, 3)).toEqual([2, 3, 2]);
  });
});

describe('rolling back', () => {
  it('undoes one promotion after the other', async () => {
    await promote(2);
    await promote(3);
    const first = await rollback();
    expect(first.data.rollbackModel).toMatchObject({ current: { version: 2 }, deployment: { version: 2, earlierVersions: [1] } });
    expect(await answering()).toBe(2);
    const second = await rollback();
    expect(second.data.rollbackModel).toMatchObject({ current: { version: 1 }, deployment: { version: 1, earlierVersions: [] } });
    expect(await answering()).toBe(1);
  });

  it('says what to do where there is nothing to go back to, and changes nothing', async () => {
    const refused = await rollback();
    expect([codesOf(refused), refused.errors[0]?.message]).toEqual([
      ['CONFLICT'],
      'iris has no earlier version to go back to; it serves 1, 2, 3, and 1 answers: promote the one that should.',
    ]);
    expect(await rows()).toEqual([]);
  });

  it('passes over versions that are served no more', async () => {
    await promote(2);
    await promote(3);
    await gateway.db.updateTable('model_deployment').set({ earlier_versions: JSON.stringify([9, 3, 2, 1]) as never }).execute();
    expect((await rollback()).data.rollbackModel).toMatchObject({ current: { version: 2 }, deployment: { version: 2, earlierVersions: [1] } });
  });

  it('goes one step where two administrators ask at once, and tells the other one', async () => {
    await promote(2);
    await promote(3);
    const answers = await meeting(2, () => [rollback(), rollback()]);
    expect(answers.flatMap(codesOf)).toEqual(['CONFLICT']);
    expect((await rows())[0]).toMatchObject({ version: 2, earlier_versions: [1] });
    expect(await answering()).toBe(2);
  });
});

describe('who may', () => {
  it('is an administrator who signed in; a refusal changes nothing', async () => {
    await promote(2);
    const before = await rows();
    for (const [asker, code] of [[null, 'UNAUTHENTICATED'], ['user', 'FORBIDDEN'], ['manager', 'FORBIDDEN']] as const) {
      expect([asker, codesOf(await promote(3, asker)), codesOf(await rollback(asker))]).toEqual([asker, [code], [code]]);
    }
    expect(await rows()).toEqual(before);
    expect(await answering()).toBe(2);
  });

  it('is not an API key, nor who was an administrator when the access token was made', async () => {
    const key = await gateway.ask<Any>('admin', 'mutation { createApiKey(name: "deployments", scopes: ["predict", "employees:read"]) { secret } }');
    expect(key.errors).toEqual([]);
    const apiKey = { apiKey: key.data.createApiKey.secret as string };
    expect([codesOf(await promote(2, apiKey)), codesOf(await rollback(apiKey))]).toEqual([['FORBIDDEN'], ['FORBIDDEN']]);

    const former = await addPerson(gateway, Role.ADMIN);
    expect((await promote(2, former)).errors).toEqual([]);
    await gateway.db.updateTable('user_account').set({ role: Role.USER }).where('id', '=', former.uuid).execute();
    const before = await rows();
    expect([codesOf(await promote(3, former)), codesOf(await rollback(former))]).toEqual([['FORBIDDEN'], ['FORBIDDEN']]);
    expect(await rows()).toEqual(before);
  });

  it('has the name forgotten with the account, not the promotion', async () => {
    const former = await addPerson(gateway, Role.ADMIN);
    await promote(2, former);
    await gateway.db.deleteFrom('user_account').where('id', '=', former.uuid).execute();
    const { data } = await gateway.ask<Any>('admin', `{ model(name: "iris") ${shown} }`);
    expect(data.model.deployment).toMatchObject({ version: 2, changedBy: null });
  });
});

describe('a model', () => {
  it('shows an administrator what was decided, and nobody else', async () => {
    await promote(2);
    const document = '{ models { name canary { version } shadow { version } problems deployment { version } current { version statistics { runs } } } }';
    const seen = await gateway.ask<Any>('admin', document);
    expect(seen.errors).toEqual([]);
    expect(seen.data.models).toEqual([
      { name: 'iris', canary: null, shadow: null, problems: [], deployment: { version: 2 }, current: { version: 2, statistics: { runs: expect.any(Number) } } },
    ]);
    for (const asker of ['user', 'manager'] as const) {
      const refused = await gateway.ask<Any>(asker, document);
      expect(refused.data.models).toEqual([{ name: 'iris', canary: null, shadow: null, problems: null, deployment: null, current: { version: 2, statistics: null } }]);
      expect(refused.errors.map(({ path, extensions }) => [path?.slice(2).join('.'), extensions.code]).sort()).toEqual(
        ['canary', 'current.statistics', 'deployment', 'problems', 'shadow'].map((field) => [field, 'FORBIDDEN']),
      );
    }
  });
});
