import { ownValue } from '../../errors/own-value.js';
import type { InputField, Signature } from '../signature/types.js';
import type { GoldenRow } from './version-folder.js';

/** Larger rows are no examples: clients show them whole. */
const maxValues = 10_000;

/** Distinct values of a list, such as an image, that is more than a test pattern. */
const distinctValues = 8;

/** Distinct words of a text that shows what the model is for. */
const typicalWords = 8;

/**
 * The golden row that is the best example: golden rows also cover edge cases, such as missing and unknown values and limits.
 * @returns the row without its missing values, or null if there is none
 */
export function typicalRow(rows: readonly GoldenRow[], { inputs }: Signature): GoldenRow['input'] | null {
  let best: { input: GoldenRow['input']; score: number } | null = null;
  for (const { input } of rows) {
    const score = inputs.reduce((sum, field) => sum + plausibility(field, ownValue(input, field.name)), 0);
    if (score > (best?.score ?? -1)) best = { input, score };
  }
  if (!best || [best.input].flatMap(scalarsOf).length > maxValues) return null;
  return Object.fromEntries(Object.entries(best.input).filter(([, value]) => value !== null));
}

/** From 0, for a missing or unknown value, to 1. */
function plausibility({ minimum, maximum, values }: InputField, value: unknown): number {
  if (value === null || value === undefined) return 0;
  if (Array.isArray(value)) return Math.min(new Set(scalarsOf(value)).size / distinctValues, 1);
  if (values && !values.some((known) => known === value || known === JSON.stringify(value))) return 0;
  if (!values && typeof value === 'string') return textPlausibility(value);
  return value === minimum || value === maximum ? 0.5 : 1;
}

function textPlausibility(text: string): number {
  const words = new Set(text.toLowerCase().split(/\s+/).filter(Boolean)).size;
  return words === 0 ? 0 : 0.5 + 0.5 * Math.min(words / typicalWords, 1);
}

function scalarsOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value.flatMap(scalarsOf);
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(scalarsOf) : [value];
}
