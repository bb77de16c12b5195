import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { createOutputConverter } from '../../src/domains/prediction/prediction.money.js';
import { amountsOf, meaningOf } from '../../src/domains/prediction/prediction.meaning.js';
import type { PredictionRow } from '../../src/domains/prediction/prediction.types.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { moneyOutputs } from '../../src/typed-models/money-outputs.js';
import type { OutputField } from '../../src/inference/serving/predictor.js';

const output = (name: string, more: Partial<OutputField>): OutputField => ({
  name,
  type: 'float',
  shape: [null, 1],
  rowShape: [],
  required: true,
  tensorType: 'float32',
  labels: null,
  ...more,
});

it('treats only single numbers with a currency unit as money', () => {
  const outputs = [
    output('price', { unit: 'INR' }),
    output('whole_price', { unit: 'JPY', type: 'integer', tensorType: 'int64' }),
    output('distance', { unit: 'km' }),
    output('bare', {}),
    output('lower_case', { unit: 'eur' }),
    output('words', { unit: 'EUR', type: 'string', tensorType: 'string' }),
    output('prices', { unit: 'EUR', rowShape: [12] }),
    output('named_prices', { unit: 'EUR', rowShape: [2], labels: ['low', 'high'] }),
  ];
  expect(moneyOutputs(outputs)).toEqual([
    { name: 'price', currency: 'INR' },
    { name: 'whole_price', currency: 'JPY' },
  ]);
});

it('rejects an amount that is too large for a number in the other currency', async () => {
  const now = { base: 'INR', date: '2026-11-27', rates: { INR: 1, VND: 300 }, isStale: false };
  const convert = createOutputConverter({ current: () => Promise.resolve(now) }, createLogger('silent'));
  const { units, signatureDigest } = meaningOf({ inputs: [], outputs: [output('price', { unit: 'INR' })] });
  const prediction = (price: number) =>
    ({ model: 'm', version: 1, output: { price }, units, signatureDigest }) as unknown as PredictionRow;
  expect(await convert(prediction(2), 'VND')).toMatchObject({ amounts: [{ amount: 600 }] });
  await expect(convert(prediction(1e308), 'VND')).rejects.toThrow(
    'The output price is too large to be converted to VND.',
  );
});

describe('what a prediction meant', () => {
  const outputs = [
    output('price', { unit: 'INR' }),
    output('whole_price', { unit: 'JPY', type: 'integer', tensorType: 'int64' }),
    output('distance', { unit: 'km' }),
    output('bare', {}),
    output('words', { unit: 'EUR', type: 'string', tensorType: 'string' }),
    output('prices', { unit: 'EUR', rowShape: [2] }),
  ];

  it('has the units of its numbers, of which single ones with a currency are money', () => {
    const { units } = meaningOf({ inputs: [], outputs });
    expect(units).toEqual({ price: 'INR', whole_price: 'JPY', distance: 'km', prices: 'EUR' });
    const stored = { price: 2.5, whole_price: '9007199254740993', distance: 1, words: '5', prices: [1, 2], bare: 1 };
    expect(amountsOf(units ?? {}, stored)).toEqual([
      { name: 'price', currency: 'INR', amount: 2.5 },
      { name: 'whole_price', currency: 'JPY', amount: Number('9007199254740993') },
    ]);
    expect(meaningOf({ inputs: [], outputs: [output('bare', {})] }).units).toBeNull();
  });

  it('has another digest with another unit, limit or type, not with another description', () => {
    const digestOf = (more: Partial<OutputField>) =>
      meaningOf({ inputs: [], outputs: [output('price', { unit: 'INR', ...more })] }).signatureDigest;
    const digest = digestOf({});
    expect(digest).toMatch(/^[0-9a-f]{32}$/);
    expect(digestOf({ description: 'Another text.' })).toBe(digest);
    for (const more of [{ unit: 'USD' }, { type: 'integer' }, { values: ['1'] }, { rowShape: [2] }] as const)
      expect(digestOf(more as Partial<OutputField>)).not.toBe(digest);
  });
});
