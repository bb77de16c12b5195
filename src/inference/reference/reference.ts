import { z } from 'zod';
import { shortened } from '../../errors/input-validation.js';
import { fileSize, megabytes } from '../repository/files.js';
import { ModelRepositoryError } from '../repository/model-manifest.js';
import { parseJson, readText } from '../repository/text-files.js';

const number = z.number();
const share = z.number().min(0).max(1);

/** Values that divide the training rows into parts of equal size: 19 of them into 20 parts. */
const quantiles = z
  .array(number)
  .max(1000)
  .refine((values) => values.every((value, index) => index === 0 || value >= (values[index - 1] ?? value)), {
    message: 'must be in ascending order',
  });

/** The limits that contain nearly all values. */
const limits = { low: number, high: number };
const hasOrder = ({ low, high }: { low: number; high: number }): boolean => low <= high;
const order = { path: ['low'], message: 'must not be above high' };

const range = z.object({ ...limits, quantiles: quantiles.optional() }).refine(hasOrder, order);

const numberProfile = z
  .object({ kind: z.literal('number'), ...limits, quantiles: quantiles.optional(), missing: share.optional() })
  .refine(hasOrder, order);

const categoryProfile = z.object({
  kind: z.literal('category'),
  values: z.record(z.string(), share),
  missing: share.optional(),
});

const profile = z.discriminatedUnion('kind', [
  numberProfile,
  categoryProfile,
  z.object({ kind: z.literal('list'), ...limits, mean: range.optional() }).refine(hasOrder, order),
  z.object({ kind: z.literal('text'), length: range }),
]);

const reference = z.object({
  /** Training rows. */
  rows: z.int().min(1),
  inputs: z.record(z.string(), profile),
  /** The predictions for these rows; vectors have no profile. */
  outputs: z.record(z.string(), z.discriminatedUnion('kind', [numberProfile, categoryProfile])).optional(),
  /** A typical input row, from which a prediction can be explained. */
  base: z.record(z.string(), z.unknown()).optional(),
});

/** How an input was distributed in the training rows. */
export type Profile = z.infer<typeof profile>;

/** The distribution of the training rows, from `reference.json`: aggregates only. */
export type Reference = z.infer<typeof reference>;

const maxReferenceBytes = 1024 * 1024;
const maxProblems = 10;

/** What `reference.json` says; null if it does not exist or is broken. Its problems do not prevent serving. */
export interface ReferenceFile {
  reference: Reference | null;
  problems: readonly string[];
}

/**
 * Reads `reference.json`.
 * @param label the file in messages: `iris/1/reference.json`
 */
export async function readReference(file: string, label: string): Promise<ReferenceFile> {
  const size = await fileSize(file);
  if (size === null) return { reference: null, problems: [] };
  if (size > maxReferenceBytes) return broken([`${label} must be a file of at most ${megabytes(maxReferenceBytes)}`]);
  let content: unknown;
  try {
    content = parseJson(await readText(file, label));
  } catch (error) {
    return broken(error instanceof ModelRepositoryError ? error.problems : [`${label}: ${(error as Error).message}`]);
  }
  const parsed = reference.safeParse(content);
  if (parsed.success) return { reference: parsed.data, problems: [] };
  return broken(
    parsed.error.issues.map(({ path, message }) => {
      const place = shortened(path.join('.') || 'the file');
      return `${label}: ${place}: ${message}; see docs/adding-a-model.md`;
    }),
  );
}

const broken = (problems: readonly string[]): ReferenceFile => ({
  reference: null,
  problems: problems.slice(0, maxProblems),
});
