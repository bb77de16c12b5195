import fc from 'fast-check';
import { newId } from '../../src/database/base.entity.js';
import { blockReader, journalBlock } from '../../src/domains/prediction/history/journal-blocks.js';
import { RowCollector, StoredRows } from '../../src/domains/prediction/history/stored-rows.js';
import { PredictionSource } from '../../src/domains/prediction/prediction.entity.js';
import type { PredictionRow } from '../../src/domains/prediction/prediction.types.js';

const users = [newId(), newId(), null];
const times = [new Date(0), new Date('2026-11-28T12:00:00.123Z')];

/** Rows of several calls; their texts have line breaks, and separators that some readers take for these. */
const rows: fc.Arbitrary<PredictionRow[]> = fc.array(
  fc.record({
    id: fc.constant(null).map(() => newId()),
    userId: fc.constantFrom(...users),
    model: fc.constantFrom('iris', 'digits'),
    version: fc.constantFrom(1, 2),
    digest: fc.constant('d'),
    input: fc.dictionary(fc.string({ unit: fc.constantFrom('a', '\n', '\r', '\u2028', '"', 'é', '😀') }), fc.string()),
    output: fc.record({ y: fc.double({ noNaN: true, noDefaultInfinity: true }) }),
    units: fc.constantFrom(null, { y: 'EUR' }),
    signatureDigest: fc.constantFrom(null, 's'),
    source: fc.constantFrom(PredictionSource.MODEL, PredictionSource.CACHE),
    ageSeconds: fc.constantFrom(0, 1.5),
    durationMs: fc.constantFrom(1, 2.25),
    createdAt: fc.constantFrom(...times),
  }),
  { minLength: 1, maxLength: 20 },
);

function stored(all: readonly PredictionRow[]): StoredRows {
  const collector = new RowCollector();
  for (const row of all) collector.add(row);
  return collector.take();
}

/** The rows in a form to compare. */
function listOf({ ids, runs, inputs, outputs }: StoredRows): unknown[] {
  const calls = runs.flatMap(({ call, rows: count }) => new Array<typeof call>(count).fill(call));
  const [inputLines, outputLines] = [inputs.split('\n'), outputs.split('\n')];
  return ids.map((id, index) => [id, inputLines[index], outputLines[index], calls[index]]);
}

describe('stored rows', () => {
  it('have the columns of each prediction', () => {
    fc.assert(
      fc.property(rows, (all) => {
        const expected = all.map(({ id, input, output, model, version, digest, units, signatureDigest, ...call }) => [
          id,
          JSON.stringify(input),
          JSON.stringify(output),
          {
            version: expect.objectContaining({ model, version, digest, units, signatureDigest }),
            ...call,
            createdAt: call.createdAt.toISOString(),
          },
        ]);
        expect(listOf(stored(all))).toEqual(expected);
      }),
    );
  });

  it('are the same when they are split and joined, and when they are written to a journal and read', () => {
    fc.assert(
      fc.property(rows, fc.nat(20), (all, at) => {
        const whole = stored(all);
        const parts = whole.splitAt(Math.min(at, whole.length)).filter(({ length }) => length > 0);
        expect(listOf(StoredRows.joined(parts))).toEqual(listOf(whole));
        expect(parts.reduce((sum, { length }) => sum + length, 0)).toBe(all.length);

        const read = blockReader();
        const lines = parts.flatMap((part) => journalBlock(part).split('\n').slice(0, -1));
        const blocks = lines.flatMap((line) => read(line) ?? []);
        expect(listOf(StoredRows.joined(blocks))).toEqual(listOf(whole));
      }),
    );
  });

  it('have their ids by owner, without those of deleted accounts', () => {
    fc.assert(
      fc.property(rows, (all) => {
        const expected = Map.groupBy(
          all.filter(({ userId }) => userId !== null),
          ({ userId }) => userId,
        );
        expect(stored(all).idsByOwner()).toEqual(
          new Map([...expected].map(([userId, owned]) => [userId, owned.map(({ id }) => id)])),
        );
      }),
    );
  });

  it('are read from a journal without a block whose end is missing', () => {
    const all = stored([
      ...fc.sample(rows, { numRuns: 1, seed: 1 }).flat(),
      ...fc.sample(rows, { numRuns: 1, seed: 2 }).flat(),
    ]);
    const lines = journalBlock(all).split('\n').slice(0, -1);
    const read = blockReader();
    expect(lines.slice(0, -1).flatMap((line) => read(line) ?? [])).toEqual([]);
  });
});
