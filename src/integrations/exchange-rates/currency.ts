/** ISO 4217 codes known to Intl. */
const codes = new Set(Intl.supportedValuesOf('currency'));

/** Whether a text is an ISO 4217 code, such as `EUR`. */
export const isCurrency = (text: string): boolean => codes.has(text);

/**
 * Rounds an amount to minor units of its currency (cents of EUR, yen of JPY).
 * Ties round to the larger magnitude, by the decimal digits of the number.
 */
export function roundMoney(amount: number, currency: string): number {
  const format = formats.get(currency) ?? createFormat(currency);
  formats.set(currency, format);
  return Number(format.format(amount));
}

/** Bounded by the number of currencies. */
const formats = new Map<string, Intl.NumberFormat>();

function createFormat(currency: string): Intl.NumberFormat {
  const { maximumFractionDigits } = new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions();
  return new Intl.NumberFormat('en', {
    useGrouping: false,
    minimumFractionDigits: 0,
    maximumFractionDigits: maximumFractionDigits ?? 2,
    roundingMode: 'halfExpand',
  });
}
