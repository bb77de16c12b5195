import { z } from 'zod';
import { fileSize, megabytes } from '../repository/files.js';
import { ModelRepositoryError } from '../repository/model-manifest.js';
import { parseJson, readText } from '../repository/text-files.js';

const number = z.number();
const share = z.number().min(0).max(1);

const range = z
  .object({ low: number, high: number, quantiles: z.array(number).max(1000).optional() })
  .refine(({ low, high }) => low <= high, { path: ['low'], message: 'must not be above high' });

const profile = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('number'), low: number, high: number, missing: share.optional() }),
  z.object({ kind: z.literal('category'), values: z.record(z.string(), share), missing: share.optional() }),
  z.object({ kind: z.literal('list'), low: number, high: number, mean: range.optional() }),
  z.object({ kind: z.literal('text'), length: range }),
]);

const reference = z.object({
  /** Training rows. */
  rows: z.int().min(1),
  inputs: z.record(z.string(), profile),
});

/** How an input was distributed in the training rows. */
export type Profile = z.infer<typeof profile>;

/** The distribution of the training rows, from `reference.json`: aggregates only. */
export type Reference = z.infer<typeof reference>;

const maxReferenceBytes = 1024 * 1024;

/**
 * Reads `reference.json`; null if it does not exist.
 * @param label the file in messages: `iris/1/reference.json`
 * @throws ModelRepositoryError with its problems
 */
export async function readReference(file: string, label: string): Promise<Reference | null> {
  const size = await fileSize(file);
  if (size === null) return null;
  if (size > maxReferenceBytes)
    throw new ModelRepositoryError([`${label} must be a file of at most ${megabytes(maxReferenceBytes)}`]);
  const parsed = reference.safeParse(jsonOf(await readText(file, label), label));
  if (parsed.success) return parsed.data;
  throw new ModelRepositoryError(
    parsed.error.issues
      .slice(0, 10)
      .map(({ path, message }) => `${label}: ${path.join('.') || 'the file'}: ${message}; see docs/adding-a-model.md`),
  );
}

function jsonOf(source: string, label: string): unknown {
  try {
    return parseJson(source);
  } catch (error) {
    throw new ModelRepositoryError([`${label}: ${(error as Error).message}`]);
  }
}
