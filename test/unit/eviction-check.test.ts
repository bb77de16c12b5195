import { describe, expect, it } from '@jest/globals';
import { evictionPolicyIn } from '../../src/redis/eviction-check.js';

const info = (maxmemory: string, policy: string): string =>
  `# Memory\r\nused_memory:1024\r\nmaxmemory:${maxmemory}\r\nmaxmemory_human:1M\r\nmaxmemory_policy:${policy}\r\n`;

describe('evictionPolicyIn', () => {
  it.each([
    ['1048576', 'allkeys-lru', 'allkeys-lru'],
    ['1048576', 'volatile-lfu', 'volatile-lfu'],
    ['1048576', 'noeviction', null],
    ['0', 'allkeys-lru', null],
  ])('of maxmemory %s and %s is %s', (maxmemory, policy, expected) => {
    expect(evictionPolicyIn(info(maxmemory, policy))).toBe(expected);
  });

  it('is null if the server does not report it', () => {
    expect(evictionPolicyIn('# Memory\r\nused_memory:1024\r\n')).toBeNull();
  });
});
