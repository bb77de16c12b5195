import { chosenShape } from '../../inference/repository/trial-runs.js';
import { sizeOf, type InputField, type Signature } from '../../inference/signature/types.js';

type Row = Record<string, unknown>;

const maxRows = 8;

/** Elements of all rows together, so that golden rows of images stay readable. */
const maxElementsInRows = 20_000;

/** Texts for an input without known categories. */
const texts = ['a', 'b', 'some text'];

/** Each row has numbers of another magnitude, since the graph does not contain the ranges. */
const magnitudes = [1, 2, 5, 10, 20, 50, 100, 0];

/**
 * Generates up to 8 rows for the inputs of a graph; the same ones each time.
 * @param categories known texts by input
 */
export function generatedRows({ inputs }: Signature, categories: ReadonlyMap<string, readonly string[]>): Row[] {
  const elements = inputs.reduce((sum, input) => sum + sizeOf(chosenShape(input)), 0);
  const count = Math.max(1, Math.min(maxRows, Math.floor(maxElementsInRows / Math.max(1, elements))));
  return magnitudes.slice(0, count).map((magnitude, row) =>
    Object.fromEntries(
      inputs.map((input, column) => {
        const categoriesOfInput = categories.get(input.name) ?? [];
        const known = categoriesOfInput.length === 0 ? texts : categoriesOfInput;
        const scalar = (index: number) => scalarOf(input, { known, magnitude, seed: 31 * row + 7 * column + index });
        return [input.name, nested(chosenShape(input), scalar)];
      }),
    ),
  );
}

function scalarOf(
  { type }: InputField,
  { known, magnitude, seed }: { known: readonly string[]; magnitude: number; seed: number },
): unknown {
  if (type === 'boolean') return seed % 2 === 0;
  if (type === 'string') return known[seed % known.length];
  // Small: an integer may be an index into a table.
  if (type === 'integer') return seed % 2;
  return Math.round(fraction(seed) * magnitude * 1000) / 1000;
}

/** From 0 to 1, spread evenly over consecutive seeds: multiples of the golden ratio. */
const fraction = (seed: number): number => (0.5 + seed * 0.618034) % 1;

function nested(rowShape: readonly number[], scalar: (index: number) => unknown, offset = 0): unknown {
  const [length, ...inner] = rowShape;
  if (length === undefined) return scalar(offset);
  return Array.from({ length }, (_, index) => nested(inner, scalar, offset + index * sizeOf(inner)));
}
