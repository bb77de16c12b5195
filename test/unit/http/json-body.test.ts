import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { assertShallow, hasNonFinite } from '../../../src/http/hooks/json-body.js';

/** Reads each character. @returns the text with each string replaced by spaces */
function withoutStrings(json: string): string {
  let rest = '';
  let isInString = false;
  for (let at = 0; at < json.length; at += 1) {
    if (!isInString && json[at] !== '"') rest += json[at] ?? '';
    else {
      rest += ' ';
      if (isInString && json[at] === '\\') at += 1;
      else if (json[at] === '"') isInString = !isInString;
    }
  }
  return rest;
}

function deepest(json: string): number {
  let [depth, max] = [0, 0];
  for (const character of withoutStrings(json)) {
    if ('[{'.includes(character)) depth += 1;
    if (']}'.includes(character)) depth -= 1;
    max = Math.max(max, depth);
  }
  return max;
}

/** Fragments of JSON in any order, mostly invalid. */
const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '"',
        '\\',
        '\\"',
        '[',
        ']',
        '{',
        '}',
        ',',
        ':',
        'NaN',
        '-Infinity',
        'N',
        'Inf',
        '\u2028',
        '\ud83d',
      ),
      fc.integer({ min: 1, max: 120 }).map((count) => '['.repeat(count)),
      fc.integer({ min: 1, max: 120 }).map((count) => ']}'.repeat(count)),
      fc.string({ unit: 'binary', maxLength: 5 }),
      fc.json(),
    ),
    { maxLength: 30 },
  )
  .map((fragments) => fragments.join(''));

describe('the text of a request body', () => {
  it('is rejected if it nests deeper than 100 outside strings, valid or not', () => {
    fc.assert(
      fc.property(text, (json) => {
        const check = (): void => assertShallow(json, 'The body');
        if (deepest(json) > 100) expect(check).toThrow('The body nests lists and objects deeper than 100');
        else expect(check).not.toThrow();
      }),
      { numRuns: 1000, examples: [['['.repeat(100)], ['['.repeat(101)], [`["${'\\'.repeat(3)}"${'['.repeat(101)}`]] },
    );
  });

  it('is rejected if it has more lists and objects than 100,000 and a tenth of its characters', () => {
    const check = (json: string): void => assertShallow(json, 'The body');
    const objects = (count: number): string => `[${'{},'.repeat(count - 2)}{}]`;
    expect(() => check(objects(100_000))).not.toThrow();
    expect(() => check(objects(100_001))).toThrow(
      'The body has more than 100000 lists and objects; send less at a time.',
    );
    expect(() => check(`${objects(100_001)}${' '.repeat(800_000)}`)).not.toThrow();
    expect(() => check(JSON.stringify('{['.repeat(100_000)))).not.toThrow();
  });

  it('has NaN or Infinity only outside strings, valid or not', () => {
    fc.assert(
      fc.property(text, (json) => {
        expect(hasNonFinite(json)).toBe(/NaN|Infinity/.test(withoutStrings(json)));
      }),
      { numRuns: 1000, examples: [['{"NaN":NaN}'], ['{"x":"Infinity \\" NaN"}'], ['"\\']] },
    );
  });

  it.each([
    ['quotes', '"'],
    ['backslashes in a string', '"\\'],
    ['escaped quotes', '\\"'],
    ['beginnings of numbers', 'Infinit'],
  ])('is read in linear time: %s', (_, part) => {
    const json = `"${part.repeat(500_000)}`;

    expect(() => assertShallow(json, 'The body')).not.toThrow();
    expect(hasNonFinite(json)).toBe(false);
  });
});
