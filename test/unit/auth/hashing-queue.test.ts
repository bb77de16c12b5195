import { setImmediate as turn } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { defaultHashingLimits, HashingQueue, type HashingCaller } from '../../../src/auth/hashing-queue.js';
import { Overloaded, RequestCancelled } from '../../../src/errors/app-error.js';

let queue: HashingQueue;
/** Names of hashes in the order in which they started. */
let started: string[];
let running: { name: string; end: () => void; fail: (error: Error) => void }[];
beforeEach(() => {
  queue = new HashingQueue({ concurrency: 1, maxWaiting: 4 });
  started = [];
  running = [];
});

const from = (share: string, more: Partial<HashingCaller> = {}): HashingCaller => ({ share, isKnown: false, ...more });

/** Hashes until `end`. @returns its name, or the error that rejected it */
const hash = (name: string, caller?: HashingCaller): Promise<unknown> =>
  queue
    .run(
      () =>
        new Promise<string>((resolve, reject) => {
          started.push(name);
          running.push({ name, end: () => resolve(name), fail: reject });
        }),
      caller,
    )
    .catch((error: unknown) => error);

/** Ends the oldest running hash. */
async function endOne(): Promise<void> {
  running.shift()?.end();
  await turn();
}

async function endAll(): Promise<void> {
  await turn();
  while (running.length > 0) await endOne();
}

describe('HashingQueue', () => {
  it('runs at most the allowed number of hashes at once, in the order of arrival for one share', async () => {
    queue = new HashingQueue({ concurrency: 2, maxWaiting: 4 });
    const all = Promise.all(['a', 'b', 'c', 'd'].map((name) => hash(name, from('one'))));
    await turn();
    expect(running).toHaveLength(2);
    expect(queue.length).toBe(2);
    await endOne();
    expect(running).toHaveLength(2);
    expect(queue.length).toBe(1);
    await endAll();
    expect(await all).toEqual(['a', 'b', 'c', 'd']);
    expect(started).toEqual(['a', 'b', 'c', 'd']);
    expect(queue.length).toBe(0);
  });

  it('starts a caller of another network before those that wait from a busy one', async () => {
    const all = Promise.all([
      ...['w1', 'w2', 'w3', 'w4'].map((name) => hash(name, from('attacker'))),
      hash('right', from('home')),
    ]);
    await turn();
    await endAll();
    await all;
    expect(started).toEqual(['w1', 'right', 'w2', 'w3', 'w4']);
  });

  it('remembers what a network used lately, so that many networks do not delay a new one in turn', async () => {
    for (const network of ['n1', 'n2']) {
      void hash(`${network} first`, from(network));
      await endAll();
    }
    const all = Promise.all([
      hash('n1 again', from('n1')),
      hash('n1 third', from('n1')),
      hash('n2 again', from('n2')),
      hash('right', from('home')),
    ]);
    await turn();
    await endAll();
    await all;
    expect(started.slice(2)).toEqual(['n1 again', 'right', 'n2 again', 'n1 third']);
  });

  it('starts known callers first', async () => {
    const all = Promise.all([
      ...['w1', 'w2', 'w3'].map((name, at) => hash(name, from(`network ${at}`))),
      hash('known', from('busy office', { isKnown: true })),
    ]);
    await turn();
    await endAll();
    await all;
    expect(started).toEqual(['w1', 'known', 'w2', 'w3']);
  });

  it('rejects with OVERLOADED past its bound: a caller of the busiest network, not the one that came last', async () => {
    const flood = ['w1', 'w2', 'w3', 'w4', 'w5'].map((name) => hash(name, from('attacker')));
    const late = hash('w6', from('attacker'));
    expect(await late).toBeInstanceOf(Overloaded);
    const right = hash('right', from('home'));
    const displaced = (await flood[4]) as Overloaded;
    expect(displaced).toBeInstanceOf(Overloaded);
    expect(displaced.extensions).toEqual({ code: 'OVERLOADED', retryAfterSeconds: 1 });
    expect(queue.length).toBe(4);
    await endAll();
    expect(await right).toBe('right');
    expect(started).toEqual(['w1', 'right', 'w2', 'w3', 'w4']);
  });

  it('drops callers that disconnect, without running their hash', async () => {
    const [gone, waiting] = [new AbortController(), new AbortController()];
    const first = hash('first', from('a'));
    const dropped = hash('dropped', from('b', { signal: gone.signal }));
    const stays = hash('stays', from('c', { signal: waiting.signal }));
    gone.abort(new RequestCancelled());
    expect(await dropped).toBeInstanceOf(RequestCancelled);
    expect(queue.length).toBe(1);
    await endAll();
    // Too late: it has run.
    waiting.abort(new RequestCancelled());
    expect(await Promise.all([first, stays])).toEqual(['first', 'stays']);
    expect(await hash('never', from('d', { signal: gone.signal }))).toBeInstanceOf(RequestCancelled);
    expect(started).toEqual(['first', 'stays']);
  });

  it('continues after a hash that failed', async () => {
    const [failing, next] = [hash('failing'), hash('next')];
    await turn();
    running.shift()?.fail(new Error('no memory'));
    await turn();
    await endAll();
    expect(await failing).toEqual(new Error('no memory'));
    expect(await next).toBe('next');
  });

  it('leaves one core and one libuv thread free by default', () => {
    const { concurrency, maxWaiting } = defaultHashingLimits();
    expect(concurrency).toBeGreaterThanOrEqual(1);
    expect(concurrency).toBeLessThanOrEqual(3);
    expect(maxWaiting).toBe(concurrency * 32);
  });
});
