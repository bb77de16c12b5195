import { z } from 'zod';
import type { FieldProblem } from './errors.js';

/** PostgreSQL's text holds neither NUL nor lone surrogates. */
const isStorable = (text: string): boolean => !text.includes('\0') && text.isWellFormed();

/** A line of text with something in it; surrounding space is dropped. */
export const line = (maxLength: number) =>
  z
    .string()
    .trim()
    .min(1, 'must not be empty')
    .max(maxLength, `must have ${maxLength} characters or fewer`)
    .refine((text) => isStorable(text) && !/[\r\n]/.test(text), 'must be one line of text');

/** An e-mail address, in lower case. */
export const email = z
  .string()
  .trim()
  .toLowerCase()
  .max(254, 'must have 254 characters or fewer')
  .pipe(z.email('must be an e-mail address, such as name@example.com'));

/** A whole number within limits, both included. */
export const whole = (minimum: number, maximum: number) => {
  const message = `must be a whole number from ${minimum} to ${maximum}`;
  return z.int(message).min(minimum, message).max(maximum, message);
};

/** What passed, and what is wrong with each field that did not. */
export interface Checked<Value> {
  value: Partial<Value>;
  problems: FieldProblem[];
}

/** Checks each field of an input by its own schema; all faults come at once, and the fields that are right come through. */
export function checkFields<Shape extends z.ZodRawShape>(shape: Shape, input: object): Checked<z.infer<z.ZodObject<Shape>>> {
  const value: Record<string, unknown> = {};
  const problems: FieldProblem[] = [];
  for (const [field, schema] of Object.entries(shape)) {
    const given: unknown = Reflect.get(input, field);
    if (given === undefined) continue;
    const parsed = z.safeParse(schema, given);
    if (parsed.success) value[field] = parsed.data;
    else problems.push({ field, message: given === null ? 'must not be null' : (parsed.error.issues[0]?.message ?? 'is not valid') });
  }
  return { value: value as Partial<z.infer<z.ZodObject<Shape>>>, problems };
}
