import { z } from 'zod';

/** Which predictions of a model are recorded. */
export interface HistoryRule {
  /** The share of rows, 0 to 1. */
  share: number;
  /** Whether inputs are left out. */
  redactsInput: boolean;
}

/** The form of `history` with options. */
export const partialHistory = z.strictObject({
  sampled: z.number().gt(0, 'must be above 0; write history: none').max(1, 'must be 1 or less').default(1),
  redact: z.array(z.literal('inputs')).max(1, 'must have one entry or fewer').default([]),
});

/** `history` of a manifest: all, none, or `{ sampled: 0.01, redact: [inputs] }`. */
export const historyRule = z
  .union(
    [z.enum(['all', 'none']), partialHistory],
    'must be all, none, or an object with sampled (a share above 0, up to 1), redact ([inputs]) or both',
  )
  .default('all')
  .transform((rule): HistoryRule => {
    if (typeof rule === 'string') return { share: rule === 'all' ? 1 : 0, redactsInput: false };
    return { share: rule.sampled, redactsInput: rule.redact.includes('inputs') };
  });
