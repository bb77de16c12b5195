import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { deploymentChannel } from '../../src/domains/deployment/deployment.service.js';
import {
  codesOf,
  startGateway,
  type AnyData,
  type GraphQLResponse,
  type Caller,
  type TestGateway,
} from '../support/gateway.js';
import { makeShapeStore, type ShapeStore } from '../support/shape-store.js';
import { waitUntil } from '../support/wait-until.js';

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
  await waitUntil(async () => (await servingVersion()) === 1);
});
afterAll(async () => {
  await gateway.close();
  await store.remove();
});

/** Publishes a release of the client `kiosk` with one document that selects sizes, and one that does not. */
async function publish(to: TestGateway): Promise<void> {
  const manifest = {
    sizes: 'query Sizes($inputs: [SizeInput!]!) {\n  predictSize(inputs: $inputs) { y }\n}',
    names: '{ models { name } }',
  };
  const published = await to.execute(
    'admin',
    'mutation ($manifest: JSONObject!) { publishDocuments(client: "kiosk", version: "7", manifest: $manifest) { id } }',
    { manifest },
  );
  expect(published.errors).toEqual([]);
}

const broken =
  'The models have other inputs or outputs, which breaks 1 live document: client kiosk 7, document sizes (Sizes), line 2';

const promote = (version: number, caller: Caller = 'admin', more = ''): Promise<GraphQLResponse<AnyData>> =>
  gateway.execute<AnyData>(
    caller,
    `mutation { promoteModel(name: "size", version: ${version}${more}) { current { version } } }`,
  );
const rollback = (more = ''): Promise<GraphQLResponse<AnyData>> =>
  gateway.execute<AnyData>('admin', `mutation { rollbackModel(name: "size"${more}) { current { version } } }`);
const servingVersion = async (): Promise<number> =>
  (await gateway.execute<AnyData>('user', '{ model(name: "size") { current { version } } }')).data.model.current
    .version as number;
const rows = () => gateway.db.selectFrom('model_deployment').selectAll().execute();
const force = ', allowBreakingChanges: true';

describe('a promotion to a version of another shape', () => {
  it('is rejected if it breaks a published document, which is listed, and changes nothing', async () => {
    const before = await rows();
    const response = await promote(3);
    expect(codesOf(response)).toEqual(['CONFLICT']);
    expect(response.errors[0]?.message).toMatch(
      /^Version 3 of size has other inputs or outputs, which would break 1 live document: client kiosk 7, document sizes \(Sizes\), line 2, column 34: /,
    );
    expect(response.errors[0]?.extensions.documents).toEqual([
      {
        client: 'kiosk',
        version: '7',
        id: 'sizes',
        operation: 'Sizes',
        line: 2,
        column: 34,
        message: expect.stringContaining('SizePrediction.y'),
      },
    ]);
    expect([await servingVersion(), await rows()]).toEqual([1, before]);
  });

  it('is applied and logged if an ADMIN allows breaking changes', async () => {
    const response = await promote(3, 'admin', force);
    expect([response.errors, response.data.promoteModel]).toEqual([[], { current: { version: 3 } }]);
    await waitUntil(() => gateway.logs.some(({ msg }) => String(msg).startsWith(broken)));
  });

  it('stays rejected for other roles', async () => {
    for (const caller of ['user', 'manager'] as const)
      expect(codesOf(await promote(3, caller, force))).toEqual(['FORBIDDEN']);
    expect(await servingVersion()).toBe(1);
  });

  it('is accepted for a version of the same shape', async () => {
    expect((await promote(2)).data.promoteModel).toEqual({ current: { version: 2 } });
  });

  it('is accepted once the affected release is retired', async () => {
    const manifest = { sizes: '{ predictSize(inputs: [{ x: 1 }]) { y } }' };
    await gateway.execute('admin', 'mutation { retireDocuments(client: "kiosk", version: "7") { retiredReleaseId } }');
    expect((await promote(3)).errors).toEqual([]);
    expect((await rollback()).errors).toEqual([]);
    await gateway.execute(
      'admin',
      'mutation ($manifest: JSONObject!) { publishDocuments(client: "kiosk", version: "8", manifest: $manifest) { id } }',
      { manifest },
    );
    expect(codesOf(await promote(3))).toEqual(['CONFLICT']);
  });
});

describe('a rollback to a version of another shape', () => {
  it('is rejected with the same error, changes nothing, and can be forced', async () => {
    await promote(3, 'admin', force);
    expect((await promote(2, 'admin', force)).errors).toEqual([]);
    const before = await rows();
    const rejected = await rollback();
    expect(codesOf(rejected)).toEqual(['CONFLICT']);
    expect(rejected.errors[0]?.message).toContain(
      'Version 3 of size has other inputs or outputs, which would break 1 live document: client kiosk',
    );
    expect([await servingVersion(), await rows()]).toEqual([2, before]);
    expect((await rollback(force)).data.rollbackModel).toEqual({ current: { version: 3 } });
  });

  it('is rejected without an earlier version', async () => {
    const response = await rollback();
    expect([codesOf(response), response.errors[0]?.message]).toEqual([
      ['CONFLICT'],
      expect.stringContaining('has no earlier version to roll back to'),
    ]);
  });
});

describe('a model that changes on disk', () => {
  it('cannot be rejected, and is logged as an error', async () => {
    const ownStore = await makeShapeStore();
    const own = await startGateway({ MODEL_STORE: ownStore.dir, MODEL_STORE_POLL_MS: '50' });
    try {
      await publish(own);
      await ownStore.makeCurrent(3);
      await waitUntil(() => own.logs.some(({ msg }) => String(msg).startsWith(broken)));
      expect(
        (await own.execute<AnyData>('user', '{ predictSize(inputs: [{ x: 2 }]) { y version } }')).data.predictSize,
      ).toEqual([{ y: 2, version: 3 }]);
    } finally {
      await own.close();
      await ownStore.remove();
    }
  });
});
