/** The codes of ISO 4217, as the language's own tables have them. */
const codes = new Set(Intl.supportedValuesOf('currency'));

/** Whether a text is the code of a currency: `EUR`. */
export const isCurrency = (text: string): boolean => codes.has(text);

/** An amount in whole minor units of its currency (cents of EUR, yen of JPY), half a unit away from zero, by the decimal digits of the number. */
export function roundedMoney(amount: number, currency: string): number {
  const format = formats.get(currency) ?? formatOf(currency);
  formats.set(currency, format);
  return Number(format.format(amount));
}

/** Bounded by the currencies that there are. */
const formats = new Map<string, Intl.NumberFormat>();

function formatOf(currency: string): Intl.NumberFormat {
  const { maximumFractionDigits } = new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions();
  return new Intl.NumberFormat('en', { useGrouping: false, minimumFractionDigits: 0, maximumFractionDigits: maximumFractionDigits ?? 2, roundingMode: 'halfExpand' });
}
