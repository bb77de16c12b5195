import type { FieldProblem } from '../../errors/app-error.js';
import { shortened } from '../../errors/input-validation.js';
import { ownValue } from '../../errors/own-value.js';
import { isPlainObject } from './json.js';
import { problemsWithLists, type ListContext, type NamedSizes, type RowProblem } from './list-problems.js';
import { kindOf, scalarProblem } from './scalar-problem.js';
import { givenName, inputValue, spellingsOf, type Spellings } from './spellings.js';
import { suggestion } from './suggestion.js';
import type { InputField, Signature } from './types.js';

/** Maximum problems per error. */
export const maxProblems = 100;

/** Validates rows. @returns up to 100 problems by field */
export function validateRows(signature: Signature, rows: readonly unknown[]): FieldProblem[] {
  const problems: FieldProblem[] = [];
  for (const [row, value] of rows.entries()) {
    if (problems.length >= maxProblems) break;
    problems.push(
      ...validateRow(signature, value, maxProblems - problems.length).map((problem) => ({ row, ...problem })),
    );
  }
  return problems;
}

/** Validates a row. @returns up to `max` problems by field, in the spelling of the row */
export function validateRow(signature: Signature, row: unknown, max: number): RowProblem[] {
  if (!isPlainObject(row)) {
    const example = `{"${signature.inputs[0]?.name ?? 'name'}": ...}`;
    return [{ field: 'inputs', message: `must be an object such as ${example}, not ${kindOf(row)}` }];
  }
  const spellings = spellingsOf(signature);
  const problems: RowProblem[] = [];
  const sizes: NamedSizes = new Map();
  for (const input of signature.inputs) {
    if (problems.length >= max) break;
    problems.push(...problemsWithInput(input, row, { spellings, sizes, maxRowBytes: signature.maxRowBytes }));
  }
  for (const key of Object.keys(row)) {
    if (problems.length >= max) break;
    const problem = problemWithKey(key, row, spellings);
    if (problem !== null) problems.push({ field: shortened(key), message: problem });
  }
  return problems.slice(0, max);
}

interface RowContext extends ListContext {
  spellings: Spellings;
}

function problemsWithInput(input: InputField, row: Record<string, unknown>, context: RowContext): RowProblem[] {
  const value = inputValue(row, input.name, context.spellings);
  const field = givenName(row, input.name, context.spellings);
  if (input.rowShape.length > 0) return problemsWithLists(input, field, value, context);
  const message = problemWith(input, value);
  return message === null ? [] : [{ field, message }];
}

/** The problem of a key that gives no input, or one that another key gives as well; null for others. */
function problemWithKey(key: string, row: Record<string, unknown>, { names, manifestName }: Spellings): string | null {
  if (names.has(key)) return null;
  const name = manifestName.get(key);
  if (name === undefined) return `is not an input of this model${suggestion(key, [...names])}`;
  const areBothGiven = ownValue(row, key) != null && ownValue(row, name) != null;
  return areBothGiven ? `is the same input as ${name}; send one of them` : null;
}

/** The problem of a scalar; null if it is valid. */
function problemWith(input: InputField, value: unknown): string | null {
  if (value === undefined || value === null) return input.required ? 'is required' : null;
  return scalarProblem(input, value);
}
