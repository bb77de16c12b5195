import { jest } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CanaryStop, Deployment, Predictor } from '../../../src/inference/serving/predictor.js';
import {
  openFakePredictor,
  TestStore,
  type FakeBackend,
  type FakeModel,
  type ManifestParts,
} from '../../support/models.js';

let store: TestStore;
let backend: FakeBackend;
const opened: { close(): Promise<void> }[] = [];

beforeEach(async () => {
  store = await TestStore.create();
});

afterEach(async () => {
  jest.restoreAllMocks();
  for (const one of opened.splice(0).reverse()) await one.close();
  await store.close();
});

/** The model `times`, whose version n multiplies by n. */
async function open(parts: ManifestParts, versions = [1, 2, 3]): Promise<Predictor> {
  await store.manifest('times', parts);
  for (const version of versions) await store.version('times', version, { factor: version });
  return openStore();
}

async function openStore(): Promise<Predictor> {
  const fake = await openFakePredictor(store, { isStrict: true });
  opened.push(fake);
  backend = fake.backend;
  return fake.predictor;
}

let lastRow = 0;

/** The versions that serve these callers, called one after the other with rows that are not cached. */
async function servingVersions(predictor: Predictor, callers: readonly string[]): Promise<number[]> {
  const versions: number[] = [];
  for (const caller of callers) {
    const x = (lastRow += 1);
    const { version, rows } = await predictor.predict({ model: 'times', rows: [{ x }], caller });
    expect(rows[0]?.output).toEqual({ y: x * version.version });
    versions.push(version.version);
  }
  return versions;
}

const callers = Array.from({ length: 200 }, (_, index) => `user-${index}`);

const promoted = (version: number | null, stoppedCanary: Deployment['stoppedCanary'] = null): Deployment[] => [
  { model: 'times', version, stoppedCanary },
];

const served = (predictor: Predictor) => predictor.model('times')?.versions.map(({ version }) => version);
const current = (predictor: Predictor) => predictor.model('times')?.current.version;

describe('the memory of versions', () => {
  it('is one session for those with a role, none for others', async () => {
    await open({ canary: { version: 2, percent: 1 } });

    expect(Object.fromEntries(backend.sessions)).toEqual({ 'times/1': 0, 'times/2': 1, 'times/3': 1 });
  });
});

describe('the policy', () => {
  it('serves all versions, the highest as current', async () => {
    const predictor = await open({});
    expect([served(predictor), current(predictor)]).toEqual([[1, 2, 3], 3]);
    expect(await servingVersions(predictor, ['a'])).toEqual([3]);
    const { rows } = await predictor.predict({ model: 'times', version: 2, rows: [{ x: 10 }] });
    expect(rows[0]?.output).toEqual({ y: 20 });
  });

  it('serves only the latest, and loads no other', async () => {
    const predictor = await open({ versions: 'latest' });
    expect([served(predictor), current(predictor), backend.loaded]).toEqual([[3], 3, 1]);
    await expect(predictor.predict({ model: 'times', version: 1, rows: [{ x: 1 }] })).rejects.toThrow(
      'version 1 of times is not served; served versions: 3',
    );
  });

  it('serves the listed versions, and the pinned one as current', async () => {
    const predictor = await open({ versions: [1, 2], current: 1 });
    expect([served(predictor), current(predictor)]).toEqual([[1, 2], 1]);
  });

  it.each([
    [{ versions: [1, 7] }, 'times/model.json:1: versions is 7, which does not exist; versions: 1, 2, 3'],
    [{ versions: [1, 2], current: 3 }, 'times/model.json:1: current is 3, which is not a served version: 1, 2'],
    [
      { versions: 'latest', canary: { version: 1, percent: 5 } },
      'times/model.json:1: canary is 1, which is not a served version: 3',
    ],
    [
      { shadow: { version: 9, percent: 5 } },
      'times/model.json:1: shadow is 9, which does not exist; versions: 1, 2, 3',
    ],
  ])('rejects %j', async (parts, message) => {
    await expect(open(parts)).rejects.toThrow(message);
  });
});

describe('a promotion', () => {
  it('switches the current version at once, and back', async () => {
    const predictor = await open({ current: 1 });
    const changes: (number | undefined)[] = [];
    predictor.onChange(() => changes.push(current(predictor)));
    predictor.apply(promoted(2));
    expect(await servingVersions(predictor, ['a'])).toEqual([2]);
    predictor.apply(promoted(null));
    expect(await servingVersions(predictor, ['a'])).toEqual([1]);
    expect(changes).toEqual([2, 1]);
  });

  it('is not served from the cache of the previous version', async () => {
    const predictor = await open({ current: 1 });
    await predictor.predict({ model: 'times', rows: [{ x: 5 }] });
    predictor.apply(promoted(3));
    expect((await predictor.predict({ model: 'times', rows: [{ x: 5 }] })).rows[0]).toMatchObject({
      output: { y: 15 },
      source: 'MODEL',
    });
  });

  it('finishes a pending call with the version it started with', async () => {
    const predictor = await open({ current: 1 });
    backend.before = () => sleep(20);
    const calling = predictor.predict({ model: 'times', rows: [{ x: 5 }] });
    predictor.apply(promoted(2));
    expect(await calling).toMatchObject({ version: { version: 1 }, rows: [{ output: { y: 5 } }] });
  });

  it('falls back to the manifest if the promoted version is not served, and reports a problem', async () => {
    const predictor = await open({ current: 1 });
    predictor.apply(promoted(9));
    expect(current(predictor)).toBe(1);
    expect(predictor.model('times')?.problems).toEqual([
      'times: version 9 was promoted and is no longer served; 1 serves',
    ]);
  });

  it('is ignored for an unknown model', async () => {
    const predictor = await open({ current: 1 });
    predictor.apply([{ model: 'unknown', version: 1, stoppedCanary: null }]);
    expect(current(predictor)).toBe(1);
  });
});

describe('a canary', () => {
  const canary = { version: 2, percent: 30 };
  const half = { ...canary, percent: 50 };
  /** Selects the canary for all calls. */
  const selectCanary = (): void => void jest.spyOn(Math, 'random').mockReturnValue(0.1);
  const isBroken = (_xs: readonly number[], { factor }: FakeModel): Promise<void> | undefined =>
    factor === 2 ? Promise.reject(new Error('broken')) : undefined;
  const canaryOf = (predictor: Predictor) => predictor.model('times')?.canary;

  it('serves its share of the calls, also of a single caller', async () => {
    const predictor = await open({ current: 1, canary });
    const versions = await servingVersions(predictor, Array<string>(400).fill('service-account'));
    const share = versions.filter((version) => version === 2).length / versions.length;
    expect(share).toBeGreaterThan(0.15);
    expect(share).toBeLessThan(0.45);
  });

  it('serves its share of the users, always the same ones', async () => {
    const predictor = await open({ current: 1, canary: { ...canary, by: 'user' } });
    const first = await servingVersions(predictor, callers);
    const share = first.filter((version) => version === 2).length / callers.length;
    expect(share).toBeGreaterThan(0.2);
    expect(share).toBeLessThan(0.4);
    expect(await servingVersions(predictor, callers)).toEqual(first);
    expect((await predictor.predict({ model: 'times', rows: [{ x: 1 }] })).version.version).toBe(1);
  });

  it('serves its share of the values of a header, and no call without it', async () => {
    const predictor = await open({ current: 1, canary: { ...canary, by: 'header:X-Tenant' } });
    const versionOf = async (tenant: string | undefined): Promise<number> => {
      const header = (name: string) => (name === 'X-Tenant' ? tenant : undefined);
      return (await predictor.predict({ model: 'times', rows: [{ x: 1 }], header, caller: 'a' })).version.version;
    };
    const first = await Promise.all(callers.map(versionOf));
    expect([...new Set(first)].sort()).toEqual([1, 2]);
    expect(await Promise.all(callers.map(versionOf))).toEqual(first);
    expect(await Promise.all([undefined, ''].map(versionOf))).toEqual([1, 1]);
    expect(canaryOf(predictor)?.by).toBe('header:X-Tenant');
  });

  it('serves no call with a share of 0', async () => {
    const predictor = await open({ current: 1, canary: { ...canary, percent: 0 } });
    expect([...new Set(await servingVersions(predictor, callers.slice(0, 50)))]).toEqual([1]);
  });

  it('does not serve calls that request a version', async () => {
    const predictor = await open({ current: 1, canary: half });
    selectCanary();
    expect(
      (await predictor.predict({ model: 'times', version: 1, rows: [{ x: 1 }], caller: 'a' })).version.version,
    ).toBe(1);
  });

  it('fails no call if it fails, and is stopped once that is certain', async () => {
    const predictor = await open({ current: 1, canary: half });
    const stops: CanaryStop[] = [];
    predictor.onCanaryStopped((stop) => stops.push(stop));
    backend.before = isBroken;
    expect([...new Set(await servingVersions(predictor, callers.slice(0, 60)))]).toEqual([1]);
    const digest = predictor.model('times')?.versions[1]?.digest;
    const reason = canaryOf(predictor)?.stopped;
    expect(reason).toMatch(/^(\d+) of \1 calls failed, and 0 of \d+ of the current version meanwhile;/);
    expect(stops).toEqual([{ model: 'times', version: 2, digest, reason, restarts: 0 }]);

    backend.before = () => undefined;
    expect([...new Set(await servingVersions(predictor, callers.slice(0, 50)))]).toEqual([1]);
  });

  it('is judged by its limits alone while no call is left to compare it with', async () => {
    const predictor = await open({ current: 1, canary: { ...half, max_error_rate: 0.05 } });
    selectCanary();
    backend.before = isBroken;
    await servingVersions(predictor, callers.slice(0, 110));
    expect(canaryOf(predictor)).toMatchObject({ maxErrorRate: 0.05, currentCalls: 0 });
    expect(canaryOf(predictor)?.stopped).toMatch(/^(\d+) of \1 calls failed; max_error_rate is 0.05;/);
  });

  it('continues through an outage that the current version shares', async () => {
    const predictor = await open({ current: 1, canary: half });
    backend.before = () => Promise.reject(new Error('broken'));
    const calls = callers.map((caller, x) => predictor.predict({ model: 'times', rows: [{ x }], caller }));
    await Promise.allSettled(calls);
    const { stopped, failures, calls: judged, currentFailures, currentCalls } = canaryOf(predictor) ?? {};
    expect(stopped).toBeNull();
    expect([failures, currentFailures]).toEqual([judged, currentCalls]);
    expect(judged).toBeGreaterThan(50);
  });

  it('is stopped if it is too slow', async () => {
    const predictor = await open({ current: 1, canary: { ...half, max_p95_ms: 20 } });
    backend.before = (_xs, { factor }) => (factor === 2 ? sleep(30) : undefined);
    await servingVersions(predictor, callers.slice(0, 50));
    expect(canaryOf(predictor)?.stopped).toMatch(/^(\d+) of \1 calls took longer than max_p95_ms, 20;/);
  });

  it('fails if its results are not finite', async () => {
    const predictor = await open({ current: 1, canary: half });
    backend.before = (_xs, model) => {
      if (model.factor === 2) model.factor = NaN;
    };
    expect([...new Set(await servingVersions(predictor, callers.slice(0, 60)))]).toEqual([1]);
    expect(canaryOf(predictor)?.stopped).toMatch(/^(\d+) of \1 calls failed/);
    const { successes, failures, invalidRows } = predictor.model('times')?.versions[1]?.statistics ?? {};
    expect([successes, failures]).toEqual([0, invalidRows]);
  });

  it('is not judged by cached results, full queues, invalid rows and cancelled calls', async () => {
    const predictor = await open({ current: 1, canary: half, serving: { max_queue: 1 } });
    selectCanary();
    await predictor.predict({ model: 'times', rows: [{ x: 1 }] });
    for (let call = 0; call < 30; call += 1) await predictor.predict({ model: 'times', rows: [{ x: 1 }] });
    const rejected = [
      predictor.predict({ model: 'times', rows: [{ x: 2 }, { x: 3 }] }),
      predictor.predict({ model: 'times', rows: [{ x: 'a' }] }),
      predictor.predict({ model: 'times', rows: [{ x: 4 }], signal: AbortSignal.abort(new Error('cancelled')) }),
    ];
    for (const result of await Promise.allSettled(rejected)) expect(result.status).toBe('rejected');
    for (let x = 10; x < 19; x += 1) await predictor.predict({ model: 'times', rows: [{ x }] });
    // A call of the current version ends the block.
    jest.spyOn(Math, 'random').mockReturnValue(0.9);
    await predictor.predict({ model: 'times', rows: [{ x: 20 }] });
    expect(canaryOf(predictor)).toMatchObject({ calls: 10, failures: 0, currentCalls: 1, stopped: null });
  });

  it('stays stopped if it was stopped by another replica, until its folder changes or it is restarted', async () => {
    const predictor = await open({ current: 1, canary: half });
    selectCanary();
    const digest = predictor.model('times')?.versions[1]?.digest ?? '';
    const stopped = { digest, reason: 'too many failures' };
    predictor.apply(promoted(null, stopped));
    expect(await servingVersions(predictor, ['a', 'b'])).toEqual([1, 1]);
    expect(canaryOf(predictor)?.stopped).toBe('too many failures');
    predictor.apply([{ model: 'times', version: null, stoppedCanary: null, canaryRestarts: 1 }]);
    expect(await servingVersions(predictor, ['a', 'b'])).toEqual([2, 2]);

    await store.version('times', 2, { factor: 2, note: 'better' });
    const reopened = await openStore();
    reopened.apply(promoted(null, stopped));
    expect(await servingVersions(reopened, ['a', 'b'])).toEqual([2, 2]);
  });

  it('starts without evidence after a restart', async () => {
    const predictor = await open({ current: 1, canary: half });
    backend.before = isBroken;
    await servingVersions(predictor, callers.slice(0, 60));
    expect(canaryOf(predictor)?.stopped).not.toBeNull();
    predictor.apply([{ model: 'times', version: null, stoppedCanary: null, canaryRestarts: 1 }]);
    expect(canaryOf(predictor)).toMatchObject({ stopped: null, calls: 0, failures: 0 });
  });

  it('serves the share of the step that the deployment has reached', async () => {
    const predictor = await open({ current: 1, canary: { version: 2, steps: [1, 50, 100] } });
    const digest = predictor.model('times')?.versions[1]?.digest ?? '';
    expect(canaryOf(predictor)).toMatchObject({ percent: 1, steps: [1, 50, 100] });
    predictor.apply([{ model: 'times', version: null, stoppedCanary: null, canaryStep: { digest, percent: 50 } }]);
    expect(canaryOf(predictor)?.percent).toBe(50);
    const other = { digest: 'f'.repeat(64), percent: 50 };
    predictor.apply([{ model: 'times', version: null, stoppedCanary: null, canaryStep: other }]);
    expect(canaryOf(predictor)?.percent).toBe(1);
  });

  it('is the current version and no longer a canary after its promotion', async () => {
    const predictor = await open({ current: 1, canary });
    predictor.apply(promoted(2));
    expect(predictor.model('times')).toMatchObject({ current: { version: 2 }, canary: null, problems: [] });
  });

  it('is not used with other columns, and reports a problem', async () => {
    await store.version('times', 2, { factor: 2 });
    await writeSignature(2, { inputs: { x: { integer: true }, z: { required: false } }, outputs: { y: {} } });
    const predictor = await open({ current: 1, canary: half });
    selectCanary();
    expect(await servingVersions(predictor, ['a'])).toEqual([1]);
    expect(predictor.model('times')).toMatchObject({
      canary: null,
      problems: ['times: canary 2 has other inputs or outputs than 1, which serves; it is not used'],
    });
  });
});

async function writeSignature(version: number, fields: unknown): Promise<void> {
  await writeFile(`${store.dir}/times/${version}/signature.yaml`, JSON.stringify(fields));
}

describe('a shadow', () => {
  const shadow = { version: 2, percent: 100 };

  it('runs a sample off the response path and records its differences', async () => {
    const predictor = await open({ current: 1, shadow });
    await predictor.predict({ model: 'times', rows: [{ x: 0 }, { x: 10 }] });
    while (predictor.model('times')?.shadow?.rows !== 2) await sleep(1);
    expect(predictor.model('times')?.shadow).toEqual({
      version: 2,
      percent: 100,
      rows: 2,
      differences: 1,
      largestDifference: 1,
      failures: 0,
      outputs: [
        {
          name: 'y',
          meanAbsoluteDifference: 5,
          p95AbsoluteDifference: expect.closeTo(10, 0),
          meanRelativeDifference: 0.5,
          p95RelativeDifference: expect.closeTo(1, 1),
          labelAgreement: null,
        },
      ],
    });
    expect(predictor.model('times')?.versions[1]?.statistics).toMatchObject({ successes: 1, rows: 2 });
  });

  it('delays and fails no call', async () => {
    const predictor = await open({ current: 1, shadow });
    const gate = Promise.withResolvers<undefined>();
    backend.before = async (_xs, { factor }) => {
      if (factor !== 2) return;
      await gate.promise;
      throw new Error('broken');
    };
    for (let x = 1; x <= 20; x++)
      expect((await predictor.predict({ model: 'times', rows: [{ x }] })).rows[0]?.output).toEqual({ y: x });
    gate.resolve(undefined);
    while ((predictor.model('times')?.shadow?.failures ?? 0) < 4) await sleep(1);
    const { failures, rows } = predictor.model('times')?.shadow ?? {};
    // While four comparisons hang, others are left out of the sample.
    expect([failures, rows]).toEqual([4, 0]);
  });

  it('counts results that are not finite as failures', async () => {
    const predictor = await open({ current: 1, shadow });
    backend.before = (_xs, model) => {
      if (model.factor === 2) model.factor = NaN;
    };
    await predictor.predict({ model: 'times', rows: [{ x: 1 }, { x: 2 }] });
    while (predictor.model('times')?.shadow?.rows !== 2) await sleep(1);
    expect(predictor.model('times')?.shadow).toMatchObject({ differences: 2, failures: 1 });
    expect(predictor.model('times')?.versions[1]?.statistics).toMatchObject({ failures: 1, invalidRows: 2 });
  });

  it('does not run with zero percent', async () => {
    const predictor = await open({ current: 1, shadow: { ...shadow, percent: 0 } });
    await predictor.predict({ model: 'times', rows: [{ x: 1 }] });
    await sleep(10);
    expect(backend.runs).toEqual([[1]]);
  });
});
