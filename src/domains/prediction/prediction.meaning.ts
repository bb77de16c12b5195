import { createHash } from 'node:crypto';
import type { ModelVersion, OutputField } from '../../inference/serving/predictor.js';
import { ownValue } from '../../errors/own-value.js';
import { isCurrency } from '../../integrations/exchange-rates/currency.js';

/** What the inputs and outputs of a prediction meant when it was made; a changed manifest does not change it. */
export interface PredictionMeaning {
  /** The units of numeric outputs, by name; null if none has one. */
  units: Record<string, string> | null;
  /** The start of the SHA-256 of the names, types, shapes, units, values and limits of all inputs and outputs. */
  signatureDigest: string;
}

const digestLength = 32;

/** Memoized: every call needs it. A changed manifest makes new outputs. */
const meanings = new WeakMap<readonly OutputField[], PredictionMeaning>();

export function meaningOf({ inputs, outputs }: Pick<ModelVersion, 'inputs' | 'outputs'>): PredictionMeaning {
  const known = meanings.get(outputs);
  if (known) return known;
  const units = outputs.flatMap(({ name, type, unit }) =>
    unit !== undefined && (type === 'float' || type === 'integer') ? [[name, unit] as const] : [],
  );
  const withoutTexts = [inputs, outputs].map((fields) => fields.map((field) => ({ ...field, description: undefined })));
  const meaning = {
    units: units.length > 0 ? Object.fromEntries(units) : null,
    signatureDigest: createHash('sha256').update(JSON.stringify(withoutTexts)).digest('hex').slice(0, digestLength),
  };
  meanings.set(outputs, meaning);
  return meaning;
}

/** An output of a prediction that is an amount of money. */
export interface StoredAmount {
  name: string;
  /** ISO 4217 code, as at the time of the call. */
  currency: string;
  amount: number;
}

/** The money outputs of a prediction: single numbers whose unit was a currency code. */
export function amountsOf(
  units: Readonly<Record<string, string>>,
  output: Readonly<Record<string, unknown>>,
): StoredAmount[] {
  return Object.entries(units).flatMap(([name, currency]) => {
    // Integers beyond 2^53 are texts.
    const value = ownValue(output, name);
    const isSingle = typeof value === 'number' || typeof value === 'string';
    return isSingle && isCurrency(currency) ? [{ name, currency, amount: Number(value) }] : [];
  });
}
