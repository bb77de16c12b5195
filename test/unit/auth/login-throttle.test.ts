import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { LoginThrottle } from '../../../src/auth/login-throttle.js';
import { MemoryRateCounters } from '../../../src/redis/memory-rate-counters.js';
import { TooManyAttempts } from '../../../src/errors/app-error.js';

const limits = {
  windowSeconds: 60,
  loginsPerAccount: 3,
  loginsPerAccountTotal: 8,
  loginsPerAddress: 5,
  refreshesPerAccount: 2,
  refreshesPerAddress: 4,
  registrationsPerAddress: 2,
  mailsPerAccount: 2,
  mailsPerAddress: 3,
};

let throttle: LoginThrottle;
let nowMs: number;
beforeEach(() => {
  nowMs = 1_000_000;
  jest.spyOn(performance, 'now').mockImplementation(() => nowMs);
  throttle = new LoginThrottle(limits, new MemoryRateCounters());
});
afterEach(() => {
  jest.restoreAllMocks();
});

const elsewhere = (): Promise<boolean> => Promise.resolve(false);
const known = (): Promise<boolean> => Promise.resolve(true);
const login = (account: string, address: string, isKnownNetwork = elsewhere): Promise<void> =>
  throttle.login({ account, address, isKnownNetwork });

/** Makes attempts. @returns the number allowed. */
async function countAllowed(attempts: number, attempt: (at: number) => Promise<void>): Promise<number> {
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

/** @returns the error of an attempt that must be rejected. */
async function rejectionOf(attempt: () => Promise<void>): Promise<TooManyAttempts> {
  try {
    await attempt();
  } catch (error) {
    if (error instanceof TooManyAttempts) return error;
    throw error;
  }
  throw new Error('The attempt was allowed.');
}

describe('LoginThrottle', () => {
  it('limits attempts per account and network', async () => {
    expect(await countAllowed(10, () => login('a@example.org', '10.0.0.1'))).toBe(3);
    expect(await countAllowed(1, () => login('a@example.org', '10.0.0.2'))).toBe(1);
    expect(await countAllowed(1, () => login('b@example.org', '10.0.0.1'))).toBe(1);
  });

  it('limits attempts per account over all networks', async () => {
    expect(await countAllowed(20, (at) => login('a@example.org', `10.0.0.${at}`))).toBe(8);
    expect(await countAllowed(1, () => login('b@example.org', '10.0.0.1'))).toBe(1);
  });

  it('limits a network where the account has signed in before by its own attempts only', async () => {
    await countAllowed(20, (at) => login('a', `10.0.0.${at}`));
    expect(await countAllowed(1, () => login('a', '10.0.1.1'))).toBe(0);
    expect(await countAllowed(10, () => login('a', '10.0.1.2', known))).toBe(3);
    await countAllowed(20, (at) => login(`${at}`, '10.0.1.3'));
    expect(await countAllowed(1, () => login('b', '10.0.1.3'))).toBe(0);
    expect(await countAllowed(10, () => login('b', '10.0.1.3', known))).toBe(2);
  });

  it('looks the network up only past a limit of others', async () => {
    const lookups: number[] = [];
    const lookUp = (): Promise<boolean> => Promise.resolve(lookups.push(1) > 0);
    await countAllowed(3, () => login('a', '10.0.0.1', lookUp));
    expect(await countAllowed(5, () => login('a', '10.0.0.1', lookUp))).toBe(0);
    expect(lookups).toEqual([]);
  });

  it('counts checks of the current password by session', async () => {
    await countAllowed(20, (at) => login('a', `10.0.0.${at}`));
    expect(await countAllowed(10, () => throttle.passwordChange('one'))).toBe(3);
    expect(await countAllowed(10, () => throttle.passwordChange('other'))).toBe(3);
  });

  it('returns attempts that were not checked to the account, not to the address', async () => {
    for (let attempt = 0; attempt < 5; attempt++) {
      await login('a', '10.0.0.1');
      await throttle.loginNotChecked('a', '10.0.0.1');
    }
    expect(await countAllowed(1, () => login('b', '10.0.0.1'))).toBe(0);
    expect(await countAllowed(20, (at) => login('a', `10.0.1.${at}`))).toBe(8);
  });

  it('limits attempts per address across accounts', async () => {
    expect(await countAllowed(10, (at) => login(`${at}@example.org`, '10.0.0.1'))).toBe(5);
    expect(await countAllowed(1, () => login('0@example.org', '10.0.0.2'))).toBe(1);
  });

  it('counts logins, refreshes per address, refreshes per account and registrations separately', async () => {
    expect(await countAllowed(10, () => throttle.refreshFrom('10.0.0.1'))).toBe(4);
    expect(await countAllowed(10, () => throttle.refreshOf('a'))).toBe(2);
    expect(await countAllowed(10, () => throttle.register('10.0.0.1'))).toBe(2);
    expect(await countAllowed(10, () => login('a', '10.0.0.1'))).toBe(3);
  });

  it('rounds the time to wait up to whole seconds, at least one', async () => {
    await countAllowed(3, () => login('a', '10.0.0.1'));
    const wait = async () => (await rejectionOf(() => login('a', '10.0.0.1'))).retryAfterSeconds;
    expect(await wait()).toBe(60);
    nowMs += 30_500;
    expect(await wait()).toBe(30);
    nowMs += 29_499;
    expect(await wait()).toBe(1);
  });

  it('reports the time to wait in the message and in the extensions', async () => {
    await countAllowed(3, () => login('a', '10.0.0.1'));
    const rejection = await rejectionOf(() => login('a', '10.0.0.1'));
    expect(rejection.message).toBe('Too many attempts; try again in 60 seconds.');
    expect(rejection.extensions).toEqual({ code: 'TOO_MANY_REQUESTS', retryAfterSeconds: 60 });
  });

  it('allows attempts again exactly when the window ends', async () => {
    await countAllowed(3, () => login('a', '10.0.0.1'));
    nowMs += 59_999;
    expect(await countAllowed(3, () => login('a', '10.0.0.1'))).toBe(0);
    nowMs += 1;
    expect(await countAllowed(10, () => login('a', '10.0.0.1'))).toBe(3);
  });

  it('does not extend the window on rejected attempts', async () => {
    await countAllowed(3, () => login('a', '10.0.0.1'));
    for (let second = 1; second < 60; second++) {
      nowMs += 1000;
      expect(await countAllowed(1, () => login('a', '10.0.0.1'))).toBe(0);
    }
    nowMs += 1000;
    expect(await countAllowed(1, () => login('a', '10.0.0.1'))).toBe(1);
  });

  it('resets the count of an account and network after a correct password, but not the one of the address', async () => {
    for (let round = 0; round < 2; round++) {
      expect(await countAllowed(2, () => login('a', '10.0.0.1'))).toBe(2);
      await throttle.loginSucceeded('a', '10.0.0.1');
    }
    expect(await countAllowed(3, () => login('a', '10.0.0.1'))).toBe(1);
  });

  it('does not use up the attempts of accounts from an address past its limit', async () => {
    await countAllowed(5, (at) => login(`${at}@example.org`, '10.0.0.1'));
    expect(await countAllowed(10, () => login('a', '10.0.0.1'))).toBe(0);
    expect(await countAllowed(20, (at) => login('a', `10.0.1.${at}`))).toBe(8);
  });

  it.each([
    ['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:db8:1:3::1'],
    ['2001:DB8:1:2::a', '2001:0db8:0001:0002:0000:0000:0000:000b', '2001:db8:1::2'],
    ['2001:db8::1', '2001:db8:0:0:1::', '2001:db8:0:1::1'],
    ['fe80::1%eth0', 'fe80::2', 'fe81::1'],
    ['::1', '::2', '0:0:0:1::1'],
    ['64:ff9b::192.0.2.1', '64:ff9b::192.0.2.2', '64:ff9b:0:1::'],
  ])('counts %s and %s as one network, and %s as another', async (one, other, elsewhere) => {
    expect(await countAllowed(4, () => throttle.refreshFrom(one))).toBe(4);
    expect(await countAllowed(1, () => throttle.refreshFrom(other))).toBe(0);
    expect(await countAllowed(1, () => throttle.refreshFrom(elsewhere))).toBe(1);
  });

  it('counts IPv4 addresses individually, also when mapped to IPv6', async () => {
    expect(await countAllowed(4, () => throttle.refreshFrom('192.0.2.1'))).toBe(4);
    expect(await countAllowed(1, () => throttle.refreshFrom('::ffff:192.0.2.1'))).toBe(0);
    expect(await countAllowed(1, () => throttle.refreshFrom('192.0.2.2'))).toBe(1);
    expect(await countAllowed(1, () => throttle.refreshFrom('::ffff:192.0.2.3'))).toBe(1);
  });

  it('counts an invalid address verbatim', async () => {
    expect(await countAllowed(10, () => throttle.refreshFrom('unknown'))).toBe(4);
    expect(await countAllowed(1, () => throttle.refreshFrom(''))).toBe(1);
  });

  it('holds at most 100,000 counters and evicts the least recently used one', async () => {
    await countAllowed(3, () => login('first', '10.0.0.1'));
    await countAllowed(3, () => login('busy', '10.0.0.2'));
    for (let at = 0; at < 99_000; at++) await throttle.refreshOf(`user ${at}`);
    expect(await countAllowed(1, () => login('first', '10.0.0.1'))).toBe(0);
    for (let at = 0; at < 99_000; at++) await throttle.refreshOf(`other ${at}`);
    expect(await countAllowed(1, () => login('first', '10.0.0.1'))).toBe(0);
    for (let at = 0; at < 100_000; at++) await throttle.refreshOf(`third ${at}`);
    expect(await countAllowed(1, () => login('busy', '10.0.0.2'))).toBe(1);
    expect(await countAllowed(1, () => login('first', '10.0.0.1'))).toBe(1);
  });
});
