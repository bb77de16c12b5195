import { camelCaseOf, capitalised, isValidName, wordsOf } from '../inference/signature/input-names.js';

/**
 * Converts names of a model to names of the schema. A name is split into words at characters other than letters and digits
 * (`-`, `_`, `.`, spaces, brackets). A word in capitals is lowercased; other capitals are preserved.
 * - Types are PascalCase: the model `car-price` becomes `CarPriceInput`, its input `seller_type` the enum `CarPriceSellerType`.
 * - Fields are camelCase: `km_driven` and `KM_DRIVEN` become `kmDriven`; `kmDriven` is unchanged.
 * Enum values are unchanged.
 */
export function typeNameOf(...names: string[]): string {
  return names.flatMap(wordsOf).map(capitalised).join('');
}

/** The name of a field, in camelCase; rows of `predict` may have it too. */
export const fieldNameOf = camelCaseOf;

/** The root field of a model: `predictCarPrice`. */
export const queryNameOf = (model: string): string => `predict${typeNameOf(model)}`;

/** Whether GraphQL accepts the name of an enum value. */
export const isValidEnumValue = (name: string): boolean =>
  isValidName(name) && !['true', 'false', 'null'].includes(name);

/** Why a derived name is invalid in a schema; null if it is valid. */
export function invalidReason(name: string): string | null {
  if (isValidName(name)) return null;
  if (name === '') return 'has no letter or digit';
  return /^\d/.test(name)
    ? `would be ${name}, which starts with a digit`
    : `would be ${name}; GraphQL names contain only A to Z, digits and _`;
}
