import type { OutputField } from '../inference/serving/predictor.js';
import { isCurrency } from '../integrations/exchange-rates/currency.js';

/** An output that is an amount of money, and its currency. */
export interface MoneyOutput {
  name: string;
  /** ISO 4217 code. */
  currency: string;
}

/** Selects the outputs that are amounts of money: single numbers whose unit is a currency code. */
export function moneyOutputs(outputs: readonly OutputField[]): MoneyOutput[] {
  return outputs.flatMap(({ name, unit, type, rowShape }) => {
    const isNumber = (type === 'float' || type === 'integer') && rowShape.length === 0;
    return isNumber && unit !== undefined && isCurrency(unit) ? [{ name, currency: unit }] : [];
  });
}
