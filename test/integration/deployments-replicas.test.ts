import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { keepCanaryStop } from '../../src/domains/prediction/deployment.service.js';
import { DeploymentWatcher } from '../../src/domains/prediction/deployment.watcher.js';
import type { CanaryStop, Deployment } from '../../src/inference/predictor.js';
import { createLogger } from '../../src/shared/logger.js';
import { startGateway, type Any, type TestGateway } from '../kit/gateway.js';
import { flower, makeIrisStore, type IrisStore } from '../kit/iris-store.js';
import { until } from '../kit/until.js';

const answering = async (gateway: TestGateway): Promise<number> => {
  const answer = await gateway.ask<Any>('user', `{ predict(model: "iris", inputs: [${flower}]) { version } }`);
  expect(answer.errors).toEqual([]);
  return answer.data.predict[0].version as number;
};
const promote = async (gateway: TestGateway, version: number): Promise<void> => {
  const answer = await gateway.ask<Any>('admin', `mutation { promoteModel(name: "iris", version: ${version}) { current { version } } }`);
  expect(answer.errors).toEqual([]);
  expect(answer.data.promoteModel.current.version).toBe(version);
};
const rollback = async (gateway: TestGateway): Promise<void> => {
  expect((await gateway.ask<Any>('admin', 'mutation { rollbackModel(name: "iris") { name } }')).errors).toEqual([]);
};

/** How many connections listen for changes of deployments. */
async function listeners({ db }: TestGateway): Promise<number> {
  const { rows } = await sql`select from pg_stat_activity where datname = current_database() and query like 'listen "auspex_model_deployment"'`.execute(db);
  return rows.length;
}

/** Cuts the connections that listen for changes of deployments, once so many do. */
async function cutListeners(gateway: TestGateway, count: number): Promise<void> {
  await until(async () => (await listeners(gateway)) === count);
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query like 'listen "auspex_model_deployment"'`.execute(gateway.db);
}

describe('two replicas', () => {
  let store: IrisStore;
  let one: TestGateway;
  let other: TestGateway;
  const another = (): Promise<TestGateway> => startGateway({ MODEL_STORE: store.dir, MODEL_STORE_POLL_MS: '0', DATABASE_URL: one.databaseUrl });

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

  const canaryOf = async (gateway: TestGateway): Promise<Any> => (await gateway.ask<Any>('admin', '{ model(name: "iris") { canary { version stopped } } }')).data.model.canary;
  const currentOf = async (gateway: TestGateway): Promise<number> => (await gateway.ask<Any>('user', '{ model(name: "iris") { current { version } } }')).data.model.current.version;

  it('switch when one of them is told to, and back', async () => {
    expect([await currentOf(one), await currentOf(other)]).toEqual([1, 1]);
    await promote(one, 2);
    // Heard, and not found by looking every five seconds.
    await until(async () => (await currentOf(other)) === 2, 3_000);
    expect([await answering(one), await answering(other)]).toEqual([2, 2]);
    await rollback(other);
    await until(async () => (await currentOf(one)) === 1, 3_000);
  });

  it('answer every call while they switch', async () => {
    let isSwitching = true;
    const calls = [one, other].map(async (gateway) => {
      const seen: number[] = [];
      while (isSwitching) seen.push(await answering(gateway));
      return seen;
    });
    for (const version of [2, 1, 2, 1]) await promote(one, version);
    isSwitching = false;
    for (const seen of await Promise.all(calls)) {
      expect(seen.length).toBeGreaterThan(4);
      expect(new Set([...seen, 1, 2])).toEqual(new Set([1, 2]));
    }
  });

  it('have a later start serve what was promoted, from its first answer on', async () => {
    await promote(one, 2);
    const later = await another();
    try {
      expect(await answering(later)).toBe(2);
    } finally {
      await later.close();
    }
    await rollback(one);
  });

  it('are told again after the connection that listens was cut', async () => {
    await cutListeners(one, 2);
    await promote(one, 2);
    await until(async () => (await currentOf(other)) === 2);
    // Both listen again.
    await until(async () => (await listeners(one)) === 2);
    await rollback(one);
    await until(async () => (await currentOf(other)) === 1, 3_000);
  });

  it('both keep from a canary that stopped itself on one of them, and so does a later start', async () => {
    expect([await canaryOf(one), await canaryOf(other)]).toEqual([{ version: 2, stopped: null }, { version: 2, stopped: null }]);
    const { data } = await one.ask<Any>('user', '{ model(name: "iris") { versions { version digest } } }');
    const stop = { model: 'iris', version: 2, digest: data.model.versions[1].digest as string, reason: '5 of the last 20 calls failed' };
    await Promise.all([keepCanaryStop(one.db, stop), keepCanaryStop(one.db, stop), keepCanaryStop(one.db, stop)]);
    const stopped = { version: 2, stopped: '5 of the last 20 calls failed' };
    await until(async () => (await canaryOf(one)).stopped !== null && (await canaryOf(other)).stopped !== null, 3_000);
    expect([await canaryOf(one), await canaryOf(other)]).toEqual([stopped, stopped]);
    const later = await another();
    try {
      expect(await canaryOf(later)).toEqual(stopped);
    } finally {
      await later.close();
    }
  });
});

describe('what watches deployments', () => {
  let store: IrisStore;
  let gateway: TestGateway;
  beforeAll(async () => {
    store = await makeIrisStore({ versions: [1, 2] });
    gateway = await startGateway({ MODEL_STORE: store.dir, MODEL_STORE_POLL_MS: '0' });
  });
  afterAll(async () => {
    await gateway.close();
    await store.remove();
  });

  /** Stands in for the predictor, and shows what it was told. */
  class Told {
    applied: (readonly Deployment[])[] = [];
    listeners = new Set<(stop: CanaryStop) => void>();
    apply = (deployments: readonly Deployment[]): void => void this.applied.push(deployments);
    onCanaryStopped = (listener: (stop: CanaryStop) => void) => {
      this.listeners.add(listener);
      return () => this.listeners.delete(listener);
    };
    stopCanary(digest: string): void {
      for (const listener of this.listeners) listener({ model: 'iris', version: 2, digest, reason: 'too slow' });
    }
    get last(): Deployment | undefined {
      return this.applied.at(-1)?.find(({ model }) => model === 'iris');
    }
  }

  let told: Told;
  let watcher: DeploymentWatcher;
  let logs: string[];
  const watch = (pollMs: number): DeploymentWatcher => {
    const sink = new Writable({
      write(chunk: Buffer, _encoding, done) {
        logs.push(chunk.toString());
        done();
      },
    });
    return new DeploymentWatcher({ db: gateway.db, databaseUrl: gateway.databaseUrl, predictor: told, log: createLogger('info', sink), pollMs });
  };
  const setVersion = (version: number | null) =>
    gateway.db
      .insertInto('model_deployment')
      .values({ model: 'iris', version, earlier_versions: '[]' as never, changed_at: null, changed_by: null, revision: 1, stopped_canary_digest: null, stopped_canary_reason: null })
      .onConflict((conflict) => conflict.column('model').doUpdateSet({ version }))
      .execute();
  const never = 3_600_000;

  beforeEach(async () => {
    told = new Told();
    logs = [];
    await gateway.db.deleteFrom('model_deployment').execute();
  });
  afterEach(async () => {
    await gateway.db.schema.alterTable('model_deployment_away').renameTo('model_deployment').execute().catch(() => undefined);
    await watcher.close();
  });

  it('has told the predictor when it is ready', async () => {
    await setVersion(2);
    watcher = watch(never);
    await watcher.ready();
    expect(told.applied).toEqual([[{ model: 'iris', version: 2, stoppedCanary: null }]]);
  });

  it('does not become ready without the database', async () => {
    watcher = watch(never);
    await gateway.db.schema.alterTable('model_deployment').renameTo('model_deployment_away').execute();
    await expect(watcher.ready()).rejects.toThrow('model_deployment');
    expect(told.applied).toEqual([]);
  });

  it('finds what nobody announced by looking, and tells the predictor nothing twice', async () => {
    watcher = watch(50);
    await watcher.ready();
    await setVersion(2);
    await until(() => told.last?.version === 2);
    await sleep(300);
    expect(told.applied).toEqual([[], [{ model: 'iris', version: 2, stoppedCanary: null }]]);
  });

  it('reads what it missed when its connection is back', async () => {
    watcher = watch(never);
    await watcher.ready();
    await cutListeners(gateway, 2);
    await setVersion(2);
    await until(() => told.last?.version === 2);
  });

  it('leaves everything as it was while the database is away, says so once, and catches up', async () => {
    await setVersion(2);
    watcher = watch(30);
    await watcher.ready();
    await gateway.db.schema.alterTable('model_deployment').renameTo('model_deployment_away').execute();
    await watcher.refresh();
    await sleep(200);
    expect(told.applied).toHaveLength(1);
    expect(logs.filter((line) => line.includes('deployments cannot be read'))).toHaveLength(1);
    await gateway.db.schema.alterTable('model_deployment_away').renameTo('model_deployment').execute();
    await setVersion(1);
    await until(() => told.last?.version === 1);
    expect(logs.filter((line) => line.includes('deployments are read again'))).toHaveLength(1);
  });

  it('keeps a canary’s stop as soon as the database takes it, and starts the canary at no time before', async () => {
    await setVersion(1);
    watcher = watch(30);
    await watcher.ready();
    await gateway.db.schema.alterTable('model_deployment').renameTo('model_deployment_away').execute();
    told.stopCanary('a'.repeat(64));
    await sleep(100);
    await gateway.db.schema.alterTable('model_deployment_away').renameTo('model_deployment').execute();
    await until(() => told.last?.stoppedCanary != null);
    const stoppedCanary = { digest: 'a'.repeat(64), reason: 'too slow' };
    expect(told.applied).toEqual([[{ model: 'iris', version: 1, stoppedCanary: null }], [{ model: 'iris', version: 1, stoppedCanary }]]);
    expect(await gateway.db.selectFrom('model_deployment').select(['version', 'stopped_canary_digest', 'stopped_canary_reason', 'revision']).execute()).toEqual([
      { version: 1, stopped_canary_digest: 'a'.repeat(64), stopped_canary_reason: 'too slow', revision: 1 },
    ]);
  });

  it('listens no more once it is closed', async () => {
    watcher = watch(20);
    await watcher.ready();
    await watcher.close();
    expect(told.listeners.size).toBe(0);
    await setVersion(2);
    await sleep(150);
    expect(told.applied).toEqual([[]]);
  });
});
