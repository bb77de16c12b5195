import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { LoginThrottle } from '../../../src/auth/login-throttle.js';
import { MemoryCounters } from '../../../src/shared/counters.js';
import { TooManyAttempts } from '../../../src/shared/errors.js';

const limits = { windowSeconds: 60, loginsPerAccount: 3, loginsPerAddress: 5, refreshesPerAccount: 2, refreshesPerAddress: 4, registrationsPerAddress: 2 };

let throttle: LoginThrottle;
let nowMs: number;
beforeEach(() => {
  nowMs = 1_000_000;
  jest.spyOn(Date, 'now').mockImplementation(() => nowMs);
  throttle = new LoginThrottle(limits, new MemoryCounters());
});
afterEach(() => {
  jest.restoreAllMocks();
});

/** How many of the attempts were let through. */
async function passed(attempts: number, attempt: (at: number) => Promise<void>): Promise<number> {
  let count = 0;
  for (let at = 0; at < attempts; at++) {
    try {
      await attempt(at);
      count += 1;
    } catch (error) {
      if (!(error instanceof TooManyAttempts)) throw error;
    }
  }
  return count;
}

/** The refusal of an attempt; it must be refused. */
async function refusalOf(attempt: () => Promise<void>): Promise<TooManyAttempts> {
  try {
    await attempt();
  } catch (error) {
    if (error instanceof TooManyAttempts) return error;
    throw error;
  }
  throw new Error('The attempt was let through.');
}

describe('the throttle', () => {
  it('lets an account be tried up to its limit, from whatever address', async () => {
    expect(await passed(10, (at) => throttle.login('a@example.org', `10.0.0.${at}`))).toBe(3);
    expect(await passed(1, () => throttle.login('b@example.org', '10.0.0.1'))).toBe(1);
  });

  it('lets an address try up to its limit, on whatever account', async () => {
    expect(await passed(10, (at) => throttle.login(`${at}@example.org`, '10.0.0.1'))).toBe(5);
    expect(await passed(1, () => throttle.login('0@example.org', '10.0.0.2'))).toBe(1);
  });

  it('counts refreshes of an address, refreshes of an account and registrations each by themselves', async () => {
    expect(await passed(10, () => throttle.refreshFrom('10.0.0.1'))).toBe(4);
    expect(await passed(10, () => throttle.refreshOf('a'))).toBe(2);
    expect(await passed(10, () => throttle.register('10.0.0.1'))).toBe(2);
    expect(await passed(10, () => throttle.login('a', '10.0.0.1'))).toBe(3);
  });

  it('says how long to wait, in whole seconds, one at the least', async () => {
    await passed(3, () => throttle.login('a', '10.0.0.1'));
    const wait = async () => (await refusalOf(() => throttle.login('a', '10.0.0.2'))).retryAfterSeconds;
    expect(await wait()).toBe(60);
    nowMs += 30_500;
    expect(await wait()).toBe(30);
    nowMs += 29_499;
    expect(await wait()).toBe(1);
  });

  it('says the wait in the message and in the extensions as well', async () => {
    await passed(3, () => throttle.login('a', '10.0.0.1'));
    const refusal = await refusalOf(() => throttle.login('a', '10.0.0.2'));
    expect(refusal.message).toBe('Too many attempts; try again in 60 seconds.');
    expect(refusal.extensions).toEqual({ code: 'TOO_MANY_REQUESTS', retryAfterSeconds: 60 });
  });

  it('lets all through again once the window has passed, and not a millisecond before', async () => {
    await passed(3, () => throttle.login('a', '10.0.0.1'));
    nowMs += 59_999;
    expect(await passed(3, () => throttle.login('a', '10.0.0.2'))).toBe(0);
    nowMs += 1;
    expect(await passed(10, (at) => throttle.login('a', `10.0.1.${at}`))).toBe(3);
  });

  it('does not prolong the window by attempts that were refused', async () => {
    await passed(3, () => throttle.login('a', '10.0.0.1'));
    for (let second = 1; second < 60; second++) {
      nowMs += 1000;
      expect(await passed(1, () => throttle.login('a', `10.1.0.${second}`))).toBe(0);
    }
    nowMs += 1000;
    expect(await passed(1, () => throttle.login('a', '10.2.0.1'))).toBe(1);
  });

  it('forgets an account’s count after a right password, and keeps its address’s', async () => {
    for (let round = 0; round < 2; round++) {
      expect(await passed(2, () => throttle.login('a', '10.0.0.1'))).toBe(2);
      await throttle.loginSucceeded('a');
    }
    expect(await passed(3, () => throttle.login('a', '10.0.0.1'))).toBe(1);
  });

  it('does not let an address past its limit use up the attempts of accounts', async () => {
    await passed(5, (at) => throttle.login(`${at}@example.org`, '10.0.0.1'));
    expect(await passed(10, () => throttle.login('a', '10.0.0.1'))).toBe(0);
    expect(await passed(10, (at) => throttle.login('a', `10.0.1.${at}`))).toBe(3);
  });

  it.each([
    ['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:db8:1:3::1'],
    ['2001:DB8:1:2::a', '2001:0db8:0001:0002:0000:0000:0000:000b', '2001:db8:1::2'],
    ['2001:db8::1', '2001:db8:0:0:1::', '2001:db8:0:1::1'],
    ['fe80::1%eth0', 'fe80::2', 'fe81::1'],
    ['::1', '::2', '0:0:0:1::1'],
    ['64:ff9b::192.0.2.1', '64:ff9b::192.0.2.2', '64:ff9b:0:1::'],
  ])('counts %s and %s as one network, and %s as another', async (one, other, elsewhere) => {
    expect(await passed(4, () => throttle.refreshFrom(one))).toBe(4);
    expect(await passed(1, () => throttle.refreshFrom(other))).toBe(0);
    expect(await passed(1, () => throttle.refreshFrom(elsewhere))).toBe(1);
  });

  it('counts IPv4 addresses singly, also where they come as IPv6', async () => {
    expect(await passed(4, () => throttle.refreshFrom('192.0.2.1'))).toBe(4);
    expect(await passed(1, () => throttle.refreshFrom('::ffff:192.0.2.1'))).toBe(0);
    expect(await passed(1, () => throttle.refreshFrom('192.0.2.2'))).toBe(1);
    expect(await passed(1, () => throttle.refreshFrom('::ffff:192.0.2.3'))).toBe(1);
  });

  it('counts what is no address as it is', async () => {
    expect(await passed(10, () => throttle.refreshFrom('unknown'))).toBe(4);
    expect(await passed(1, () => throttle.refreshFrom(''))).toBe(1);
  });

  it('keeps 100,000 counters at the most, and forgets the one not seen for longest', async () => {
    await passed(3, () => throttle.login('first', '10.0.0.1'));
    await passed(3, () => throttle.login('busy', '10.0.0.2'));
    for (let at = 0; at < 99_000; at++) await throttle.refreshOf(`user ${at}`);
    expect(await passed(1, () => throttle.login('first', '10.9.0.1'))).toBe(0);
    for (let at = 0; at < 99_000; at++) await throttle.refreshOf(`other ${at}`);
    expect(await passed(1, () => throttle.login('first', '10.9.0.2'))).toBe(0);
    for (let at = 0; at < 100_000; at++) await throttle.refreshOf(`third ${at}`);
    expect(await passed(1, () => throttle.login('busy', '10.9.0.3'))).toBe(1);
    expect(await passed(1, () => throttle.login('first', '10.9.0.4'))).toBe(1);
  });
});
