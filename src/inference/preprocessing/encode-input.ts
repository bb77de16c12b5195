import { availableParallelism } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { encodeRow } from '../signature/encode.js';
import type { EncodedRow, Signature } from '../signature/types.js';
import type { PixelBudget } from './preprocessor.js';

/** A row as the graph takes it, and as the history has it; or why it cannot be preprocessed. */
export type EncodedInput =
  | { kind: 'ok'; row: EncodedRow; input: Record<string, unknown>; values: Readonly<Record<string, unknown>> }
  | { kind: 'invalid'; field: string; message: string };

/** Rows that are preprocessed at once. The threads of Node also hash passwords and read files. */
const maxConcurrent = Math.max(1, Math.min(2, availableParallelism() - 1));

/** Pixels that the images of one call may have together: each costs about 10 ns to decode. */
const maxPixelsPerCall = 100_000_000;

/**
 * Encodes valid rows with the names in the manifest, in order; runs their preprocessing if the version has any.
 * @param check called before each row; it throws if nobody waits for the rows any longer
 */
export async function encodeInputs(
  signature: Signature,
  rows: readonly Record<string, unknown>[],
  check: () => void = () => undefined,
): Promise<EncodedInput[]> {
  const { preprocessor } = signature;
  if (!preprocessor) return encodedDirectly(signature, rows);
  const budget: PixelBudget = { pixels: maxPixelsPerCall };
  const encoded: EncodedInput[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < rows.length; index = next++) {
      check();
      const done = await inTurn(() => preprocessor.apply(rows[index] ?? {}, budget));
      encoded[index] =
        done.kind === 'ok'
          ? {
              kind: 'ok',
              row: encodeRow(signature, done.tensors),
              input: done.shown,
              values: { ...done.shown, ...done.tensors },
            }
          : done;
    }
  };
  await Promise.all(Array.from({ length: maxConcurrent }, work));
  return encoded;
}

/** Rows encoded per event loop turn. */
const rowsPerTurn = 100;

async function encodedDirectly(
  signature: Signature,
  rows: readonly Record<string, unknown>[],
): Promise<EncodedInput[]> {
  const encoded: EncodedInput[] = [];
  for (const [index, input] of rows.entries()) {
    if (index % rowsPerTurn === 0 && index > 0) await nextTurn();
    encoded.push({ kind: 'ok', row: encodeRow(signature, input), input, values: input });
  }
  return encoded;
}

let running = 0;
const waiting: (() => void)[] = [];

/** Runs at most `maxConcurrent` at once in this process; calls take turns row by row. */
async function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
  if (running >= maxConcurrent) await new Promise<void>((resolve) => waiting.push(resolve));
  else running += 1;
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else running -= 1;
  }
}
