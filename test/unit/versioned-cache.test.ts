import { afterEach, describe, expect, it } from '@jest/globals';
import type { Cache, CacheEntry } from '../../src/shared/cache.js';
import { VersionedCache, type KeptText } from '../../src/shared/versioned-cache.js';
import { until } from '../kit/until.js';

/** A cache whose writes the test holds back, loses, or lets arrive. */
class HeldCache implements Cache {
  readonly isShared = true;
  readonly values = new Map<string, unknown>();
  isAway = false;
  /** Writes that are on their way, where they are held back. */
  held: (() => void)[] | null = null;
  writes = 0;

  getMany(keys: readonly string[]): Promise<unknown[]> {
    return Promise.resolve(keys.map((key) => (this.isAway ? undefined : this.values.get(key))));
  }

  setMany(entries: readonly CacheEntry[]): Promise<boolean> {
    this.writes += 1;
    const arrive = (): void => {
      for (const { key, value } of entries) this.values.set(key, value);
    };
    if (this.isAway) return Promise.resolve(false);
    if (this.held) {
      this.held.push(arrive);
      return Promise.resolve(false);
    }
    arrive();
    return Promise.resolve(true);
  }

  claimMany = (keys: readonly string[]): Promise<boolean[]> => Promise.resolve(keys.map(() => true));
  releaseMany = (): Promise<void> => Promise.resolve();
  health = () => ({ kind: 'memory' }) as const;
  close = (): Promise<void> => Promise.resolve();
}

const opened: VersionedCache[] = [];
function open(cache: Cache): VersionedCache {
  const kept = new VersionedCache(cache);
  opened.push(kept);
  return kept;
}
afterEach(() => {
  for (const kept of opened.splice(0)) kept.close();
});

const entities = ['A', 'B'];
const maxAgeSeconds = 10;

/** What is known of one key: its text, that it is missing, or that nothing may be kept. */
async function find(kept: VersionedCache, key = 'key', of: readonly string[] = entities): Promise<({ state: 'kept' } & KeptText) | { state: 'missing'; versions: readonly string[] } | { state: 'unkeepable' }> {
  const sought = await kept.find([key], of, maxAgeSeconds);
  if (sought.state === 'unkeepable') return sought;
  const [entry] = sought.entries;
  return entry ? { state: 'kept', ...entry } : { state: 'missing', versions: sought.versions };
}

/** Looks the answer up, computes it while `meanwhile` happens, and keeps it where that is allowed. */
async function compute(kept: VersionedCache, text: string, meanwhile: () => Promise<unknown> = () => Promise.resolve()): Promise<string> {
  const sought = await find(kept);
  await meanwhile();
  if (sought.state === 'missing') await kept.keep([{ key: 'key', text }], { entities, versions: sought.versions, maxAgeSeconds });
  return sought.state;
}

describe('texts that are kept', () => {
  it('are found again, for all who share the cache, from the first on', async () => {
    const cache = new HeldCache();
    const [one, other] = [open(cache), open(cache)];
    expect(await compute(one, 'first')).toBe('missing');
    expect(await find(other)).toEqual({ state: 'kept', text: 'first', ageSeconds: 0 });
    expect((await find(one, 'another key')).state).toBe('missing');
  });

  it('without entities are found until their time is over', async () => {
    const kept = open(new HeldCache());
    await kept.keep([{ key: 'key', text: 'timeless' }], { entities: [], versions: [], maxAgeSeconds });
    expect(await find(kept, 'key', [])).toMatchObject({ state: 'kept', text: 'timeless' });
  });

  it.each(entities)('are forgotten when %s changes, and no others', async (entity) => {
    const kept = open(new HeldCache());
    await compute(kept, 'before');
    await kept.forget(['C']);
    expect((await find(kept)).state).toBe('kept');
    await kept.forget([entity]);
    expect((await find(kept)).state).toBe('missing');
  });

  it('that were being computed when an entity changed are never found', async () => {
    const kept = open(new HeldCache());
    await compute(kept, 'of before', () => kept.forget(['A']));
    expect((await find(kept)).state).toBe('missing');
  });

  it('are not kept under a version that was only sent, which may arrive after a newer one', async () => {
    const cache = new HeldCache();
    const [slow, fast] = [open(cache), open(cache)];
    cache.held = [];
    // The versions that `slow` sends for want of any are late; its answer is computed from what was there before the change.
    expect(await compute(slow, 'of before')).toBe('unkeepable');
    const late = cache.held;
    cache.held = null;
    await fast.forget(['A']);
    for (const arrive of late) arrive();
    expect((await find(fast)).state).not.toBe('kept');
  });

  it('are neither taken nor kept here while the cache has not been told of a change, and it is told when it is back', async () => {
    const cache = new HeldCache();
    const [here, there] = [open(cache), open(cache)];
    await compute(here, 'of before');
    cache.isAway = true;
    await here.forget(['A']);
    cache.isAway = false;
    expect((await find(here)).state).toBe('unkeepable');
    expect((await find(here, 'key', ['B'])).state).not.toBe('unkeepable');
    await until(async () => (await find(here)).state === 'missing');
    expect((await find(there)).state).toBe('missing');
  });

  it('that were computed while a change could not be told are not kept', async () => {
    const cache = new HeldCache();
    const kept = open(cache);
    const state = await compute(kept, 'of before', async () => {
      cache.isAway = true;
      await kept.forget(['A']);
      cache.isAway = false;
    });
    expect(state).toBe('missing');
    expect([...cache.values.keys()].filter((key) => key.startsWith('text:'))).toEqual([]);
  });

  it('ask nothing more of a cache that is away once they are closed', async () => {
    const cache = new HeldCache();
    const kept = open(cache);
    cache.isAway = true;
    await kept.forget(['A']);
    await until(() => cache.writes >= 2);
    kept.close();
    const { writes } = cache;
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(cache.writes).toBeLessThanOrEqual(writes + 1);
  });

  it.each([null, 5, 'text', {}, { text: 1, versions: [], keptAt: 1 }, { text: 'x', versions: 'no', keptAt: 1 }])('that are damaged are missing: %j', async (damaged) => {
    const cache = new HeldCache();
    const kept = open(cache);
    cache.values.set('text:key', damaged);
    expect((await find(kept)).state).toBe('missing');
    await compute(kept, 'whole again');
    for (const entity of entities) cache.values.set(`version:${entity}`, damaged === 'text' ? 7 : damaged);
    expect((await find(kept)).state).toBe('missing');
  });

  it('that are longer than some hundred thousand characters are not kept', async () => {
    const kept = open(new HeldCache());
    await compute(kept, 'x'.repeat(600_000));
    expect((await find(kept)).state).toBe('missing');
  });

  it('tell their age, and are too old at their own', async () => {
    const cache = new HeldCache();
    const kept = open(cache);
    await compute(kept, 'aging');
    const entry = cache.values.get('text:key') as { keptAt: number };
    const aged = async (seconds: number) => {
      cache.values.set('text:key', { ...entry, keptAt: Date.now() - seconds * 1000 });
      return find(kept);
    };
    expect(await aged(7)).toMatchObject({ state: 'kept', ageSeconds: 7 });
    expect(await aged(10)).toMatchObject({ state: 'missing' });
    expect(await aged(-5)).toMatchObject({ state: 'kept', ageSeconds: 0 });
  });
});
