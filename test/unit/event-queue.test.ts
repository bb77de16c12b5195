import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Unauthenticated } from '../../src/shared/errors.js';
import { EventQueue } from '../../src/shared/event-queue.js';

const queueOf = (maxWaiting = 3) => {
  const ends: unknown[] = [];
  const queue = new EventQueue<number>({ maxWaiting, onEnd: () => ends.push('ended') });
  return { queue, ends };
};

describe('an event queue', () => {
  it('hands events over in their order, whether they wait for the reader or the reader for them', async () => {
    const { queue } = queueOf();
    queue.push(1);
    queue.push(2);
    expect(await queue.next()).toEqual({ done: false, value: 1 });
    expect(await queue.next()).toEqual({ done: false, value: 2 });
    const waiting = queue.next();
    queue.push(3);
    expect(await waiting).toEqual({ done: false, value: 3 });
  });

  it('ends where one more waits than may, and tells the reader why, once', async () => {
    const { queue, ends } = queueOf(2);
    for (const event of [1, 2, 3, 4]) queue.push(event);
    expect([queue.hasEnded, queue.hasUntoldError, ends]).toEqual([true, true, ['ended']]);
    await expect(queue.next()).rejects.toMatchObject({ code: 'SLOW_READER', message: expect.stringContaining('More than 2 events') });
    expect(queue.hasUntoldError).toBe(false);
    expect(await queue.next()).toEqual({ done: true, value: undefined });
  });

  it('wakes a reader that waits when it ends, with the error or without', async () => {
    const [good, bad] = [queueOf(), queueOf()];
    const [over, failed] = [good.queue.next(), bad.queue.next()];
    good.queue.end();
    bad.queue.end(new Unauthenticated('gone'));
    expect(await over).toEqual({ done: true, value: undefined });
    await expect(failed).rejects.toThrow('gone');
    expect(bad.queue.hasUntoldError).toBe(false);
  });

  it('tells of its end once, however often it ends, and at once whoever asks later', async () => {
    const { queue, ends } = queueOf();
    queue.end();
    queue.end(new Unauthenticated());
    await queue.return();
    queue.push(1);
    queue.onEnd(() => ends.push('late'));
    expect(ends).toEqual(['ended', 'late']);
    expect(await queue.next()).toEqual({ done: true, value: undefined });
  });

  it('never holds more than it may, and loses nothing while it has not ended', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 5 }), fc.array(fc.boolean(), { maxLength: 60 }), async (max, steps) => {
        const { queue } = queueOf(max);
        const read: number[] = [];
        let pushed = 0;
        let waiting = 0;
        for (const isPush of steps) {
          if (isPush) {
            queue.push((pushed += 1));
            waiting += 1;
            if (waiting > max) break;
          } else if (waiting > 0) {
            const next = await queue.next();
            if (next.done === true) throw new Error('ended too soon');
            read.push(next.value);
            waiting -= 1;
          }
        }
        expect(queue.hasEnded).toBe(waiting > max);
        expect(read).toEqual(read.map((_event, at) => at + 1));
      }),
    );
  });
});
