import { setImmediate as nextTurn } from 'node:timers/promises';
import type { FormattedExecutionResult } from 'graphql';
import { TextData } from '../execution/text-data.js';

/** Values that are serialized in one turn of the event loop: one to three milliseconds. */
const valuesPerTurn = 16_384;

/** Items of a list that are counted to estimate the others. */
const sampled = 3;

/**
 * Serializes like `JSON.stringify`: at once if the value is small, otherwise in several turns of the event loop, so that the response of one
 * request does not delay others.
 */
export function jsonText(value: object): string | Promise<string> {
  return estimatedSize(value) <= valuesPerTurn ? JSON.stringify(value) : textInTurns(value);
}

/** Serializes a result; data that is text already is not parsed. */
export const resultText = (result: FormattedExecutionResult): string | Promise<string> =>
  writtenText(result) ?? jsonText(result);

/** The text of a result whose data is text already; null for other results. */
function writtenText(result: FormattedExecutionResult): string | null {
  const { data } = result;
  if (!(data instanceof TextData)) return null;
  const members = Object.entries(result).flatMap(([name, value]) => {
    if (value === undefined) return [];
    return `${JSON.stringify(name)}:${value === data ? data.text : JSON.stringify(value)}`;
  });
  return `{${members.join()}}`;
}

async function textInTurns(value: object): Promise<string> {
  let text = '';
  let size = 0;
  for (const part of parts(value)) {
    text += part.text;
    size += part.size;
    if (size < valuesPerTurn) continue;
    size = 0;
    await nextTurn();
  }
  return text;
}

interface Part {
  text: string;
  /** The number of its values. */
  size: number;
}

/** The text of a value in parts of at most `valuesPerTurn` values, as far as lists and objects can be split. */
function* parts(value: unknown): Generator<Part> {
  const size = estimatedSize(value);
  if (typeof value !== 'object' || value === null || size <= valuesPerTurn || hasOwnText(value)) {
    // In a list, undefined is null.
    yield { text: value === undefined ? 'null' : JSON.stringify(value), size };
    return;
  }
  if (Array.isArray(value)) yield* listParts(value, size);
  else yield* objectParts(value);
}

/** Joins as many items as fit into a part. */
function* listParts(list: readonly unknown[], size: number): Generator<Part> {
  const itemSize = size / list.length;
  const together = Math.max(1, Math.floor(valuesPerTurn / itemSize));
  yield { text: '[', size: 0 };
  for (let start = 0; start < list.length; start += together) {
    if (start > 0) yield { text: ',', size: 0 };
    if (together === 1) yield* parts(list[start]);
    else yield { text: JSON.stringify(list.slice(start, start + together)).slice(1, -1), size: together * itemSize };
  }
  yield { text: ']', size: 0 };
}

function* objectParts(object: object): Generator<Part> {
  let prefix = '{';
  for (const [key, value] of Object.entries(object) as [string, unknown][]) {
    // `JSON.stringify` omits them.
    if (value === undefined || typeof value === 'function' || typeof value === 'symbol') continue;
    yield { text: `${prefix}${JSON.stringify(key)}:`, size: 0 };
    yield* parts(value);
    prefix = ',';
  }
  yield { text: prefix === '{' ? '{}' : '}', size: 0 };
}

/** Whether it defines its JSON, such as a date. */
const hasOwnText = (value: object): boolean => 'toJSON' in value && typeof value.toJSON === 'function';

/** Estimates the number of values within a value. Of a list the first, middle and last item count for all. */
function estimatedSize(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  if (!Array.isArray(value)) return Object.values(value).reduce((sum: number, item) => sum + estimatedSize(item), 1);
  if (value.length <= sampled) return value.reduce((sum: number, item) => sum + estimatedSize(item), 1);
  const samples = [value[0], value[value.length >> 1], value.at(-1)] as unknown[];
  return 1 + (value.length / sampled) * samples.reduce((sum: number, item) => sum + estimatedSize(item), 0);
}
