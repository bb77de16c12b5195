/**
 * How the names of a model become names of the schema. A name is split into words at whatever is neither letter nor
 * digit (`-`, `_`, `.`, spaces, brackets); a word all in capitals is written as any other; other capitals stay.
 * - Types join the words in PascalCase: the model `car-price` gives `CarPriceInput`, its input `seller_type` the enum
 *   `CarPriceSellerType`.
 * - Fields join them in camelCase: `km_driven` and `KM_DRIVEN` are `kmDriven`, `kmDriven` stays.
 * Values of an enum are not changed.
 */
export function typeNameOf(...names: string[]): string {
  return names.flatMap(wordsOf).map(capitalised).join('');
}

/** The name of a field, in camelCase. */
export function fieldNameOf(name: string): string {
  const [first = '', ...others] = wordsOf(name);
  // Capitals that begin a word become small, but for the last one before small letters: `URLPath` is `urlPath`.
  return [first.replace(/^[A-Z]+(?![a-z])|^[A-Z]/, (capitals) => capitals.toLowerCase()), ...others.map(capitalised)].join('');
}

/** The root field that asks a model: `predictCarPrice`. */
export const queryNameOf = (model: string): string => `predict${typeNameOf(model)}`;

/** What GraphQL takes as the name of a field or type; names that begin with two underscores are its own. */
const isLegal = (name: string): boolean => /^(?!__)[A-Za-z_]\w*$/.test(name);

/** What GraphQL takes as the name of an enum's value. */
export const isLegalEnumValue = (name: string): boolean => isLegal(name) && !['true', 'false', 'null'].includes(name);

/** Why a derived name cannot stand in a schema; null where it can. */
export function whyIllegal(name: string): string | null {
  if (isLegal(name)) return null;
  if (name === '') return 'has no letter or digit';
  return /^\d/.test(name) ? `would be ${name}, which begins with a digit` : `would be ${name}; names in GraphQL have the letters A to Z, digits and _`;
}

function wordsOf(name: string): string[] {
  return name
    .split(/[^\p{L}\p{N}]+/u)
    .filter(Boolean)
    .map((word) => (/^[\p{Lu}\p{N}]+$/u.test(word) ? word.toLowerCase() : word));
}

const capitalised = (word: string): string => `${word.charAt(0).toUpperCase()}${word.slice(1)}`;
