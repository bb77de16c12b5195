import { z } from 'zod';
import type { FieldProblem } from './app-error.js';
import { ownValue } from './own-value.js';

/** Maximum characters of an error message. */
export const maxMessageLength = 300;

/** A caller's text, shortened for messages. */
export const shortened = (text: string, length = 100): string =>
  text.length > length ? `${text.slice(0, length - 3)}...` : text;

/** PostgreSQL text must not contain NUL or lone surrogates. */
const isStorable = (text: string): boolean => !text.includes('\0') && text.isWellFormed();

/** A non-empty line of text in Unicode NFC; surrounding space is trimmed. */
export const singleLine = (maxLength: number) =>
  z
    .string()
    .trim()
    .normalize('NFC')
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

/** An integer within inclusive limits. */
export const integer = (minimum: number, maximum: number) => {
  const message = `must be a whole number from ${minimum} to ${maximum}`;
  return z.int(message).min(minimum, message).max(maximum, message);
};

/** The valid fields, and the problems with the others. */
export interface ValidatedFields<Value> {
  value: Partial<Value>;
  problems: FieldProblem[];
}

/** Validates each present field of an input by its schema and reports all invalid fields at once. */
export function validateFields<Shape extends z.ZodRawShape>(
  shape: Shape,
  input: object,
): ValidatedFields<z.infer<z.ZodObject<Shape>>> {
  const valid: [string, unknown][] = [];
  const problems: FieldProblem[] = [];
  for (const [field, schema] of Object.entries(shape)) {
    const sent = ownValue(input as Record<string, unknown>, field);
    if (sent === undefined) continue;
    const parsed = z.safeParse(schema, sent);
    if (parsed.success) valid.push([field, parsed.data]);
    else
      problems.push({
        field,
        message: sent === null ? 'must not be null' : (parsed.error.issues[0]?.message ?? 'is not valid'),
      });
  }
  return { value: Object.fromEntries(valid) as Partial<z.infer<z.ZodObject<Shape>>>, problems };
}
