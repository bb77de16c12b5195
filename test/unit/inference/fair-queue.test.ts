import fc from 'fast-check';
import { FairQueue } from '../../../src/inference/scheduling/fair-queue.js';

const drain = <Item>(queue: FairQueue<Item>): Item[] => queue.take(() => true);

describe('a fair queue', () => {
  it('serves flows in turn, by cost', () => {
    const queue = new FairQueue<string>();
    for (const item of ['a1', 'a2', 'a3']) queue.push(item, { flow: 'a', cost: 10 });
    for (const item of ['b1', 'b2', 'b3', 'b4']) queue.push(item, { flow: 'b', cost: 5 });
    expect(drain(queue)).toEqual(['a1', 'b1', 'b2', 'a2', 'b3', 'b4', 'a3']);
  });

  it('serves a flow that was idle next, and owes it nothing for the past', () => {
    const queue = new FairQueue<string>();
    for (let index = 0; index < 100; index += 1) queue.push('a', { flow: 'a', cost: 10 });
    for (let index = 0; index < 50; index += 1) queue.shift();
    for (let index = 0; index < 4; index += 1) queue.push('b', { flow: 'b', cost: 10 });
    const next = Array.from({ length: 8 }, () => queue.shift());
    expect(next.slice(0, 2)).toContain('b');
    expect(next.filter((item) => item === 'a')).toHaveLength(4);
  });

  it('gives a flow of more weight more service', () => {
    const queue = new FairQueue<string>();
    for (let index = 0; index < 40; index += 1) {
      queue.push('low', { flow: 'low', cost: 1 });
      queue.push('high', { flow: 'high', cost: 1, weight: 4 });
    }
    const first = Array.from({ length: 25 }, () => queue.shift());
    expect(first.filter((item) => item === 'high')).toHaveLength(20);
  });

  it('delays a flow by what it is charged', () => {
    const queue = new FairQueue<string>();
    queue.push('a1', { flow: 'a', cost: 1 });
    queue.charge({ flow: 'a', cost: 100 });
    queue.push('a2', { flow: 'a', cost: 1 });
    for (const item of ['b1', 'b2', 'b3']) queue.push(item, { flow: 'b', cost: 10 });
    expect(drain(queue)).toEqual(['a1', 'b1', 'b2', 'b3', 'a2']);
  });

  it('skips items that are not accepted, and removes one without serving it', () => {
    const queue = new FairQueue<number>();
    for (const item of [1, 2, 3, 4]) queue.push(item, { flow: 'a', cost: 1 });
    expect(queue.take((item) => item % 2 === 0)).toEqual([2, 4]);
    expect(queue.lastOf('a')).toBe(3);
    expect([queue.remove(3), queue.remove(3)]).toEqual([true, false]);
    expect(queue.lastOf('b')).toBeUndefined();
    expect(drain(queue)).toEqual([1]);
  });

  it('serves two flows that wait the same, up to one item of each, whatever their costs', () => {
    const costs = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 20, maxLength: 60 });
    fc.assert(
      fc.property(costs, costs, (ones, others) => {
        const queue = new FairQueue<{ flow: string; cost: number }>();
        for (const [flow, list] of [
          ['one', ones],
          ['other', others],
        ] as const)
          for (const cost of list) queue.push({ flow, cost }, { flow, cost });
        const left = { one: ones.length, other: others.length };
        const served = { one: 0, other: 0 };
        while (left.one > 0 && left.other > 0) {
          const next = queue.shift();
          const flow = next?.flow === 'one' ? 'one' : 'other';
          left[flow] -= 1;
          served[flow] += next?.cost ?? 0;
          // Goyal, Vin and Cheng, theorem 1.
          expect(Math.abs(served.one - served.other)).toBeLessThanOrEqual(Math.max(...ones) + Math.max(...others));
        }
      }),
    );
  });
});
