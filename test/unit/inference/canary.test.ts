import type { CanaryRule } from '../../../src/inference/repository/rollout-rules.js';
import { parseEvidence, type CanaryEvidence } from '../../../src/inference/rollout/canary-evidence.js';
import { Canary } from '../../../src/inference/rollout/canary.js';
import type { VersionRuntime } from '../../../src/inference/serving/version-runtime.js';

/** All that a canary reads of a version. */
const versionOf = (digest: string): VersionRuntime => ({ model: 'iris', version: { digest } }) as VersionRuntime;

const canaryOf = (rule: Partial<CanaryRule> = {}, percent: number | null = null): Canary =>
  new Canary(
    versionOf('b'),
    versionOf('a'),
    { version: 2, steps: [25], by: 'request', maxErrorRate: 1, minCalls: 1000, ...rule },
    { stopped: null, percent, restarts: 0 },
  );

// Looked up once: in the realm of jest each look-up of a global is slow.
const { imul } = Math;

/** Numbers from 0 to 1 that are the same in each test run (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Trial {
  /** True failure rates. */
  current: number;
  canary: number;
  /** Calls of the canary. */
  calls: number;
  /** Share of the calls that the canary gets. */
  share?: number;
  rule?: Partial<CanaryRule>;
  /** True share of the calls above the latency limit. */
  slow?: number;
}

/** Whether a canary stops within a number of its calls. */
function stops({ current, canary: rate, calls, share = 0.25, rule, slow = 0 }: Trial, random: () => number): boolean {
  const canary = canaryOf(rule);
  const durationMs = (): number => (random() < slow ? 100 : 1);
  for (let call = 0; call < calls;) {
    const isCanary = random() < share;
    if (isCanary) call += 1;
    const isFailure = random() < (isCanary ? rate : current);
    if (canary.record(isCanary ? 'canary' : 'current', { isFailure, durationMs: durationMs() }) !== null) return true;
  }
  return false;
}

/** The share of trials in which the canary stops. */
function stoppedShare(trial: Trial, trials: number): number {
  const random = randomFrom(20_261_127);
  let stopped = 0;
  for (let index = 0; index < trials; index += 1) if (stops(trial, random)) stopped += 1;
  return stopped / trials;
}

describe('a canary', () => {
  it.each([0, 0.01, 0.02, 0.05])(
    'as good as the current version is stopped in at most 1 %% of trials of 10,000 calls, with a failure rate of %d',
    (rate) => {
      expect(stoppedShare({ current: rate, canary: rate, calls: 10_000 }, 100)).toBeLessThanOrEqual(0.01);
    },
  );

  it.each([0.01, 0.05, 0.25])(
    'with twice the failure rate is stopped within 1,000 calls in at least 90 %% of trials, with a share of %d',
    (share) => {
      expect(stoppedShare({ current: 0.05, canary: 0.1, calls: 1000, share }, 100)).toBeGreaterThanOrEqual(0.9);
    },
  );

  it('that always fails is stopped within 20 calls', () => {
    expect(stoppedShare({ current: 0, canary: 1, calls: 20 }, 200)).toBe(1);
    expect(stoppedShare({ current: 0.05, canary: 1, calls: 20 }, 200)).toBe(1);
  });

  it('that turns bad after 20,000 good calls is stopped nearly as soon', () => {
    const canary = canaryOf();
    const random = randomFrom(3);
    for (let call = 0; call < 80_000; call += 1)
      canary.record(call % 4 === 0 ? 'canary' : 'current', { isFailure: random() < 0.02, durationMs: 1 });
    expect(canary.state.stopped).toBeNull();
    let calls = 0;
    while (canary.state.stopped === null) {
      for (let call = 0; call < 3; call += 1) canary.record('current', { isFailure: false, durationMs: 1 });
      canary.record('canary', { isFailure: true, durationMs: 1 });
      calls += 1;
    }
    expect(calls).toBeLessThan(30);
  });

  it('better than the current version is not stopped', () => {
    expect(stoppedShare({ current: 0.1, canary: 0.05, calls: 2000 }, 20)).toBe(0);
  });

  it('within its limits is stopped in at most 1 % of trials, beyond them within 1,000 calls', () => {
    const rule = { maxErrorRate: 0.05, maxP95Ms: 50 };
    const within = { current: 0.05, canary: 0.05, slow: 0.05, rule };
    expect(stoppedShare({ ...within, calls: 1500 }, 200)).toBeLessThanOrEqual(0.01);
    expect(stoppedShare({ ...within, slow: 0.1, calls: 1000 }, 100)).toBeGreaterThanOrEqual(0.9);
    const equallyBad = { current: 0.1, canary: 0.1, rule };
    expect(stoppedShare({ ...equallyBad, calls: 1000 }, 100)).toBeGreaterThanOrEqual(0.9);
  });

  it('has a next step once it has enough calls at this one', () => {
    const canary = canaryOf({ steps: [5, 25, 100], minCalls: 3 }, 5);
    const add = (calls: number): void => {
      for (let call = 0; call < calls; call += 1)
        for (const role of ['current', 'canary'] as const) canary.record(role, { isFailure: false, durationMs: 1 });
    };
    add(2);
    expect(canary.nextStep).toBeNull();
    add(1);
    expect(canary.nextStep).toEqual({ from: 5, to: 25 });
    canary.state = { ...canary.state, percent: 25 };
    expect(canary.nextStep).toBeNull();
    add(3);
    expect(canary.nextStep).toEqual({ from: 25, to: 100 });
    canary.state = { ...canary.state, percent: 100 };
    add(3);
    expect(canary.nextStep).toBeNull();
  });

  it('falls back to the nearest lower step if the manifest changes its steps', () => {
    expect([canaryOf({ steps: [1, 10, 50] }, 25).percent, canaryOf({ steps: [30, 50] }, 25).percent]).toEqual([10, 30]);
  });
});

describe('the replicas of a canary', () => {
  /** The evidence as the database stores it. */
  let stored: unknown = null;
  const exchange = (canary: Canary): Promise<string | null> =>
    canary.exchange((add) => {
      stored = JSON.parse(JSON.stringify(add(parseEvidence(stored)))) as unknown;
      return Promise.resolve(stored as CanaryEvidence);
    });
  const add = (canary: Canary, calls: number, isFailure: boolean): void => {
    for (let call = 0; call < calls; call += 1) {
      canary.record('current', { isFailure: false, durationMs: 1 });
      canary.record('canary', { isFailure, durationMs: 1 });
    }
  };
  beforeEach(() => {
    stored = null;
  });

  it('judge by the calls of all', async () => {
    const replicas = Array.from({ length: 5 }, () => canaryOf());
    for (const replica of replicas) add(replica, 3, true);
    expect(replicas.map(({ state }) => state.stopped)).toEqual(Array(5).fill(null));
    const reasons: (string | null)[] = [];
    for (const replica of replicas) reasons.push(await exchange(replica));
    expect(reasons.at(-1)).toMatch(/^15 of 15 calls failed, and 0 of 15 of the current version meanwhile;/);
    expect(reasons[0]).toBeNull();
  });

  it('count each call once, also if an exchange fails', async () => {
    const [one, other] = [canaryOf(), canaryOf()];
    add(one, 10, false);
    await expect(one.exchange(() => Promise.reject(new Error('no database')))).rejects.toThrow('no database');
    add(one, 5, false);
    add(other, 7, false);
    await exchange(one);
    await exchange(other);
    expect([one.hasNews, other.hasNews]).toEqual([false, false]);
    add(one, 1, false);
    await exchange(one);
    expect([one.evidence.canary.calls, other.evidence.canary.calls]).toEqual([23, 22]);
    expect(one.evidence.current.calls).toBe(23);
  });

  it('hold a bounded number of blocks while the database is unavailable', async () => {
    const canary = canaryOf();
    add(canary, 10_000, false);
    let calls = 0;
    await canary.exchange((adding) => {
      const evidence = adding(null);
      calls = evidence.canary.calls;
      return Promise.resolve(evidence);
    });
    expect(calls).toBe(10_000);
  });

  it('share the calls of a step, and ignore those of a replica that is one step behind', async () => {
    const rule = { steps: [5, 25], minCalls: 10 };
    const [one, behind] = [canaryOf(rule, 25), canaryOf(rule, 5)];
    add(one, 4, false);
    add(behind, 20, false);
    await exchange(one);
    await exchange(behind);
    expect(behind.evidence).toMatchObject({ percent: 25, stepCalls: 4, canary: { calls: 24 } });
    expect(behind.nextStep).toBeNull();
  });

  it('start without evidence from what another release stored in another form', () => {
    expect(parseEvidence(null)).toBeNull();
    expect(parseEvidence({ canary: { calls: 1, failures: 0 } })).toBeNull();
  });

  it('keep evidence of another canary, version, limit or start apart', () => {
    const keys = [
      canaryOf(),
      canaryOf({ maxP95Ms: 5 }),
      canaryOf({ maxErrorRate: 0.1 }),
      new Canary(versionOf('c'), versionOf('a'), canaryOf().rule, canaryOf().state),
      new Canary(versionOf('b'), versionOf('c'), canaryOf().rule, canaryOf().state),
      new Canary(versionOf('b'), versionOf('a'), canaryOf().rule, { stopped: null, percent: null, restarts: 1 }),
    ].map(({ key }) => key);
    expect(new Set(keys).size).toBe(6);
    expect(canaryOf({}, 25).key).toBe(keys[0]);
  });
});
