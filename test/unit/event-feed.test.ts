import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { EventFeed } from '../../src/graphql/subscriptions/event-feed.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { openPubSub, topic } from '../../src/events/pub-sub.js';
import { waitUntil } from '../support/wait-until.js';

const silent = createLogger('silent');
const numbers = topic('numbers', z.number());

/** A feed whose streams receive the multiples of their interest. */
function feedOf({
  maxBuffered = 1000,
  gate = () => Promise.resolve(),
}: { maxBuffered?: number; gate?: () => Promise<void> } = {}) {
  const prepared: number[][] = [];
  const pubSub = openPubSub({ logger: silent });
  const feed = new EventFeed<number, { of: number }, string>({
    pubSub,
    topic: numbers,
    maxBuffered,
    log: silent,
    prepare: async (messages) => {
      prepared.push([...messages]);
      await gate();
      return (message, { of }) => (message % of === 0 ? [`${message} is a multiple of ${of}`] : []);
    },
  });
  return { feed, pubSub, prepared };
}

describe('EventFeed', () => {
  it('delivers to each stream the events of its interest, in order, prepared once for all', async () => {
    const { feed, prepared } = feedOf();
    const [two, three] = [feed.open({ of: 2 }), feed.open({ of: 3 })];
    for (const number of [1, 2, 3, 4, 6]) feed.publish(number);
    const first = async (reader: AsyncIterator<string>, count: number) =>
      Promise.all(Array.from({ length: count }, async () => (await reader.next()).value as string));
    expect(await first(two, 1)).toEqual(['2 is a multiple of 2']);
    expect([(await two.next()).value, (await two.next()).value]).toEqual([
      '4 is a multiple of 2',
      '6 is a multiple of 2',
    ]);
    expect([(await three.next()).value, (await three.next()).value]).toEqual([
      '3 is a multiple of 3',
      '6 is a multiple of 3',
    ]);
    expect(prepared.flat()).toEqual([1, 2, 3, 4, 6]);
  });

  it('prepares nothing without open streams', async () => {
    const { feed, prepared } = feedOf();
    feed.publish(2);
    const reader = feed.open({ of: 1 });
    feed.publish(4);
    expect((await reader.next()).value).toBe('4 is a multiple of 1');
    await reader.return();
    feed.publish(6);
    expect(feed.size).toBe(0);
    expect(prepared).toEqual([[4]]);
  });

  it('does not deliver earlier events to a stream that opens later', async () => {
    let open = (): void => undefined;
    const held = new Promise<void>((resolve) => (open = resolve));
    const { feed, prepared } = feedOf({ gate: () => held });
    const early = feed.open({ of: 1 });
    feed.publish(1);
    await waitUntil(() => prepared.length === 1);
    feed.publish(2);
    const late = feed.open({ of: 1 });
    feed.publish(3);
    open();
    expect(
      [(await early.next()).value, (await early.next()).value, (await early.next()).value].map((text) => text?.[0]),
    ).toEqual(['1', '2', '3']);
    expect((await late.next()).value).toBe('3 is a multiple of 1');
  });

  it('ends its streams if events cannot be prepared, and serves new streams afterwards', async () => {
    let isDown = true;
    const { feed } = feedOf({
      gate: () => (isDown ? Promise.reject(new Error('the database is unavailable')) : Promise.resolve()),
    });
    const reader = feed.open({ of: 1 });
    feed.publish(1);
    await expect(reader.next()).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    expect(feed.size).toBe(0);
    isDown = false;
    const again = feed.open({ of: 1 });
    feed.publish(2);
    expect((await again.next()).value).toBe('2 is a multiple of 1');
  });

  it('ends its streams when its backlog overflows', async () => {
    const { feed } = feedOf({ gate: () => new Promise(() => undefined) });
    const reader = feed.open({ of: 1 });
    for (let number = 0; number < 2200; number += 1) feed.publish(number);
    await expect(reader.next()).rejects.toMatchObject({
      code: 'SERVICE_UNAVAILABLE',
      message: expect.stringContaining('backlog overflowed'),
    });
  });

  it('ends only the stream of a slow reader', async () => {
    const { feed } = feedOf({ maxBuffered: 2 });
    const [slow, quick] = [feed.open({ of: 1 }), feed.open({ of: 1 })];
    const read: string[] = [];
    const reading = (async () => {
      for await (const event of quick) if (read.push(event) === 5) return;
    })();
    for (let number = 1; number <= 5; number += 1) {
      feed.publish(number);
      await waitUntil(() => read.length === number);
    }
    await reading;
    await expect(slow.next()).rejects.toMatchObject({ code: 'SLOW_CONSUMER' });
  });
});
