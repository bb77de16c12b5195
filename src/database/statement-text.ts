/** Of a statement that is longer, such as one that writes a thousand rows, the beginning is looked at. */
const maxLength = 8_192;

/** Text in quotes, with backslashes where it begins with E; names in double quotes, which stay; and numbers that are no part of a name or placeholder. */
const values = /\be'(?:\\[^]|''|[^'\\])*(?:'|$)|'(?:''|[^'])*(?:'|$)|("[^"]*(?:"|$))|(?<![\w$."])\d[\w.]*/gi;

/**
 * A statement as it may be told: MikroORM writes values into the texts of its own, the hashes of passwords among them. What is
 * sent with parameters has placeholders for them and is told as it is.
 */
export function toldStatement(text: string, hasParameters: boolean): string {
  const beginning = text.length > maxLength ? text.slice(0, maxLength) : text;
  return hasParameters ? beginning : beginning.replace(values, (_value, name: string | undefined) => name ?? '?');
}

/** What a statement does, such as SELECT. */
export const verbOf = (text: string): string => (/^\W{0,20}([a-z]{1,20})/i.exec(text)?.[1] ?? 'SQL').toUpperCase();
