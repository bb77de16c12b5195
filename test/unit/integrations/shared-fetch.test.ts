import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ProviderUnavailable, SharedFetch } from '../../../src/integrations/identity-provider/shared-fetch.js';

let nowMs: number;
beforeEach(() => {
  nowMs = 1_000;
  jest.spyOn(performance, 'now').mockImplementation(() => nowMs);
});
afterEach(() => {
  jest.restoreAllMocks();
});

const times = { freshMs: 100, maxAgeMs: 1_000, cooldownMs: 50 };

describe('a shared fetch', () => {
  it('reads once for concurrent and for later callers', async () => {
    const read = jest.fn(() => Promise.resolve('keys'));
    const shared = new SharedFetch(read, times);
    expect(await Promise.all([shared.value(), shared.value(), shared.newer()])).toEqual(['keys', 'keys', 'keys']);
    nowMs += 100;
    expect(await shared.value()).toBe('keys');
    expect(read).toHaveBeenCalledTimes(1);
  });

  it('returns an old value and reads in the background', async () => {
    const read = jest.fn<() => Promise<string>>().mockResolvedValueOnce('old').mockResolvedValue('new');
    const shared = new SharedFetch(read, times);
    await shared.value();
    nowMs += 101;
    expect(await shared.value()).toBe('old');
    expect(await shared.value()).toBe('new');
    expect(read).toHaveBeenCalledTimes(2);
  });

  it('reads newer values at most once per cooldown', async () => {
    const read = jest.fn<() => Promise<string>>().mockResolvedValueOnce('old').mockResolvedValue('new');
    const shared = new SharedFetch(read, times);
    await shared.value();
    for (let call = 0; call < 10; call++) expect(await shared.newer()).toBe('old');
    nowMs += 50;
    for (let call = 0; call < 10; call++) expect(await shared.newer()).toBe('new');
    expect(read).toHaveBeenCalledTimes(2);
  });

  it('reads at most once per cooldown while reads fail', async () => {
    const read = jest.fn<() => Promise<string>>().mockRejectedValueOnce(new Error('down')).mockResolvedValue('up');
    const shared = new SharedFetch(read, times);
    for (let call = 0; call < 10; call++) await expect(shared.value()).rejects.toThrow(ProviderUnavailable);
    expect(read).toHaveBeenCalledTimes(1);
    nowMs += 50;
    expect(await shared.value()).toBe('up');
  });

  it('survives a failed background read, until the value is too old', async () => {
    const read = jest.fn<() => Promise<string>>().mockResolvedValueOnce('old').mockRejectedValue(new Error('down'));
    const shared = new SharedFetch(read, times);
    await shared.value();
    nowMs += 900;
    expect(await shared.value()).toBe('old');
    nowMs += 200;
    await expect(shared.value()).rejects.toThrow(ProviderUnavailable);
  });
});
