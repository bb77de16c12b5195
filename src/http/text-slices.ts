import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Characters that are encoded in one turn of the event loop: well below a millisecond. */
export const charactersPerSlice = 256 * 1024;

/** Whether a text is encoded in several turns, so that a large response does not delay others. */
export const isLarge = ({ length }: string | Buffer): boolean => length > charactersPerSlice;

/** The text in slices, none of which ends within a character. */
export function* slicesOf(text: string): Generator<string, undefined> {
  for (let start = 0; start < text.length;) {
    const end = endOfSlice(text, start);
    yield text.slice(start, end);
    start = end;
  }
}

function endOfSlice(text: string, start: number): number {
  const end = start + charactersPerSlice;
  if (end >= text.length) return text.length;
  return isSurrogate(text, end - 1, 0xd800) && isSurrogate(text, end, 0xdc00) ? end + 1 : end;
}

/** Whether the character is half of another one: its high half from 0xd800, its low half from 0xdc00. */
const isSurrogate = (text: string, at: number, first: number): boolean => (text.charCodeAt(at) & 0xfc00) === first;

/** The text in UTF-8, encoded as its reader takes it, a slice in each turn. */
export function textStream(text: string): Readable {
  const slices = slicesOf(text);
  const stream = new Readable({
    highWaterMark: 1,
    read() {
      setImmediate(() => {
        const { value } = slices.next();
        stream.push(value === undefined ? null : Buffer.from(value));
      });
    },
  });
  return stream;
}

/** Calls a function with each slice, one in each turn. */
export async function inTurns(text: string, take: (slice: string) => void): Promise<void> {
  for (const slice of slicesOf(text)) {
    take(slice);
    await nextTurn();
  }
}
