import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { EventFeed } from '../../src/graphql/event-feed.js';
import { createLogger } from '../../src/shared/logger.js';
import { openPubSub, topic } from '../../src/shared/pub-sub.js';
import { until } from '../kit/streams.js';

const silent = createLogger('silent');
const numbers = topic('numbers', z.number());

/** Streams hear the multiples of what they are interested in. */
function feedOf({ maxWaiting = 1000, gate = () => Promise.resolve() }: { maxWaiting?: number; gate?: () => Promise<void> } = {}) {
  const prepared: number[][] = [];
  const pubSub = openPubSub({ logger: silent });
  const feed = new EventFeed<number, { of: number }, string>({
    pubSub,
    topic: numbers,
    maxWaiting,
    log: silent,
    prepare: async (messages) => {
      prepared.push([...messages]);
      await gate();
      return (message, { of }) => (message % of === 0 ? [`${message} is a multiple of ${of}`] : []);
    },
  });
  return { feed, pubSub, prepared };
}

describe('a feed of events', () => {
  it('gives each stream what it is interested in, in order, prepared once for all', async () => {
    const { feed, prepared } = feedOf();
    const [two, three] = [feed.open({ of: 2 }), feed.open({ of: 3 })];
    for (const number of [1, 2, 3, 4, 6]) feed.tell(number);
    const first = async (reader: AsyncIterator<string>, count: number) => Promise.all(Array.from({ length: count }, async () => (await reader.next()).value as string));
    expect(await first(two, 1)).toEqual(['2 is a multiple of 2']);
    expect([(await two.next()).value, (await two.next()).value]).toEqual(['4 is a multiple of 2', '6 is a multiple of 2']);
    expect([(await three.next()).value, (await three.next()).value]).toEqual(['3 is a multiple of 3', '6 is a multiple of 3']);
    expect(prepared.flat()).toEqual([1, 2, 3, 4, 6]);
  });

  it('does nothing while nobody listens, and after the last has left', async () => {
    const { feed, prepared } = feedOf();
    feed.tell(2);
    const reader = feed.open({ of: 1 });
    feed.tell(4);
    expect((await reader.next()).value).toBe('4 is a multiple of 1');
    await reader.return();
    feed.tell(6);
    expect(feed.size).toBe(0);
    expect(prepared).toEqual([[4]]);
  });

  it('does not tell who comes later what happened before', async () => {
    let open = (): void => undefined;
    const held = new Promise<void>((resolve) => (open = resolve));
    const { feed, prepared } = feedOf({ gate: () => held });
    const early = feed.open({ of: 1 });
    feed.tell(1);
    await until(() => prepared.length === 1);
    feed.tell(2);
    const late = feed.open({ of: 1 });
    feed.tell(3);
    open();
    expect([(await early.next()).value, (await early.next()).value, (await early.next()).value].map((text) => text?.[0])).toEqual(['1', '2', '3']);
    expect((await late.next()).value).toBe('3 is a multiple of 1');
  });

  it('ends its streams where an event cannot be told, so that none is missed unknowingly, and serves those that come again', async () => {
    let isDown = true;
    const { feed } = feedOf({ gate: () => (isDown ? Promise.reject(new Error('the database is away')) : Promise.resolve()) });
    const reader = feed.open({ of: 1 });
    feed.tell(1);
    await expect(reader.next()).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    expect(feed.size).toBe(0);
    isDown = false;
    const again = feed.open({ of: 1 });
    feed.tell(2);
    expect((await again.next()).value).toBe('2 is a multiple of 1');
  });

  it('ends its streams where more happens than can be prepared', async () => {
    const { feed } = feedOf({ gate: () => new Promise(() => undefined) });
    const reader = feed.open({ of: 1 });
    for (let number = 0; number < 2200; number += 1) feed.tell(number);
    await expect(reader.next()).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE', message: expect.stringContaining('More happened') });
  });

  it('drops the slow reader alone', async () => {
    const { feed } = feedOf({ maxWaiting: 2 });
    const [slow, quick] = [feed.open({ of: 1 }), feed.open({ of: 1 })];
    const read: string[] = [];
    const reading = (async () => {
      for await (const event of quick) if (read.push(event) === 5) return;
    })();
    for (let number = 1; number <= 5; number += 1) {
      feed.tell(number);
      await until(() => read.length === number);
    }
    await reading;
    await expect(slow.next()).rejects.toMatchObject({ code: 'SLOW_READER' });
  });
});
