import fc from 'fast-check';
import { cacheKey } from '../../../src/inference/serving/cache-key.js';
import { fingerprintOf, PredictionCache } from '../../../src/inference/serving/prediction-cache.js';
import { createSignature } from '../../../src/inference/signature/create-signature.js';
import { encodeRow } from '../../../src/inference/signature/encode.js';
import type { Signature } from '../../../src/inference/signature/types.js';
import { validateRows } from '../../../src/inference/signature/validation.js';
import { openCache } from '../../../src/cache/cache.js';

const input = { required: false, integer: false, closed: false };
const column = (name: string, type: 'float32' | 'string') => ({ name, type, shape: [null, 1] });

const graph = {
  inputs: [column('a', 'string'), column('b', 'string'), column('x', 'float32'), column('constructor', 'float32')],
  outputs: [column('price', 'float32')],
};

const signature = createSignature('test/1', graph, {
  inputs: { a: input, b: input, x: input, constructor: input },
  outputs: { price: {} },
});

/** The TTL of the gateway, and nothing stale. */
const rule = { ttlSeconds: null, staleSeconds: 0 };

const fingerprint = fingerprintOf('test', 'digest', signature);

function keyOf(row: Record<string, unknown>): string {
  expect(validateRows(signature, [row])).toEqual([]);
  return cacheKey(fingerprint, encodeRow(signature, row));
}

const text = fc.string({ minLength: 1 }).filter((value) => !value.includes('\0') && value.isWellFormed());
const number = fc.float({ noNaN: true, noDefaultInfinity: true });
const rows = fc.record(
  { a: fc.option(text), b: fc.option(text), x: fc.option(number), constructor: fc.option(number) },
  { requiredKeys: [], noNullPrototype: true },
);

/** The encoded row in another notation. */
const meaning = (row: Record<string, unknown>) =>
  ['a', 'b', 'x', 'constructor'].map((name) =>
    Object.hasOwn(row, name) && row[name] !== null ? `${typeof row[name]} ${JSON.stringify(row[name])}` : 'missing',
  );

describe('the key of a prediction', () => {
  it('does not depend on the order of the fields', () => {
    fc.assert(
      fc.property(rows, (row) => {
        expect(keyOf(Object.fromEntries(Object.entries(row).reverse()))).toBe(keyOf(row));
      }),
    );
  });

  it('treats an absent field, null and undefined alike', () => {
    fc.assert(
      fc.property(rows, (row) => {
        const missing = Object.fromEntries(['a', 'b', 'x', 'constructor'].map((name) => [name, null]));
        expect(keyOf({ ...missing, ...row })).toBe(keyOf(row));
        expect(keyOf({ a: undefined, ...row })).toBe(keyOf(row));
      }),
    );
  });

  it('differs whenever the encoded row differs', () => {
    fc.assert(
      fc.property(rows, rows, (one, other) => {
        expect(keyOf(one) === keyOf(other)).toBe(JSON.stringify(meaning(one)) === JSON.stringify(meaning(other)));
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    [{ a: 'b,c' }, { a: 'b', b: 'c' }],
    [{ a: 'b","c' }, { a: 'b', b: 'c' }],
    [{ a: 'x' }, { b: 'x' }],
    [{ a: 'null' }, {}],
    [{ a: '1' }, { x: 1 }],
    [{ x: 1 }, { x: 1.0000000001 }],
    [{ x: 1 }, { constructor: 1 }],
  ])('differs between %j and %j', (one, other) => {
    expect(keyOf(one)).not.toBe(keyOf(other));
  });

  it('treats 0 and -0 alike, and feeds the model 0', () => {
    expect(keyOf({ x: -0 })).toBe(keyOf({ x: 0 }));
    expect(Object.is(encodeRow(signature, { x: -0 })[2], 0)).toBe(true);
  });

  it('depends on the model, its bytes and its output labels', () => {
    const relabelled: Signature = {
      ...signature,
      outputs: signature.outputs.map((output) => ({ ...output, labels: ['cheap', 'expensive'] })),
    };
    const swapped: Signature = {
      ...signature,
      outputs: signature.outputs.map((output) => ({ ...output, labels: ['expensive', 'cheap'] })),
    };
    const fingerprints = [
      fingerprint,
      fingerprintOf('testd', 'igest', signature),
      fingerprintOf('other', 'digest', signature),
      fingerprintOf('test', 'other', signature),
      fingerprintOf('test', 'digest', relabelled),
      fingerprintOf('test', 'digest', swapped),
    ];

    expect(new Set(fingerprints.map((version) => cacheKey(version, ['x', null, 1, null]))).size).toBe(
      fingerprints.length,
    );
  });
});

describe('the prediction cache', () => {
  it('treats an invalid entry of this version as a miss', async () => {
    const cache = openCache({ namespace: 'test', maxEntries: 100, maxBytes: 100_000 });
    const at = Date.now() - 1000;
    const outputs = [{ price: '1.5' }, { price: null }, { cost: 1.5 }, { price: 1, more: 1 }, [], 'text', 7, null, {}];
    const entries = [
      { output: { price: 1.5 }, at },
      { price: 1.5 },
      { output: { price: 1.5 } },
      { output: { price: 1.5 }, at: 'today' },
      [],
      'text',
      null,
      ...outputs.map((output) => ({ output, at })),
    ];
    const keys = entries.map((_, index) => String(index));
    await cache.setMany(
      entries.map((value, index) => ({ key: String(index), value })),
      60_000,
    );

    const found = await new PredictionCache(cache, 60).readOrClaim({ fingerprint, signature }, keys);

    expect(found).toEqual([
      { result: { output: { price: 1.5 }, computedAt: at }, isClaimed: true },
      ...Array<unknown>(entries.length - 1).fill({ result: undefined, isClaimed: true }),
    ]);
  });

  it('detects expired results, and limits timestamps in the future to now', async () => {
    const cache = openCache({ namespace: 'test', maxEntries: 100, maxBytes: 100_000 });
    const predictions = new PredictionCache(cache, 60);
    const value = (at: number) => ({ output: { price: 1 }, at });
    await cache.setMany(
      [
        { key: 'old', value: value(Date.now() - 61_000) },
        { key: 'tomorrow', value: value(Date.now() + 86_400_000) },
      ],
      60_000,
    );
    const found = await predictions.readOrClaim({ fingerprint, signature }, ['old', 'tomorrow']);
    const [old, tomorrow] = found.map(({ result }) => result);

    expect(old && predictions.isFresh(old, rule)).toBe(false);
    expect(tomorrow && predictions.isFresh(tomorrow, rule)).toBe(true);
    expect(tomorrow?.computedAt).toBeLessThanOrEqual(Date.now());
  });

  it('has written everything after close', async () => {
    const cache = openCache({ namespace: 'test', maxEntries: 100, maxBytes: 100_000 });
    const predictions = new PredictionCache(cache, 60);
    predictions.writeBehind(
      { fingerprint, signature },
      { results: [{ key: 'a', output: { price: 1 } }], computedAt: 1000 },
      rule,
    );
    predictions.writeBehind(
      { fingerprint, signature },
      { results: [{ key: 'b', output: { price: 2 } }], computedAt: 1000 },
      rule,
    );
    await predictions.close();

    expect(await cache.getMany(['a', 'b'])).toEqual([
      { output: { price: 1 }, at: 1000 },
      { output: { price: 2 }, at: 1000 },
    ]);
  });
});
