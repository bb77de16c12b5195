import { ownValue } from '../../errors/own-value.js';
import { z } from 'zod';

/** Exchange rates of one day: the value of one unit of `base`. */
export interface DailyRates {
  base: string;
  /** YYYY-MM-DD. */
  date: string;
  /** By currency, including `base` with 1. */
  rates: Readonly<Record<string, number>>;
}

/** Rates are published on working days; older ones are rejected. */
const maxAgeDays = 31;
const dayMs = 86_400_000;

/** The range of plausible rates, from the dearest currency to the cheapest, with margin. */
const lowestRate = 1e-9;
const highestRate = 1e9;
const maxCurrencies = 500;

const code = z.string().regex(/^[A-Z]{3}$/);

/** The format of the European Central Bank's daily rates in JSON. Other fields are ignored. */
const dailyRatesSchema = z.object({
  // Some services return the amount that the rates are for; it must be one unit.
  amount: z.literal(1).optional(),
  base: code,
  date: z.iso.date(),
  rates: z.record(code, z.number().min(lowestRate).max(highestRate)).refine((rates) => {
    const count = Object.keys(rates).length;
    return count > 0 && count <= maxCurrencies;
  }, `must have 1 to ${maxCurrencies} currencies`),
});

/**
 * Validates rates of an external source.
 * @throws ZodError if any part is invalid: one implausible rate makes all of them untrustworthy
 */
export function readDailyRates(json: unknown, now = Date.now()): DailyRates {
  return dailyRatesSchema
    .superRefine(({ base, date, rates }, context) => {
      const report = (path: string, message: string): void =>
        context.addIssue({ code: 'custom', path: [path], message });
      if ((ownValue(rates, base) ?? 1) !== 1) report('rates', `must have 1 for ${base}, the base`);
      // In the time zones furthest ahead it is already tomorrow.
      if (Date.parse(date) > now + dayMs) report('date', 'must not be in the future');
      if (Date.parse(date) < now - maxAgeDays * dayMs) report('date', `must not be more than ${maxAgeDays} days ago`);
    })
    .transform(({ base, date, rates }) => ({ base, date, rates: { ...rates, [base]: 1 } }))
    .parse(json);
}

/** @returns the value of one unit of `from` in units of `to`; null if the rates lack one of them. */
export function crossRate({ rates }: DailyRates, from: string, to: string): number | null {
  const [ofFrom, ofTo] = [ownValue(rates, from), ownValue(rates, to)];
  return ofFrom === undefined || ofTo === undefined ? null : ofTo / ofFrom;
}
