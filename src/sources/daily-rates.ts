import { z } from 'zod';

/** What one unit of `base` was worth on a day. */
export interface DailyRates {
  base: string;
  /** As YYYY-MM-DD. */
  date: string;
  /** By currency, `base` among them with 1. */
  rates: Readonly<Record<string, number>>;
}

/** Rates are made on working days; older ones than this are no rates of today, whatever sends them. */
const maxAgeDays = 31;
const dayMs = 86_400_000;

/** From the dearest currency to the cheapest, with room for both to grow apart. */
const lowestRate = 1e-9;
const highestRate = 1e9;
const maxCurrencies = 500;

const code = z.string().regex(/^[A-Z]{3}$/);

/** The shape of the European Central Bank's daily rates in JSON; what else it has is left out. */
const shape = z.object({
  // Services that take an amount to convert answer it; rates are those of one unit.
  amount: z.literal(1).optional(),
  base: code,
  date: z.iso.date(),
  rates: z.record(code, z.number().min(lowestRate).max(highestRate)).refine((rates) => {
    const count = Object.keys(rates).length;
    return count > 0 && count <= maxCurrencies;
  }, `must have 1 to ${maxCurrencies} currencies`),
});

/**
 * Rates from JSON that somebody else wrote.
 * @throws ZodError where anything in it is not what it should be: rates that are wrong in one place are trusted in none
 */
export function readDailyRates(json: unknown, now = Date.now()): DailyRates {
  return shape.superRefine(({ base, date, rates }, context) => {
    const report = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message });
    if (rates[base] !== undefined && rates[base] !== 1) report('rates', `must have 1 for ${base}, the base`);
    // Where the day begins first it is tomorrow already.
    if (Date.parse(date) > now + dayMs) report('date', 'must not lie ahead');
    if (Date.parse(date) < now - maxAgeDays * dayMs) report('date', `must not be more than ${maxAgeDays} days ago`);
  }).transform(({ base, date, rates }) => ({ base, date, rates: { ...rates, [base]: 1 } })).parse(json);
}

/** How many units of one currency a unit of another is worth; null where the rates lack one of them. */
export function crossRate({ rates }: DailyRates, from: string, to: string): number | null {
  const [ofFrom, ofTo] = [rates[from], rates[to]];
  return ofFrom === undefined || ofTo === undefined ? null : ofTo / ofFrom;
}
