/** Splits a name at characters other than letters and digits. A word in capitals is lowercased. */
export function wordsOf(name: string): string[] {
  return name
    .split(/[^\p{L}\p{N}]+/u)
    .filter(Boolean)
    .map((word) => (/^[\p{Lu}\p{N}]+$/u.test(word) ? word.toLowerCase() : word));
}

/** Whether GraphQL accepts the name of a field or type; names with two leading underscores are reserved. */
export const isValidName = (name: string): boolean => /^(?!__)[A-Za-z_]\w*$/.test(name);

/** A name in camelCase; unchanged if that is valid in GraphQL and camelCase is not, such as `_0`. */
export function camelCaseOf(name: string): string {
  const [first = '', ...others] = wordsOf(name);
  // Leading capitals are lowercased, except the last one before lowercase letters: `URLPath` becomes `urlPath`.
  const start = first.replace(/^[A-Z]+(?![a-z])|^[A-Z]/, (capitals) => capitals.toLowerCase());
  const converted = [start, ...others.map(capitalised)].join('');
  return isValidName(name) && !isValidName(converted) ? name : converted;
}

export const capitalised = (word: string): string => `${word.charAt(0).toUpperCase()}${word.slice(1)}`;
