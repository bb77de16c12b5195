import * as library from '@huggingface/tokenizers';
import { z } from 'zod';
import type { TokenizerSettings } from './settings.js';

// The declarations of the package lack file extensions, so TypeScript finds no types in them.
const { Tokenizer } = library as unknown as {
  Tokenizer: new (
    tokenizer: unknown,
    config: object,
  ) => { encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] } };
};

/** The tokens of a text, padded to the maximum length. */
interface Tokens {
  input_ids: number[];
  attention_mask: number[];
  token_type_ids: number[];
}

/** Cuts texts into tokens as the `tokenizers` of Hugging Face do. */
export interface TextTokenizer {
  /** @returns the tokens, or the number of tokens if they are too many and the text must not be cut */
  encode(text: string): { tokens: Tokens } | { count: number };
}

const special = z.object({ id: z.int(), content: z.string() });

/** The parts of a `tokenizer.json` that are read here; the library reads the others. */
const file = z.object({
  padding: z.object({ pad_id: z.int(), pad_type_id: z.int().optional() }).nullish(),
  added_tokens: z.array(special).max(100_000).default([]),
  truncation: z.object({ direction: z.string().optional() }).nullish(),
  model: z.object({ type: z.string().optional() }),
});

/** Names of the token that pads, in the files of common models. */
const padTokens = ['[PAD]', '<pad>', '<|pad|>', '<|endoftext|>', '</s>'];

/**
 * Opens a `tokenizer.json`.
 * @throws Error with what is wrong with the file
 */
export function openTokenizer(source: string, settings: TokenizerSettings): TextTokenizer {
  const json: unknown = JSON.parse(source);
  const { padding, added_tokens: added } = file.parse(json);
  const tokenizer = new Tokenizer(json, {});
  const padId = padding?.pad_id ?? added.find(({ content }) => padTokens.includes(content))?.id ?? 0;
  const { max_length: maxLength, truncate } = settings;
  // What the post-processor adds around a text, such as [CLS] and [SEP], stays when a text is cut.
  const frame = frameOf(tokenizer);
  if (frame.before.length + frame.after.length >= maxLength)
    throw new Error(`max_length ${maxLength} leaves no room beside the special tokens`);
  return {
    encode(text) {
      const { ids } = tokenizer.encode(text, { add_special_tokens: false });
      const room = maxLength - frame.before.length - frame.after.length;
      if (ids.length > room && !truncate) return { count: ids.length + maxLength - room };
      const framed = [...frame.before, ...ids.slice(0, room), ...frame.after];
      const padded = maxLength - framed.length;
      return {
        tokens: {
          input_ids: [...framed, ...Array<number>(padded).fill(padId)],
          attention_mask: [...Array<number>(framed.length).fill(1), ...Array<number>(padded).fill(0)],
          token_type_ids: Array<number>(maxLength).fill(0),
        },
      };
    },
  };
}

/** The special tokens around a single text, found by encoding one with and one without them. */
function frameOf(tokenizer: InstanceType<typeof Tokenizer>): { before: number[]; after: number[] } {
  const bare = tokenizer.encode('a', { add_special_tokens: false }).ids;
  const full = tokenizer.encode('a', { add_special_tokens: true }).ids;
  const start =
    bare.length === 0 ? full.length : full.findIndex((_, at) => bare.every((id, index) => full[at + index] === id));
  return start < 0
    ? { before: [], after: [] }
    : { before: full.slice(0, start), after: full.slice(start + bare.length) };
}
