import { parseEvidence, type CanaryEvidence } from '../../../src/inference/rollout/canary-evidence.js';
import { Canary } from '../../../src/inference/rollout/canary.js';
import type { CallCount } from '../../../src/inference/rollout/sequential-test.js';
import { noExcess, pValueOf, withFailures } from '../../../src/inference/rollout/stratified-test.js';
import { canaryOf, randomFrom, stoppedTrials, versionOf } from '../../support/canary-trials.js';

describe('a canary', () => {
  // The bounds leave room for chance: a true rate of 1 % exceeds 5 of 150 in 0.4 % of such tests. test/slow has more trials.
  it.each([0, 0.002, 0.05])(
    'as good as the current version is hardly ever stopped within 10,000 calls, with a failure rate of %d',
    (rate) => {
      expect(stoppedTrials({ current: rate, canary: rate, calls: 10_000, share: 0.5 }, 150)).toBeLessThanOrEqual(5);
    },
  );

  it.each([
    { share: 0.01, trials: 50 },
    { share: 0.25, trials: 300 },
    { share: 0.5, trials: 1000 },
  ])('with twice the failure rate is stopped within 1,000 of its calls: %j', ({ share, trials }) => {
    const stopped = stoppedTrials({ current: 0.05, canary: 0.1, calls: 1000, share }, trials);
    // A true rate of 90 % is below 88 % of 1,000 trials in 2 % of such tests.
    expect(stopped / trials).toBeGreaterThanOrEqual(0.88);
  });

  it('that always fails is stopped within 20 calls', () => {
    expect(stoppedTrials({ current: 0, canary: 1, calls: 20 }, 200)).toBe(200);
    expect(stoppedTrials({ current: 0.05, canary: 1, calls: 20 }, 200)).toBe(200);
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
    expect(stoppedTrials({ current: 0.1, canary: 0.05, calls: 2000 }, 20)).toBe(0);
  });

  it('within its limits is hardly ever stopped, beyond them within 1,000 calls', () => {
    const rule = { maxErrorRate: 0.05, maxP95Ms: 50 };
    const within = { current: 0.05, canary: 0.05, slow: 0.05, rule };
    expect(stoppedTrials({ ...within, calls: 1500 }, 100)).toBeLessThanOrEqual(4);
    expect(stoppedTrials({ ...within, slow: 0.1, calls: 1000 }, 100)).toBeGreaterThanOrEqual(90);
    const equallyBad = { current: 0.1, canary: 0.1, rule };
    expect(stoppedTrials({ ...equallyBad, calls: 1000 }, 100)).toBeGreaterThanOrEqual(90);
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
    // More calls than the step needs: the last ones are in a block that is still open.
    add(5);
    expect(canary.nextStep).toEqual({ from: 25, to: 100 });
    canary.state = { ...canary.state, percent: 100 };
    add(5);
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
    await exchange(other);
    expect([one.evidence, other.evidence].map(({ canary, current }) => [canary.calls, current.calls])).toEqual([
      [23, 23],
      [23, 23],
    ]);
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

describe('the fixed-sample test', () => {
  it.each([
    { share: 0.01, rate: 0.05 },
    { share: 0.05, rate: 0.01 },
    { share: 0.25, rate: 0.1 },
    { share: 0.5, rate: 0.05 },
    { share: 0.5, rate: 0.3 },
  ])('has nearly the exact p-value of failures in blocks: %j', ({ share, rate }) => {
    const random = randomFrom(1);
    let excess = noExcess;
    /** Exact probabilities of each number of failures of the canary, given the failures of each block. */
    let exact = [1];
    for (let calls = 0; calls < 960;) {
      const [canary, current] = [none(), none()];
      while (canary.calls === 0 || current.calls === 0 || canary.calls + current.calls < 32) {
        const of = random() < share ? canary : current;
        of.calls += 1;
        if (random() < rate) of.failures += 1;
      }
      calls += canary.calls;
      excess = withFailures(excess, canary, current);
      exact = convolved(exact, hypergeometric(canary.calls, current.calls, canary.failures + current.failures));
    }
    const tails = exact.map((_, failures) => exact.slice(failures).reduce((sum, each) => sum + each, 0));
    const compared = tails.flatMap((tail, failures) =>
      tail > 0.001 && tail < 0.05 ? [pValueOf({ ...excess, failures }) / tail] : [],
    );
    expect(compared.length).toBeGreaterThan(2);
    expect(Math.min(...compared)).toBeGreaterThan(0.8);
    expect(Math.max(...compared)).toBeLessThan(1.25);
  });

  it('needs more than one failure, and finds no difference without calls of both versions', () => {
    const failed = { calls: 10, failures: 10 };
    expect([withFailures(noExcess, failed, none()), withFailures(noExcess, none(), failed)]).toEqual([
      noExcess,
      noExcess,
    ]);
    expect(pValueOf(noExcess)).toBe(1);
    const [others, one] = [
      { calls: 1000, failures: 0 },
      { calls: 1, failures: 1 },
    ];
    const twice = withFailures(withFailures(noExcess, one, others), one, others);
    expect([pValueOf(withFailures(noExcess, one, others)), pValueOf(twice)]).toEqual([1, expect.closeTo(1e-6, 8)]);
  });
});

const none = (): CallCount => ({ calls: 0, failures: 0 });

/** Probabilities of 0, 1, … failures among `tested` of `tested + other` calls, of which `failures` failed. */
function hypergeometric(tested: number, other: number, failures: number): number[] {
  const weights: number[] = [];
  for (let count = 0; count <= Math.min(tested, failures); count += 1)
    weights.push(choices(tested, count) * choices(other, failures - count));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

function choices(of: number, count: number): number {
  let product = count <= of ? 1 : 0;
  for (let index = 0; index < count; index += 1) product *= (of - index) / (index + 1);
  return product;
}

function convolved(one: number[], other: number[]): number[] {
  const sums = Array<number>(one.length + other.length - 1).fill(0);
  one.forEach((left, index) => {
    other.forEach((right, offset) => (sums[index + offset] = (sums[index + offset] ?? 0) + left * right));
  });
  return sums;
}
