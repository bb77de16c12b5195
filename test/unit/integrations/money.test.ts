import { describe, expect, it } from '@jest/globals';
import { isCurrency, roundMoney } from '../../../src/integrations/exchange-rates/currency.js';
import { crossRate, readDailyRates } from '../../../src/integrations/exchange-rates/daily-rates.js';

const now = Date.parse('2026-11-20T12:00:00Z');
const valid = { base: 'EUR', date: '2026-11-20', rates: { USD: 1.08, INR: 91.2 } };

describe('daily rates', () => {
  it('include their base with 1 and drop unknown fields', () => {
    const read = readDailyRates({ amount: 1.0, ...valid, more: 'text' }, now);
    expect(read).toEqual({ base: 'EUR', date: '2026-11-20', rates: { USD: 1.08, INR: 91.2, EUR: 1 } });
    expect(readDailyRates({ ...valid, rates: { ...valid.rates, EUR: 1 } }, now)).toEqual(read);
  });

  it.each([
    ['null', null],
    ['a list', []],
    ['no base', { ...valid, base: undefined }],
    ['a base that is not a code', { ...valid, base: 'euro' }],
    ['a base with a rate other than 1', { ...valid, rates: { ...valid.rates, EUR: 2 } }],
    ['rates of ten units', { ...valid, amount: 10 }],
    ['no date', { ...valid, date: undefined }],
    ['an invalid date', { ...valid, date: '2026-02-30' }],
    ['a date with a time', { ...valid, date: '2026-11-20T00:00:00Z' }],
    ['a future date', { ...valid, date: '2026-11-22' }],
    ['an old date', { ...valid, date: '2026-10-01' }],
    ['no rates', { ...valid, rates: {} }],
    ['a rate of 0', { ...valid, rates: { ...valid.rates, USD: 0 } }],
    ['a negative rate', { ...valid, rates: { ...valid.rates, USD: -1 } }],
    ['a rate that is not a number', { ...valid, rates: { ...valid.rates, USD: NaN } }],
    ['an infinite rate', { ...valid, rates: { ...valid.rates, USD: Infinity } }],
    ['a huge rate', { ...valid, rates: { ...valid.rates, USD: 1e12 } }],
    ['a tiny rate', { ...valid, rates: { ...valid.rates, USD: 1e-12 } }],
    ['a rate as text', { ...valid, rates: { ...valid.rates, USD: '1.08' } }],
    ['a currency that is not a code', { ...valid, rates: { ...valid.rates, dollar: 1.08 } }],
    [
      'too many currencies',
      {
        ...valid,
        rates: Object.fromEntries(
          Array.from({ length: 600 }, (_, index) => [
            String.fromCharCode(65 + (index % 26), 65 + (Math.floor(index / 26) % 26), 65 + Math.floor(index / 676)),
            1,
          ]),
        ),
      },
    ],
  ])('are rejected with %s', (_what, json) => {
    expect(() => readDailyRates(json, now)).toThrow();
  });

  it('may be dated from a month ago to tomorrow, which has begun in some time zones', () => {
    for (const date of ['2026-11-21', '2026-10-21']) expect(readDailyRates({ ...valid, date }, now).date).toBe(date);
  });

  it('yield the rate between any two of their currencies, and null for others', () => {
    const rates = readDailyRates({ ...valid, rates: { USD: 1.25, INR: 100 } }, now);
    expect([
      crossRate(rates, 'INR', 'EUR'),
      crossRate(rates, 'EUR', 'INR'),
      crossRate(rates, 'INR', 'USD'),
      crossRate(rates, 'USD', 'USD'),
    ]).toEqual([0.01, 100, 0.0125, 1]);
    expect([crossRate(rates, 'CHF', 'EUR'), crossRate(rates, 'EUR', 'CHF')]).toEqual([null, null]);
  });
});

describe('currencies', () => {
  it.each([
    ['EUR', 1.005, 1.01],
    ['EUR', 2.345, 2.35],
    ['EUR', -2.345, -2.35],
    ['EUR', 4523.1149, 4523.11],
    ['EUR', 0.004, 0],
    ['JPY', 1234.5, 1235],
    ['KWD', 1.23456, 1.235],
    ['INR', 123_456_789_012.345, 123_456_789_012.35],
    ['EUR', 1e20, 1e20],
  ])('round %s to the minor unit: %d', (currency, amount, expected) => {
    expect(roundMoney(amount, currency)).toBe(expected);
  });

  it('are ISO 4217 codes in upper case', () => {
    expect(['EUR', 'INR', 'JPY'].map(isCurrency)).toEqual([true, true, true]);
    expect(['eur', 'ZZZ', 'km', '', '€'].map(isCurrency)).toEqual([false, false, false, false, false]);
  });
});
