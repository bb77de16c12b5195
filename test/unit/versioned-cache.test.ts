import { afterEach, describe, expect, it } from '@jest/globals';
import type { Cache, CacheEntry, ValueOrClaim } from '../../src/cache/cache.js';
import { WithText } from '../../src/cache/entry-text.js';
import { VersionedCache, type CachedText } from '../../src/cache/versioned-cache.js';
import { waitUntil } from '../support/wait-until.js';

/** A cache whose writes a test can delay or drop. */
class DelayedCache implements Cache {
  readonly isShared = true;
  readonly values = new Map<string, unknown>();
  isUnavailable = false;
  /** Delayed writes; null: writes apply at once. */
  delayed: (() => void)[] | null = null;
  writes = 0;

  getMany(keys: readonly string[]): Promise<unknown[]> {
    return Promise.resolve(keys.map((key) => (this.isUnavailable ? undefined : this.values.get(key))));
  }

  setMany(entries: readonly CacheEntry[]): Promise<boolean> {
    this.writes += 1;
    const apply = (): void => {
      for (const { key, value } of entries) this.values.set(key, value);
    };
    if (this.isUnavailable) return Promise.resolve(false);
    if (this.delayed) {
      this.delayed.push(apply);
      return Promise.resolve(false);
    }
    apply();
    return Promise.resolve(true);
  }

  claimMany = (keys: readonly string[]): Promise<boolean[]> => Promise.resolve(keys.map(() => true));
  readOrClaimMany = (): Promise<ValueOrClaim[]> => Promise.reject(new Error('VersionedCache claims nothing.'));
  releaseMany = (): Promise<void> => Promise.resolve();
  health = () => ({ kind: 'memory' }) as const;
  close = (): Promise<void> => Promise.resolve();
}

const opened: VersionedCache[] = [];
function open(cache: Cache): VersionedCache {
  const versioned = new VersionedCache(cache);
  opened.push(versioned);
  return versioned;
}
afterEach(() => {
  for (const versioned of opened.splice(0)) versioned.close();
});

const entities = ['A', 'B'];
const maxAgeSeconds = 10;

/** Looks up one key. */
async function find(
  versioned: VersionedCache,
  key = 'key',
  of: readonly string[] = entities,
): Promise<
  ({ state: 'cached' } & CachedText) | { state: 'missing'; versions: readonly string[] } | { state: 'uncacheable' }
> {
  const lookup = await versioned.find([key], of, maxAgeSeconds);
  if (lookup.state === 'uncacheable') return lookup;
  const [entry] = lookup.entries;
  return entry ? { state: 'cached', ...entry } : { state: 'missing', versions: lookup.versions };
}

/**
 * Looks a text up, computes it while `meanwhile` runs, and stores it unless it is uncacheable.
 * @returns the state of the lookup.
 */
async function compute(
  versioned: VersionedCache,
  text: string,
  meanwhile: () => Promise<unknown> = () => Promise.resolve(),
): Promise<string> {
  const lookup = await find(versioned);
  await meanwhile();
  if (lookup.state === 'missing')
    await versioned.store([{ key: 'key', text }], { entities, versions: lookup.versions, maxAgeSeconds });
  return lookup.state;
}

describe('VersionedCache', () => {
  it('finds a stored text in every process that shares the cache', async () => {
    const cache = new DelayedCache();
    const [one, other] = [open(cache), open(cache)];
    expect(await compute(one, 'first')).toBe('missing');
    expect(await find(other)).toEqual({ state: 'cached', text: 'first', ageSeconds: 0 });
    expect((await find(one, 'another key')).state).toBe('missing');
  });

  it('finds a text without entities until it expires', async () => {
    const versioned = open(new DelayedCache());
    await versioned.store([{ key: 'key', text: 'timeless' }], { entities: [], versions: [], maxAgeSeconds });
    expect(await find(versioned, 'key', [])).toMatchObject({ state: 'cached', text: 'timeless' });
  });

  it.each(entities)('invalidates a text when %s changes, and only then', async (entity) => {
    const versioned = open(new DelayedCache());
    await compute(versioned, 'before');
    await versioned.invalidate(['C']);
    expect((await find(versioned)).state).toBe('cached');
    await versioned.invalidate([entity]);
    expect((await find(versioned)).state).toBe('missing');
  });

  it('never finds a text whose entity changed while it was computed', async () => {
    const versioned = open(new DelayedCache());
    await compute(versioned, 'old', () => versioned.invalidate(['A']));
    expect((await find(versioned)).state).toBe('missing');
  });

  it('does not store a text under an unconfirmed version, which may replace a newer one', async () => {
    const cache = new DelayedCache();
    const [slow, fast] = [open(cache), open(cache)];
    cache.delayed = [];
    // The first versions, which `slow` writes, are delayed; its text is computed from data before the change.
    expect(await compute(slow, 'old')).toBe('uncacheable');
    const delayed = cache.delayed;
    cache.delayed = null;
    await fast.invalidate(['A']);
    for (const apply of delayed) apply();
    expect((await find(fast)).state).not.toBe('cached');
  });

  it('bypasses the cache until a failed invalidation has reached it', async () => {
    const cache = new DelayedCache();
    const [here, there] = [open(cache), open(cache)];
    await compute(here, 'old');
    cache.isUnavailable = true;
    await here.invalidate(['A']);
    cache.isUnavailable = false;
    expect((await find(here)).state).toBe('uncacheable');
    expect((await find(here, 'key', ['B'])).state).not.toBe('uncacheable');
    await waitUntil(async () => (await find(here)).state === 'missing');
    expect((await find(there)).state).toBe('missing');
  });

  it('does not store a text that was computed while an invalidation failed', async () => {
    const cache = new DelayedCache();
    const versioned = open(cache);
    const state = await compute(versioned, 'old', async () => {
      cache.isUnavailable = true;
      await versioned.invalidate(['A']);
      cache.isUnavailable = false;
    });
    expect(state).toBe('missing');
    expect([...cache.values.keys()].filter((key) => key.startsWith('text:'))).toEqual([]);
  });

  it('stops retrying a failed invalidation once closed', async () => {
    const cache = new DelayedCache();
    const versioned = open(cache);
    cache.isUnavailable = true;
    await versioned.invalidate(['A']);
    await waitUntil(() => cache.writes >= 2);
    versioned.close();
    const { writes } = cache;
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(cache.writes).toBeLessThanOrEqual(writes + 1);
  });

  it.each([null, 5, 'text', {}, { text: 1, versions: [], storedAt: 1 }, { text: 'x', versions: 'no', storedAt: 1 }])(
    'reads a damaged entry as a miss: %j',
    async (damaged) => {
      const cache = new DelayedCache();
      const versioned = open(cache);
      cache.values.set('text:key', damaged);
      expect((await find(versioned)).state).toBe('missing');
      await compute(versioned, 'intact');
      for (const entity of entities) cache.values.set(`version:${entity}`, damaged === 'text' ? 7 : damaged);
      expect((await find(versioned)).state).toBe('missing');
    },
  );

  it('does not store a text of 600,000 characters', async () => {
    const versioned = open(new DelayedCache());
    await compute(versioned, 'x'.repeat(600_000));
    expect((await find(versioned)).state).toBe('missing');
  });

  it('returns the age of a text, and a miss at its maximum age', async () => {
    const cache = new DelayedCache();
    const versioned = open(cache);
    await compute(versioned, 'aging');
    const { value, text } = cache.values.get('text:key') as { value: { versions: string[] }; text: string };
    const aged = async (seconds: number) => {
      const storedAt = Date.now() - seconds * 1000;
      cache.values.set('text:key', new WithText({ ...value, storedAt }, text));
      return find(versioned);
    };
    expect(await aged(7)).toMatchObject({ state: 'cached', ageSeconds: 7 });
    expect(await aged(10)).toMatchObject({ state: 'missing' });
    expect(await aged(-5)).toMatchObject({ state: 'cached', ageSeconds: 0 });
  });
});
