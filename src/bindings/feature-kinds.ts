import type { Feature } from '../graphql/lineage/features.js';
import type { FilterType } from '../graphql/filtering/columns.js';
import type { FieldType, InputField } from '../inference/serving/predictor.js';

/** What the values of columns are for a model; null for those that no input takes. */
const kinds: Partial<Record<FilterType, FieldType>> = {
  text: 'string',
  enum: 'string',
  integer: 'integer',
  bigint: 'integer',
  float: 'float',
  decimal: 'float',
  boolean: 'boolean',
};

const dates: readonly FilterType[] = ['date', 'datetime'];

/** The kind of value that a feature gives to a model; null if it gives none. @param isYears whether it is the full years since it */
export function featureKind({ column }: Feature, isYears: boolean): FieldType | null {
  if (isYears) return dates.includes(column.type) ? 'integer' : null;
  return kinds[column.type] ?? null;
}

/** The kinds of values that an input takes. */
export const kindsFor = ({ type }: Pick<InputField, 'type'>): FieldType[] =>
  type === 'float' ? ['float', 'integer'] : [type];

export const unitOf = ({ unit }: Feature, isYears: boolean): string | null => (isYears ? 'year' : unit);

/** The value of a feature as a model takes it. @param value of its column in a row, not null */
export function modelValue({ column }: Feature, value: unknown): unknown {
  // Texts of digits in the API, since a JavaScript number would round them.
  return column.type === 'bigint' || column.type === 'decimal' ? Number(value) : value;
}

/** The full years from a day until today, both in UTC; 0 for a day that is still to come. @param day a date, or a text that starts as 2026-11-28 */
export function yearsSince(day: unknown, today: Date): number {
  const text = day instanceof Date ? day.toISOString() : String(day);
  // A year of five digits is still to come.
  if (text.charAt(4) !== '-') return 0;
  const year = Number(text.slice(0, 4));
  const month = Number(text.slice(5, 7)) - 1 - today.getUTCMonth();
  const isBefore = month > 0 || (month === 0 && Number(text.slice(8, 10)) > today.getUTCDate());
  return Math.max(0, today.getUTCFullYear() - year - (isBefore ? 1 : 0));
}
