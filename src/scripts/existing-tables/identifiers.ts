/** Letters that Unicode does not decompose, or that are written otherwise without their marks. */
const written: Readonly<Record<string, string>> = {
  ä: 'ae',
  ö: 'oe',
  ü: 'ue',
  ß: 'ss',
  ø: 'o',
  æ: 'ae',
  œ: 'oe',
  ł: 'l',
  đ: 'd',
  þ: 'th',
  ð: 'd',
};

/** The words of a name in SQL: `OrderID`, `order_id` and `Order Id` are `order`, `id`. Letters outside ASCII are transcribed. */
export function wordsOf(name: string): string[] {
  const latin = name
    .normalize('NFC')
    .replaceAll(/\p{L}/gu, (letter) => {
      const replacement = written[letter.toLowerCase()];
      if (replacement === undefined) return letter;
      return letter === letter.toLowerCase() ? replacement : capitalized(replacement);
    })
    .normalize('NFD')
    .replaceAll(/\p{M}/gu, '');
  const words = latin
    .replaceAll(/([a-z\d])([A-Z])/g, '$1 $2')
    .replaceAll(/([A-Z])([A-Z][a-z])/g, '$1 $2')
    .split(/[^A-Za-z\d]+/)
    .filter((word) => word !== '')
    .map((word) => word.toLowerCase());
  return words.length > 0 ? words : ['unnamed'];
}

export const capitalized = (word: string): string => `${word.charAt(0).toUpperCase()}${word.slice(1)}`;

/** `salesOrder` of its words; a digit cannot be first. */
export const camelCase = ([first = '', ...rest]: readonly string[]): string =>
  `${/^\d/.test(first) ? 'n' : ''}${first}${rest.map(capitalized).join('')}`;

export const pascalCase = (words: readonly string[]): string => capitalized(camelCase(words));

const irregular = [
  ['person', 'people'],
  ['child', 'children'],
] as const;

/** The singular by the rules of English; a name that they do not fit needs `--name`. */
export function singular(word: string): string {
  const irregularSingular = irregular.find(([, many]) => many === word)?.[0];
  if (irregularSingular !== undefined) return irregularSingular;
  if (/(?:ss|us|is|series|species|news)$/.test(word) || word.length < 4) return word;
  if (word.endsWith('ies')) return `${word.slice(0, -3)}y`;
  if (/(?:ches|shes|sses|xes|zes)$/.test(word)) return word.slice(0, -2);
  return word.endsWith('s') ? word.slice(0, -1) : word;
}

export function plural(word: string): string {
  const irregularPlural = irregular.find(([one]) => one === word)?.[1];
  if (irregularPlural !== undefined) return irregularPlural;
  if (/(?:series|species|news)$/.test(word)) return word;
  if (/[^aeiou]y$/.test(word)) return `${word.slice(0, -1)}ies`;
  return /(?:s|x|z|ch|sh)$/.test(word) ? `${word}es` : `${word}s`;
}

/** The first of the names that is free, or the last one with a number; the name is then taken. */
export function takeName(taken: Set<string>, candidates: readonly string[]): string {
  const last = candidates.at(-1) ?? 'unnamed';
  let name = candidates.find((candidate) => !taken.has(candidate));
  for (let number = 2; name === undefined; number += 1) if (!taken.has(`${last}${number}`)) name = `${last}${number}`;
  taken.add(name);
  return name;
}

/** A text as a literal of TypeScript. */
export const literal = (text: string): string => {
  const quoted = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"');
  return `'${quoted.replaceAll("'", "\\'")}'`;
};
