import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { createLogger } from '../../src/telemetry/logger.js';
import { openPubSub, topic } from '../../src/events/pub-sub.js';
import { RedisConnection } from '../../src/redis/connection.js';

const numbers = topic('numbers', z.number());
const words = topic('words', z.string());
const silent = createLogger('silent');

describe('pub/sub within a process', () => {
  it('delivers messages to each listener of their topic until it unsubscribes', () => {
    const pubSub = openPubSub({ logger: silent });
    const received: unknown[] = [];
    const listener = (message: unknown): void => void received.push(message);
    pubSub.publish(numbers, 1);
    const unsubscribes = [
      pubSub.subscribe(numbers, listener),
      pubSub.subscribe(numbers, listener),
      pubSub.subscribe(words, listener),
    ];
    pubSub.publish(numbers, 2);
    expect(received).toEqual([2, 2]);
    unsubscribes[0]?.();
    unsubscribes[0]?.();
    pubSub.publish(numbers, 3);
    pubSub.publish(words, 'four');
    expect(received).toEqual([2, 2, 3, 'four']);
    for (const unsubscribe of unsubscribes) unsubscribe();
    pubSub.publish(numbers, 5);
    expect(received).toHaveLength(4);
  });

  it('delivers to the other listeners if one throws, and never throws to the publisher', () => {
    const pubSub = openPubSub({ logger: silent });
    const received: number[] = [];
    pubSub.subscribe(numbers, () => {
      throw new Error('the listener failed');
    });
    pubSub.subscribe(numbers, (message) => received.push(message));
    expect(() => pubSub.publish(numbers, 1)).not.toThrow();
    expect(received).toEqual([1]);
  });

  it('delivers in this process while Redis is unreachable, and closes without waiting for it', async () => {
    const redis = new RedisConnection({ url: 'redis://127.0.0.1:1', logger: silent });
    const pubSub = openPubSub({ redis, logger: silent });
    const received: number[] = [];
    pubSub.subscribe(numbers, (message) => received.push(message));
    pubSub.publish(numbers, 1);
    expect(received).toEqual([1]);
    await pubSub.close();
    redis.close();
  });
});
