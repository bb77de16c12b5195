import 'reflect-metadata';
import { expect, it } from '@jest/globals';
import { moneyOutputs } from '../../src/domains/prediction/prediction.money.js';
import type { OutputField } from '../../src/inference/predictor.js';

const output = (name: string, more: Partial<OutputField>): OutputField => ({ name, type: 'float', shape: [null, 1], rowShape: [], required: true, tensorType: 'float32', labels: null, ...more });

it('takes for money single numbers whose unit is a currency, and nothing else', () => {
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
