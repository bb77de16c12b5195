/**
 * A value with a text that is stored beside its JSON. A long text within JSON has thousands of escapes, and parsing it takes ten
 * times as long.
 */
export class WithText {
  constructor(
    readonly value: unknown,
    readonly text: string,
  ) {}
}

/** What is stored of a value: `{"value": ...}`, and its text on the next line. JSON has no line breaks outside of its escapes. */
export const entryText = (value: unknown): string =>
  value instanceof WithText ? `${JSON.stringify({ value: value.value })}\n${value.text}` : JSON.stringify({ value });

/** Reads what `entryText` returned. @returns undefined for a damaged or foreign entry */
export function parseEntryText(stored: string): { value?: unknown } | undefined {
  const end = stored.indexOf('\n');
  const entry = parsedObject(end < 0 ? stored : stored.slice(0, end));
  return entry && end >= 0 ? { value: new WithText(entry.value, stored.slice(end + 1)) } : entry;
}

function parsedObject(text: string): { value?: unknown } | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? parsed : undefined;
  } catch {
    return undefined;
  }
}
