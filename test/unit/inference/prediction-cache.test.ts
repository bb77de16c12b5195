import fc from 'fast-check';
import { cacheKey, fingerprintOf, PredictionCache } from '../../../src/inference/prediction-cache.js';
import { createSignature, encodeRow, validateRows, type Signature } from '../../../src/inference/signature.js';
import { openCache } from '../../../src/shared/cache.js';
import { createLogger } from '../../../src/shared/logger.js';

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

/** What the model is told, written down another way. */
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

  it('takes an absent field, a null and an undefined for the same', () => {
    fc.assert(
      fc.property(rows, (row) => {
        const missing = Object.fromEntries(['a', 'b', 'x', 'constructor'].map((name) => [name, null]));
        expect(keyOf({ ...missing, ...row })).toBe(keyOf(row));
        expect(keyOf({ a: undefined, ...row })).toBe(keyOf(row));
      }),
    );
  });

  it('differs wherever the model is told something else', () => {
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
  ])('tells %j from %j', (one, other) => {
    expect(keyOf(one)).not.toBe(keyOf(other));
  });

  it('takes 0 and -0 for the same, and feeds the model the same', () => {
    expect(keyOf({ x: -0 })).toBe(keyOf({ x: 0 }));
    expect(Object.is(encodeRow(signature, { x: -0 })[2], 0)).toBe(true);
  });

  it('depends on the model, on its bytes, and on the names of what it answers', () => {
    const relabelled: Signature = {
      ...signature,
      outputs: signature.outputs.map((output) => ({ ...output, labels: ['cheap', 'dear'] })),
    };
    const swapped: Signature = {
      ...signature,
      outputs: signature.outputs.map((output) => ({ ...output, labels: ['dear', 'cheap'] })),
    };
    const fingerprints = [
      fingerprint,
      fingerprintOf('testd', 'igest', signature),
      fingerprintOf('other', 'digest', signature),
      fingerprintOf('test', 'other', signature),
      fingerprintOf('test', 'digest', relabelled),
      fingerprintOf('test', 'digest', swapped),
    ];

    expect(new Set(fingerprints.map((version) => cacheKey(version, ['x', null, 1, null]))).size).toBe(fingerprints.length);
  });
});

describe('the cache of predictions', () => {
  it('takes what is no answer of this version for a miss', async () => {
    const cache = openCache({ namespace: 'test', maxEntries: 100, maxBytes: 100_000, logger: createLogger('silent') });
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

    const found = await new PredictionCache(cache, 60).getMany({ fingerprint, signature }, keys);

    expect(found).toEqual([{ output: { price: 1.5 }, computedAt: at }, ...Array<undefined>(entries.length - 1).fill(undefined)]);
  });

  it('knows which answers have expired, and takes none from the future', async () => {
    const cache = openCache({ namespace: 'test', maxEntries: 100, maxBytes: 100_000, logger: createLogger('silent') });
    const predictions = new PredictionCache(cache, 60);
    const value = (at: number) => ({ output: { price: 1 }, at });
    await cache.setMany([{ key: 'old', value: value(Date.now() - 61_000) }, { key: 'tomorrow', value: value(Date.now() + 86_400_000) }], 60_000);
    const [old, tomorrow] = await predictions.getMany({ fingerprint, signature }, ['old', 'tomorrow']);

    expect(old && predictions.isFresh(old)).toBe(false);
    expect(tomorrow && predictions.isFresh(tomorrow)).toBe(true);
    expect(tomorrow?.computedAt).toBeLessThanOrEqual(Date.now());
  });

  it('has written everything once it is closed', async () => {
    const cache = openCache({ namespace: 'test', maxEntries: 100, maxBytes: 100_000, logger: createLogger('silent') });
    const predictions = new PredictionCache(cache, 60);
    const answer = (price: number) => ({ output: { price }, computedAt: 1000 });
    predictions.writeBehind([{ key: 'a', answer: answer(1) }], 0);
    predictions.writeBehind([{ key: 'b', answer: answer(2) }], 0);
    await predictions.close();

    expect(await cache.getMany(['a', 'b'])).toEqual([
      { output: { price: 1 }, at: 1000 },
      { output: { price: 2 }, at: 1000 },
    ]);
  });
});
