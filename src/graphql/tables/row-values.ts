import type { ColumnTexts } from './table-statements.js';

/** The value of a column in a row. */
// eslint-disable-next-line auspex/own-names -- the columns of a table, which the code names
export const valueOf = (row: object, property: string): unknown => Reflect.get(row, property);

/** The texts of values; null if one is null. */
export function textsOf(values: object): ColumnTexts | null {
  const texts = Object.values(values).map(textOf);
  return texts.every((text) => text !== null) ? texts : null;
}

/** The text of a value, as PostgreSQL reads it; null for null. */
function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  return value instanceof Date ? value.toISOString() : `${value as string | number | boolean}`;
}
