import fc from 'fast-check';
import { jsonText } from '../../../src/graphql/server/json-text.js';

/** The text and the turns of the event loop that it took. */
async function serialized(value: object): Promise<{ text: string; turns: number }> {
  let turns = 0;
  let isDone = false;
  const turn = (): void => {
    if (isDone) return;
    turns += 1;
    setImmediate(turn);
  };
  setImmediate(turn);
  const text = await jsonText(value);
  isDone = true;
  return { text, turns };
}

describe('the text of a response', () => {
  it('is that of JSON.stringify for any value', async () => {
    const leaf = fc.oneof(
      fc.jsonValue({ maxDepth: 1 }),
      fc.constant(undefined),
      fc.date({ noInvalidDate: true }),
      fc.double(),
    );
    const small = fc.letrec((tie) => ({
      any: fc.oneof({ depthSize: 'small' }, leaf, fc.array(tie('any')), fc.dictionary(fc.string(), tie('any'))),
    })).any;
    // Repeated to a size that is split.
    const large = fc
      .tuple(fc.array(leaf, { maxLength: 3 }), fc.constantFrom(1, 4, 20_000))
      .map(([items, length]) => Array.from({ length }, (_, index) => items[index % items.length]));
    const value = fc.oneof(small, large, fc.record({ rows: large, others: fc.array(large, { maxLength: 2 }) }));
    await fc.assert(
      fc.asyncProperty(value, async (data) => {
        expect(await jsonText({ data })).toBe(JSON.stringify({ data }));
      }),
      { numRuns: 30 },
    );
  });

  it.each([
    [
      'many wide rows',
      { data: { predict: Array.from({ length: 1000 }, () => ({ output: { y: new Array(768).fill(0.5) } })) } },
    ],
    [
      'one very wide row',
      { data: { predict: [{ output: { mask: Array.from({ length: 512 }, () => new Array(512).fill(0.25)) } }] } },
    ],
    ['a flat list', { data: { values: new Array(500_000).fill(1) } }],
  ])('is made in several turns of the event loop: %s', async (_, value) => {
    const { text, turns } = await serialized(value);

    expect(text).toBe(JSON.stringify(value));
    expect(turns).toBeGreaterThan(5);
  });

  it('is made at once if it is small', () => {
    expect(jsonText({ data: { me: null } })).toBe('{"data":{"me":null}}');
  });
});
