import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { setTimeout as sleep } from 'node:timers/promises';
import { deploymentChannel } from '../../src/domains/prediction/deployment.service.js';
import { codesOf, startGateway, type Any, type Answer, type Asker, type TestGateway } from '../kit/gateway.js';
import { makeShapeStore, type ShapeStore } from '../kit/shape-store.js';

let store: ShapeStore;
let gateway: TestGateway;
beforeAll(async () => {
  store = await makeShapeStore();
  gateway = await startGateway({ MODEL_STORE: store.dir, MODEL_STORE_POLL_MS: '50' });
  await publish(gateway);
});
afterEach(async () => {
  await store.makeCurrent(1);
  await gateway.db.deleteFrom('model_deployment').execute();
  await sql`select pg_notify(${deploymentChannel}, '')`.execute(gateway.db);
  await until(async () => (await answering()) === 1);
});
afterAll(async () => {
  await gateway.close();
  await store.remove();
});

/** Releases the client `kiosk` with a document that asks for sizes, and one that does not. */
async function publish(to: TestGateway): Promise<void> {
  const manifest = { sizes: 'query Sizes($inputs: [SizeInput!]!) {\n  predictSize(inputs: $inputs) { y }\n}', names: '{ models { name } }' };
  const published = await to.ask('admin', 'mutation ($manifest: JSONObject!) { publishDocuments(client: "kiosk", version: "7", manifest: $manifest) { id } }', { manifest });
  expect(published.errors).toEqual([]);
}

const broken = 'The models have other inputs or outputs, which breaks 1 live document: client kiosk 7, document sizes (Sizes), line 2';

const promote = (version: number, asker: Asker = 'admin', more = ''): Promise<Answer<Any>> =>
  gateway.ask<Any>(asker, `mutation { promoteModel(name: "size", version: ${version}${more}) { current { version } } }`);
const rollback = (more = ''): Promise<Answer<Any>> => gateway.ask<Any>('admin', `mutation { rollbackModel(name: "size"${more}) { current { version } } }`);
const answering = async (): Promise<number> => (await gateway.ask<Any>('user', '{ model(name: "size") { current { version } } }')).data.model.current.version as number;
const rows = () => gateway.db.selectFrom('model_deployment').selectAll().execute();
const force = ', evenIfDocumentsBreak: true';

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('it did not come to hold in time');
    await sleep(25);
  }
}

describe('a promotion to a version of another shape', () => {
  it('is refused where a published document would break, names it, and changes nothing', async () => {
    const before = await rows();
    const answer = await promote(3);
    expect(codesOf(answer)).toEqual(['CONFLICT']);
    expect(answer.errors[0]?.message).toMatch(/^Version 3 of size has other inputs or outputs, which would break 1 live document: client kiosk 7, document sizes \(Sizes\), line 2, column 34: /);
    expect(answer.errors[0]?.extensions.documents).toEqual([
      { client: 'kiosk', version: '7', id: 'sizes', operation: 'Sizes', line: 2, column: 34, message: expect.stringContaining('SizePrediction.y') },
    ]);
    expect([await answering(), await rows()]).toEqual([1, before]);
  });

  it('is done all the same where an ADMIN says so, and told in the log', async () => {
    const answer = await promote(3, 'admin', force);
    expect([answer.errors, answer.data.promoteModel]).toEqual([[], { current: { version: 3 } }]);
    await until(() => gateway.logs.some(({ msg }) => String(msg).startsWith(broken)));
  });

  it('stays refused to everyone else', async () => {
    for (const asker of ['user', 'manager'] as const) expect(codesOf(await promote(3, asker, force))).toEqual(['FORBIDDEN']);
    expect(await answering()).toBe(1);
  });

  it('is let pass to one of the same shape', async () => {
    expect((await promote(2)).data.promoteModel).toEqual({ current: { version: 2 } });
  });

  it('is let pass once the release that it would break is retired', async () => {
    const manifest = { sizes: '{ predictSize(inputs: [{ x: 1 }]) { y } }' };
    await gateway.ask('admin', 'mutation { retireDocuments(client: "kiosk", version: "7") }');
    expect((await promote(3)).errors).toEqual([]);
    expect((await rollback()).errors).toEqual([]);
    await gateway.ask('admin', 'mutation ($manifest: JSONObject!) { publishDocuments(client: "kiosk", version: "8", manifest: $manifest) { id } }', { manifest });
    expect(codesOf(await promote(3))).toEqual(['CONFLICT']);
  });
});

describe('a rollback to a version of another shape', () => {
  it('is refused in the same words, changes nothing, and can be done all the same', async () => {
    await promote(3, 'admin', force);
    expect((await promote(2, 'admin', force)).errors).toEqual([]);
    const before = await rows();
    const refused = await rollback();
    expect(codesOf(refused)).toEqual(['CONFLICT']);
    expect(refused.errors[0]?.message).toContain('Version 3 of size has other inputs or outputs, which would break 1 live document: client kiosk');
    expect([await answering(), await rows()]).toEqual([2, before]);
    expect((await rollback(force)).data.rollbackModel).toEqual({ current: { version: 3 } });
  });

  it('still says that there is nothing to go back to', async () => {
    const answer = await rollback();
    expect([codesOf(answer), answer.errors[0]?.message]).toEqual([['CONFLICT'], expect.stringContaining('has no earlier version to go back to')]);
  });
});

describe('a model that changes on disk', () => {
  it('cannot be refused, and is told loudly in the log', async () => {
    const ownStore = await makeShapeStore();
    const own = await startGateway({ MODEL_STORE: ownStore.dir, MODEL_STORE_POLL_MS: '50' });
    try {
      await publish(own);
      await ownStore.makeCurrent(3);
      await until(() => own.logs.some(({ msg }) => String(msg).startsWith(broken)));
      expect((await own.ask<Any>('user', '{ predictSize(inputs: [{ x: 2 }]) { y version } }')).data.predictSize).toEqual([{ y: 2, version: 3 }]);
    } finally {
      await own.close();
      await ownStore.remove();
    }
  });
});
