import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { createLogger } from '../../src/shared/logger.js';
import { openPubSub, topic } from '../../src/shared/pub-sub.js';

const numbers = topic('numbers', z.number());
const words = topic('words', z.string());
const silent = createLogger('silent');

describe('messages within a process', () => {
  it('are heard by each listener of their topic, from when it listens until it stops', () => {
    const pubSub = openPubSub({ logger: silent });
    const heard: unknown[] = [];
    const listener = (message: unknown): void => void heard.push(message);
    pubSub.publish(numbers, 1);
    const stops = [pubSub.subscribe(numbers, listener), pubSub.subscribe(numbers, listener), pubSub.subscribe(words, listener)];
    pubSub.publish(numbers, 2);
    expect(heard).toEqual([2, 2]);
    stops[0]?.();
    stops[0]?.();
    pubSub.publish(numbers, 3);
    pubSub.publish(words, 'four');
    expect(heard).toEqual([2, 2, 3, 'four']);
    for (const stop of stops) stop();
    pubSub.publish(numbers, 5);
    expect(heard).toHaveLength(4);
  });

  it('reach the others where one listener fails, and never fail who tells', () => {
    const pubSub = openPubSub({ logger: silent });
    const heard: number[] = [];
    pubSub.subscribe(numbers, () => {
      throw new Error('a listener failed');
    });
    pubSub.subscribe(numbers, (message) => heard.push(message));
    expect(() => pubSub.publish(numbers, 1)).not.toThrow();
    expect(heard).toEqual([1]);
  });

  it('are heard also where Redis cannot be reached, and closing does not wait for it', async () => {
    const pubSub = openPubSub({ redisUrl: 'redis://127.0.0.1:1', logger: silent });
    const heard: number[] = [];
    pubSub.subscribe(numbers, (message) => heard.push(message));
    pubSub.publish(numbers, 1);
    expect(heard).toEqual([1]);
    await pubSub.close();
  });
});
