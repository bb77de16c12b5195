import 'reflect-metadata';
import { expect, it } from '@jest/globals';
import { createOutputConverter } from '../../src/domains/prediction/prediction.money.js';
import type { PredictionRow } from '../../src/domains/prediction/prediction.types.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { moneyOutputs } from '../../src/typed-models/money-outputs.js';
import type { Model, OutputField } from '../../src/inference/serving/predictor.js';

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
  const outputs = [output('price', { unit: 'INR', tensorType: 'float64' })];
  const version = { version: 1, digest: 'd', inputs: [], outputs, metrics: null };
  const model: Model = { name: 'm', title: 'M', versions: [version], current: version } as unknown as Model;
  const now = { base: 'INR', date: '2026-11-27', rates: { INR: 1, VND: 300 }, isStale: false };
  const convert = createOutputConverter(
    { model: () => model },
    { current: () => Promise.resolve(now) },
    createLogger('silent'),
  );
  const prediction = (price: number) => ({ model: 'm', version: 1, output: { price } }) as unknown as PredictionRow;
  expect(await convert(prediction(2), 'VND')).toMatchObject({ amounts: [{ amount: 600 }] });
  await expect(convert(prediction(1e308), 'VND')).rejects.toThrow(
    'The output price is too large to be converted to VND.',
  );
});
