import { describe, expect, it } from '@jest/globals';
import { isCurrency, roundedMoney } from '../../../src/sources/currency.js';
import { crossRate, readDailyRates } from '../../../src/sources/daily-rates.js';

const now = Date.parse('2026-11-20T12:00:00Z');
const good = { base: 'EUR', date: '2026-11-20', rates: { USD: 1.08, INR: 91.2 } };

describe('daily rates', () => {
  it('are read with their base as 1, and nothing else of what is sent', () => {
    const read = readDailyRates({ amount: 1.0, ...good, more: 'text' }, now);
    expect(read).toEqual({ base: 'EUR', date: '2026-11-20', rates: { USD: 1.08, INR: 91.2, EUR: 1 } });
    expect(readDailyRates({ ...good, rates: { ...good.rates, EUR: 1 } }, now)).toEqual(read);
  });

  it.each([
    ['nothing', null],
    ['a list', []],
    ['no base', { ...good, base: undefined }],
    ['a base that is no code', { ...good, base: 'euro' }],
    ['a base worth more than itself', { ...good, rates: { ...good.rates, EUR: 2 } }],
    ['rates of ten units', { ...good, amount: 10 }],
    ['no date', { ...good, date: undefined }],
    ['a date that is none', { ...good, date: '2026-02-30' }],
    ['a time for a date', { ...good, date: '2026-11-20T00:00:00Z' }],
    ['a date ahead', { ...good, date: '2026-11-22' }],
    ['a date long ago', { ...good, date: '2026-10-01' }],
    ['no rates', { ...good, rates: {} }],
    ['a rate of 0', { ...good, rates: { ...good.rates, USD: 0 } }],
    ['a negative rate', { ...good, rates: { ...good.rates, USD: -1 } }],
    ['a rate that is not a number', { ...good, rates: { ...good.rates, USD: NaN } }],
    ['a rate without end', { ...good, rates: { ...good.rates, USD: Infinity } }],
    ['a huge rate', { ...good, rates: { ...good.rates, USD: 1e12 } }],
    ['a tiny rate', { ...good, rates: { ...good.rates, USD: 1e-12 } }],
    ['a rate in text', { ...good, rates: { ...good.rates, USD: '1.08' } }],
    ['a currency that is no code', { ...good, rates: { ...good.rates, dollar: 1.08 } }],
    ['more currencies than there are', { ...good, rates: Object.fromEntries(Array.from({ length: 600 }, (_, index) => [String.fromCharCode(65 + (index % 26), 65 + (Math.floor(index / 26) % 26), 65 + Math.floor(index / 676)), 1])) }],
  ])('are refused with %s', (_what, json) => {
    expect(() => readDailyRates(json, now)).toThrow();
  });

  it('may be of tomorrow, where the day has begun already, and of a month ago', () => {
    for (const date of ['2026-11-21', '2026-10-21']) expect(readDailyRates({ ...good, date }, now).date).toBe(date);
  });

  it('give the rate between any two of their currencies, and none for others', () => {
    const rates = readDailyRates({ ...good, rates: { USD: 1.25, INR: 100 } }, now);
    expect([crossRate(rates, 'INR', 'EUR'), crossRate(rates, 'EUR', 'INR'), crossRate(rates, 'INR', 'USD'), crossRate(rates, 'USD', 'USD')]).toEqual([0.01, 100, 0.0125, 1]);
    expect([crossRate(rates, 'CHF', 'EUR'), crossRate(rates, 'EUR', 'CHF')]).toEqual([null, null]);
  });
});

describe('money', () => {
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
  ])('of %s is rounded to its smallest unit: %d', (currency, amount, expected) => {
    expect(roundedMoney(amount, currency)).toBe(expected);
  });

  it('is of a currency that ISO 4217 has, in capital letters', () => {
    expect(['EUR', 'INR', 'JPY'].map(isCurrency)).toEqual([true, true, true]);
    expect(['eur', 'ZZZ', 'km', '', '€'].map(isCurrency)).toEqual([false, false, false, false, false]);
  });
});
