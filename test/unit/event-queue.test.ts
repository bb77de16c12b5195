import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Unauthenticated } from '../../src/errors/app-error.js';
import { EventQueue } from '../../src/events/event-queue.js';

const queueOf = (maxBuffered = 3) => {
  const ends: unknown[] = [];
  const queue = new EventQueue<number>({ maxBuffered, onEnd: () => ends.push('ended') });
  return { queue, ends };
};

describe('EventQueue', () => {
  it('delivers buffered events and events of a pending read in order', async () => {
    const { queue } = queueOf();
    queue.push(1);
    queue.push(2);
    expect(await queue.next()).toEqual({ done: false, value: 1 });
    expect(await queue.next()).toEqual({ done: false, value: 2 });
    const pending = queue.next();
    queue.push(3);
    expect(await pending).toEqual({ done: false, value: 3 });
  });

  it('ends with SLOW_CONSUMER past its bound, and throws the error once', async () => {
    const { queue, ends } = queueOf(2);
    for (const event of [1, 2, 3, 4]) queue.push(event);
    expect([queue.hasEnded, queue.hasPendingError, ends]).toEqual([true, true, ['ended']]);
    await expect(queue.next()).rejects.toMatchObject({
      code: 'SLOW_CONSUMER',
      message: expect.stringContaining('Event backlog overflowed (2 events)'),
    });
    expect(queue.hasPendingError).toBe(false);
    expect(await queue.next()).toEqual({ done: true, value: undefined });
  });

  it('settles a pending read when it ends, with or without an error', async () => {
    const [successful, failing] = [queueOf(), queueOf()];
    const [done, failed] = [successful.queue.next(), failing.queue.next()];
    successful.queue.end();
    failing.queue.end(new Unauthenticated('gone'));
    expect(await done).toEqual({ done: true, value: undefined });
    await expect(failed).rejects.toThrow('gone');
    expect(failing.queue.hasPendingError).toBe(false);
  });

  it('calls a listener once when it ends, and a later listener at once', async () => {
    const { queue, ends } = queueOf();
    queue.end();
    queue.end(new Unauthenticated());
    await queue.return();
    queue.push(1);
    queue.onEnd(() => ends.push('after the end'));
    expect(ends).toEqual(['ended', 'after the end']);
    expect(await queue.next()).toEqual({ done: true, value: undefined });
  });

  it('never exceeds its bound, and drops nothing before it ends', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.boolean(), { maxLength: 60 }),
        async (max, steps) => {
          const { queue } = queueOf(max);
          const read: number[] = [];
          let pushed = 0;
          let buffered = 0;
          for (const isPush of steps) {
            if (isPush) {
              queue.push((pushed += 1));
              buffered += 1;
              if (buffered > max) break;
            } else if (buffered > 0) {
              const next = await queue.next();
              if (next.done === true) throw new Error('ended too soon');
              read.push(next.value);
              buffered -= 1;
            }
          }
          expect(queue.hasEnded).toBe(buffered > max);
          expect(read).toEqual(read.map((_event, at) => at + 1));
        },
      ),
    );
  });
});
