import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { tokenizerSettings } from '../../../src/inference/preprocessing/settings.js';
import { openTokenizer } from '../../../src/inference/preprocessing/text-tokens.js';

const folder = path.join(import.meta.dirname, '..', '..', 'models', 'tokenizers');
const read = (name: string): string => readFileSync(path.join(folder, name), 'utf8');

/** What the `tokenizers` of Python make of the texts; see make_tokenizers.py. */
interface Expected {
  max_length: number;
  texts: Record<string, { text: string; input_ids: number[]; attention_mask: number[]; token_type_ids: number[] }[]>;
}
const { max_length, texts } = JSON.parse(read('expected.json')) as Expected;
const settings = (more: Record<string, unknown> = {}) =>
  tokenizerSettings.parse({ kind: 'tokenizer', max_length, ...more });

describe.each(['wordpiece', 'bpe'])('%s', (name) => {
  it('has the tokens of Python, cut and padded to the maximum length', () => {
    const tokenizer = openTokenizer(read(`${name}.json`), settings());
    expect(texts[name]?.length).toBeGreaterThan(10);
    for (const { text, ...tokens } of texts[name] ?? [])
      expect([text, tokenizer.encode(text)]).toEqual([text, { tokens }]);
  });

  it('counts the tokens of a text that must not be cut', () => {
    const tokenizer = openTokenizer(read(`${name}.json`), settings({ truncate: false }));
    expect(tokenizer.encode('a')).toHaveProperty('tokens');
    const result = tokenizer.encode('word '.repeat(100));
    expect(result).toHaveProperty('count');
  });

  it('needs room for the special tokens', () => {
    expect(() => openTokenizer(read(`${name}.json`), settings({ max_length: 2 }))).toThrow('leaves no room');
  });
});

it.each(['', '{', '[]', '{"model": 1}', '{"model": {"type": "Other"}}'])('rejects %j as a tokenizer', (source) => {
  expect(() => openTokenizer(source, settings())).toThrow();
});
