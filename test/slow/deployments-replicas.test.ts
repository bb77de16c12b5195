import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { AuditLog, gatewayCaller } from '../../src/audit/audit-log.js';
import { openOrm } from '../../src/database/orm.js';
import { recordCanaryStop, type ChangeOfGateway } from '../../src/domains/deployment/canary.service.js';
import { DeploymentWatcher } from '../../src/domains/deployment/deployment.watcher.js';
import { domains } from '../../src/domains/index.js';
import type { CanaryStop, Deployment } from '../../src/inference/serving/predictor.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { flower, makeIrisStore, type IrisStore } from '../support/iris-store.js';
import { waitUntil } from '../support/wait-until.js';

const servingVersion = async (gateway: TestGateway): Promise<number> => {
  const response = await gateway.execute<AnyData>(
    'user',
    `{ predict(model: "iris", inputs: [${flower}]) { version } }`,
  );
  expect(response.errors).toEqual([]);
  return response.data.predict[0].version as number;
};
const promote = async (gateway: TestGateway, version: number): Promise<void> => {
  const response = await gateway.execute<AnyData>(
    'admin',
    `mutation { promoteModel(name: "iris", version: ${version}) { current { version } } }`,
  );
  expect(response.errors).toEqual([]);
  expect(response.data.promoteModel.current.version).toBe(version);
};
const rollback = async (gateway: TestGateway): Promise<void> => {
  expect((await gateway.execute<AnyData>('admin', 'mutation { rollbackModel(name: "iris") { name } }')).errors).toEqual(
    [],
  );
};

/** The number of connections that listen for deployment changes. */
async function listeners({ db }: TestGateway): Promise<number> {
  const { rows } =
    await sql`select from pg_stat_activity where datname = current_database() and query like 'listen "auspex_model_deployment"%'`.execute(
      db,
    );
  return rows.length;
}

/** Terminates the connections that listen for deployment changes, once `count` of them do. */
async function cutListeners(gateway: TestGateway, count: number): Promise<void> {
  await waitUntil(async () => (await listeners(gateway)) === count);
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query like 'listen "auspex_model_deployment"%'`.execute(
    gateway.db,
  );
}

/** Makes changes of a gateway in a database. */
function openChange({ databaseUrl }: TestGateway): { change: ChangeOfGateway; close: () => Promise<void> } {
  const orm = openOrm({ url: databaseUrl, entities: domains.flatMap((domain) => domain.entities), poolSize: 3 });
  const audit = new AuditLog({ orm, log: createLogger('silent') });
  return {
    change: (make) => audit.change(gatewayCaller, make),
    async close() {
      await audit.close();
      await orm.close();
    },
  };
}

describe('two replicas', () => {
  let store: IrisStore;
  let one: TestGateway;
  let other: TestGateway;
  const another = (): Promise<TestGateway> =>
    startGateway({ MODEL_STORE: store.dir, MODEL_STORE_POLL_MS: '0', DATABASE_URL: one.databaseUrl });

  beforeAll(async () => {
    store = await makeIrisStore({ versions: [1, 2], manifest: 'current: 1\ncanary: { version: 2, percent: 50 }' });
    one = await startGateway({ MODEL_STORE: store.dir, MODEL_STORE_POLL_MS: '0' });
    other = await another();
  });
  afterAll(async () => {
    await other.close();
    await one.close();
    await store.remove();
  });

  const canaryOf = async (gateway: TestGateway): Promise<AnyData> =>
    (await gateway.execute<AnyData>('admin', '{ model(name: "iris") { canary { version stopped } } }')).data.model
      .canary;
  const currentOf = async (gateway: TestGateway): Promise<number> =>
    (await gateway.execute<AnyData>('user', '{ model(name: "iris") { current { version } } }')).data.model.current
      .version;

  it('switch together on promotion and rollback', async () => {
    expect([await currentOf(one), await currentOf(other)]).toEqual([1, 1]);
    await promote(one, 2);
    // By the notification, before the next poll in 5 s.
    await waitUntil(async () => (await currentOf(other)) === 2, 'The change', 3_000);
    expect([await servingVersion(one), await servingVersion(other)]).toEqual([2, 2]);
    await rollback(other);
    await waitUntil(async () => (await currentOf(one)) === 1, 'The change', 3_000);
  });

  it('return to the manifest together when the promotion is cleared', async () => {
    await promote(one, 2);
    await waitUntil(async () => (await currentOf(other)) === 2, 'The promotion', 3_000);
    const cleared = await other.execute<AnyData>(
      'admin',
      'mutation { clearDeployment(model: "iris") { clearedVersion model { current { version } } } }',
    );
    expect(cleared.data.clearDeployment).toEqual({ clearedVersion: 2, model: { current: { version: 1 } } });
    await waitUntil(async () => (await currentOf(one)) === 1, 'The change', 3_000);
  });

  it('serve every call while they switch', async () => {
    let isSwitching = true;
    const calls = [one, other].map(async (gateway) => {
      const seen: number[] = [];
      while (isSwitching) seen.push(await servingVersion(gateway));
      return seen;
    });
    for (const version of [2, 1, 2, 1]) await promote(one, version);
    isSwitching = false;
    for (const seen of await Promise.all(calls)) {
      expect(seen.length).toBeGreaterThan(4);
      expect(new Set([...seen, 1, 2])).toEqual(new Set([1, 2]));
    }
  });

  it('make a later replica serve the promoted version from its first response', async () => {
    await promote(one, 2);
    const later = await another();
    try {
      expect(await servingVersion(later)).toBe(2);
      expect(later.logs.filter(({ msg }) => msg === 'promotion overrides the manifest')).toEqual([
        expect.objectContaining({ model: 'iris', modelVersion: 2, manifestVersion: 1 }),
      ]);
      const { data } = await later.execute<AnyData>('admin', '{ model(name: "iris") { canary { version } problems } }');
      expect(data.model).toEqual({
        canary: null,
        problems: [
          'iris: version 2 is promoted and overrides the manifest, which selects version 1; clearDeployment returns the choice to the manifest',
          'iris: canary 2 of the manifest has no effect, because it is the current version',
        ],
      });
    } finally {
      await later.close();
    }
    await rollback(one);
  });

  it('receive notifications again after losing the LISTEN connection', async () => {
    await cutListeners(one, 2);
    await promote(one, 2);
    await waitUntil(async () => (await currentOf(other)) === 2);
    // Both listen again.
    await waitUntil(async () => (await listeners(one)) === 2);
    await rollback(one);
    await waitUntil(async () => (await currentOf(other)) === 1, 'The change', 3_000);
  });

  it('share the stop of a canary, also with a later replica', async () => {
    expect([await canaryOf(one), await canaryOf(other)]).toEqual([
      { version: 2, stopped: null },
      { version: 2, stopped: null },
    ]);
    const { data } = await one.execute<AnyData>('user', '{ model(name: "iris") { versions { version digest } } }');
    const stop = {
      model: 'iris',
      version: 2,
      digest: data.model.versions[1].digest as string,
      restarts: 0,
      reason: '5 of the last 20 calls failed',
    };
    const { change, close } = openChange(one);
    await Promise.all([1, 2, 3].map(() => recordCanaryStop(change, stop)));
    await close();
    const stopped = { version: 2, stopped: '5 of the last 20 calls failed' };
    await waitUntil(
      async () => (await canaryOf(one)).stopped !== null && (await canaryOf(other)).stopped !== null,
      'The change',
      3_000,
    );
    expect([await canaryOf(one), await canaryOf(other)]).toEqual([stopped, stopped]);
    const later = await another();
    try {
      expect(await canaryOf(later)).toEqual(stopped);
    } finally {
      await later.close();
    }
  });
});

describe('the deployment watcher', () => {
  let store: IrisStore;
  let gateway: TestGateway;
  beforeAll(async () => {
    store = await makeIrisStore({ versions: [1, 2] });
    gateway = await startGateway({ MODEL_STORE: store.dir, MODEL_STORE_POLL_MS: '0' });
    changes = openChange(gateway);
  });
  afterAll(async () => {
    await changes.close();
    await gateway.close();
    await store.remove();
  });

  /** A fake predictor that records the deployments applied to it. */
  class FakePredictor {
    applied: (readonly Deployment[])[] = [];
    listeners = new Set<(stop: CanaryStop) => void>();
    apply = (deployments: readonly Deployment[]): void => void this.applied.push(deployments);
    canaries = () => [];
    canaryStopped = (): void => undefined;
    onCanaryStopped = (listener: (stop: CanaryStop) => void) => {
      this.listeners.add(listener);
      return () => this.listeners.delete(listener);
    };
    stopCanary(digest: string): void {
      for (const listener of this.listeners)
        listener({ model: 'iris', version: 2, digest, restarts: 0, reason: 'too slow' });
    }
    get last(): Deployment | undefined {
      return this.applied.at(-1)?.find(({ model }) => model === 'iris');
    }
  }

  let changes: ReturnType<typeof openChange>;
  let predictor: FakePredictor;
  let watcher: DeploymentWatcher;
  let logs: string[];
  const watch = (pollMs: number): DeploymentWatcher => {
    const sink = new Writable({
      write(chunk: Buffer, _encoding, done) {
        logs.push(chunk.toString());
        done();
      },
    });
    return new DeploymentWatcher({
      db: gateway.db,
      databaseUrl: gateway.databaseUrl,
      predictor,
      change: changes.change,
      log: createLogger('info', sink),
      pollMs,
    });
  };
  const setVersion = (version: number | null) =>
    gateway.db
      .insertInto('model_deployment')
      .values({
        model: 'iris',
        version,
        earlier_versions: '[]' as never,
        changed_at: null,
        changed_by: null,
        revision: 1,
        stopped_canary_digest: null,
        stopped_canary_reason: null,
        canary_restarts: 0,
      })
      .onConflict((conflict) => conflict.column('model').doUpdateSet({ version }))
      .execute();
  const never = 3_600_000;
  const noStep = { canaryStep: null, canaryRestarts: 0 };

  beforeEach(async () => {
    predictor = new FakePredictor();
    logs = [];
    await gateway.db.deleteFrom('model_deployment').execute();
  });
  afterEach(async () => {
    await gateway.db.schema
      .alterTable('model_deployment_renamed')
      .renameTo('model_deployment')
      .execute()
      .catch(() => undefined);
    await watcher.close();
  });

  it('configures the predictor before it is ready', async () => {
    await setVersion(2);
    watcher = watch(never);
    await watcher.ready();
    expect(predictor.applied).toEqual([[{ model: 'iris', version: 2, stoppedCanary: null, ...noStep }]]);
  });

  it('does not become ready without the database', async () => {
    watcher = watch(never);
    await gateway.db.schema.alterTable('model_deployment').renameTo('model_deployment_renamed').execute();
    await expect(watcher.ready()).rejects.toThrow('model_deployment');
    expect(predictor.applied).toEqual([]);
  });

  it('finds changes without a notification by polling, and applies each once', async () => {
    watcher = watch(50);
    await watcher.ready();
    await setVersion(2);
    await waitUntil(() => predictor.last?.version === 2);
    await sleep(300);
    expect(predictor.applied).toEqual([[], [{ model: 'iris', version: 2, stoppedCanary: null, ...noStep }]]);
  });

  it('reads missed changes after reconnecting', async () => {
    watcher = watch(never);
    await watcher.ready();
    await cutListeners(gateway, 2);
    await setVersion(2);
    await waitUntil(() => predictor.last?.version === 2);
  });

  it('changes nothing while the database is unavailable, logs it once, and catches up', async () => {
    await setVersion(2);
    watcher = watch(30);
    await watcher.ready();
    await gateway.db.schema.alterTable('model_deployment').renameTo('model_deployment_renamed').execute();
    await watcher.refresh();
    await sleep(200);
    expect(predictor.applied).toHaveLength(1);
    expect(logs.filter((line) => line.includes('deployments unavailable'))).toHaveLength(1);
    await gateway.db.schema.alterTable('model_deployment_renamed').renameTo('model_deployment').execute();
    await setVersion(1);
    await waitUntil(() => predictor.last?.version === 1);
    expect(logs.filter((line) => line.includes('deployments available again'))).toHaveLength(1);
  });

  it('records the stop of a canary as soon as the database is available, and does not restart the canary before', async () => {
    await setVersion(1);
    watcher = watch(30);
    await watcher.ready();
    await gateway.db.schema.alterTable('model_deployment').renameTo('model_deployment_renamed').execute();
    predictor.stopCanary('a'.repeat(64));
    await sleep(100);
    await gateway.db.schema.alterTable('model_deployment_renamed').renameTo('model_deployment').execute();
    await waitUntil(() => predictor.last?.stoppedCanary != null);
    const stoppedCanary = { digest: 'a'.repeat(64), reason: 'too slow' };
    expect(predictor.applied).toEqual([
      [{ model: 'iris', version: 1, stoppedCanary: null, ...noStep }],
      [{ model: 'iris', version: 1, stoppedCanary, ...noStep }],
    ]);
    expect(
      await gateway.db
        .selectFrom('model_deployment')
        .select(['version', 'stopped_canary_digest', 'stopped_canary_reason', 'revision'])
        .execute(),
    ).toEqual([{ version: 1, stopped_canary_digest: 'a'.repeat(64), stopped_canary_reason: 'too slow', revision: 2 }]);
  });

  it('stops listening once it is closed', async () => {
    watcher = watch(20);
    await watcher.ready();
    await watcher.close();
    expect(predictor.listeners.size).toBe(0);
    await setVersion(2);
    await sleep(150);
    expect(predictor.applied).toEqual([[]]);
  });
});
