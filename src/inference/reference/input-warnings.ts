import { shortened } from '../../errors/input-validation.js';
import { ownValue } from '../../errors/own-value.js';
import { base64Tensor, isBase64Tensor } from '../signature/base64-tensor.js';
import { PreparedTensor } from '../signature/prepared-tensor.js';
import type { InputField, Signature } from '../signature/types.js';
import type { Profile, Reference } from './reference.js';

/** What a value is compared with. */
interface Check {
  readonly code: 'OUT_OF_TRAINING_RANGE' | 'UNKNOWN_CATEGORY';
  isUnusual(value: unknown): boolean;
  describe(value: unknown): string;
}

/**
 * What is unusual about an input: the model still predicts, but has seen nothing like it in training. Its message is composed when
 * it is read: few operations select the warnings of their rows.
 */
export class InputWarning {
  /** @param field the name of the input */
  constructor(
    readonly field: string,
    private readonly check: Check,
    private readonly value: unknown,
  ) {}

  get code(): Check['code'] {
    return this.check.code;
  }

  get message(): string {
    return this.check.describe(this.value);
  }

  /** The same warning under another name of its input. */
  renamed(field: string): InputWarning {
    return new InputWarning(field, this.check, this.value);
  }
}

/** Finds the warnings of a row in the names of the manifest, at most `maxWarnings`. */
export type FindWarnings = (row: Readonly<Record<string, unknown>>) => readonly InputWarning[];

/** Maximum warnings of a row. */
const maxWarnings = 20;

/** Shared by the rows without warnings, which are most. */
const none: readonly InputWarning[] = [];

/**
 * Prepares the checks of a version once, so that a row costs one comparison per input.
 * @param fields the inputs that rows have
 * @returns the function that checks a row; null if there is nothing to check
 */
export function createInputWarnings(fields: Signature['inputs'], reference: Reference | null): FindWarnings | null {
  const checks = fields.map((field) => checkOf(field, reference ? ownValue(reference.inputs, field.name) : undefined));
  if (checks.every((check) => check === null)) return null;
  const names = fields.map(({ name }) => name);
  return (row) => {
    let warnings: InputWarning[] | null = null;
    // By index: an iterator allocates an object for each check.
    for (let index = 0; index < names.length; index += 1) {
      const field = names[index] ?? '';
      const check = checks[index];
      const value = check ? ownValue(row, field) : undefined;
      if (!check || value === undefined || value === null || !check.isUnusual(value)) continue;
      const warning = new InputWarning(field, check, value);
      // The first `push` would allocate room for 17.
      if (warnings) warnings.push(warning);
      else warnings = [warning];
      if (warnings.length === maxWarnings) break;
    }
    return warnings ?? none;
  };
}

/** What a row has for its warnings: the inputs of callers, and the tensors that preprocessing makes of them. */
export function fieldsOfRows({ inputs, tensors = [] }: Signature): InputField[] {
  return [...new Map([...inputs, ...tensors].map((field) => [field.name, field])).values()];
}

/** The check of an input; null if nothing is known of its values in training. */
function checkOf(field: InputField, profile: Profile | undefined): Check | null {
  if (profile?.kind === 'number') return numberCheck(profile, field);
  if (profile?.kind === 'list') return listCheck(profile, field);
  if (profile?.kind === 'text') return textCheck(profile);
  if (field.rowShape.length > 0 || field.isClosed) return null;
  const known = field.values ?? (profile && Object.keys(profile.values));
  return known ? categoryCheck(new Set(known)) : null;
}

function numberCheck({ low, high }: { low: number; high: number }, { unit }: InputField): Check {
  return outOfRange({
    isUnusual: (value) => typeof value === 'number' && (value < low || value > high),
    describe: (value) => `${String(value)} is outside ${low} to ${high}${unit === undefined ? '' : ` ${unit}`}`,
  });
}

function listCheck({ low, high, mean }: Extract<Profile, { kind: 'list' }>, field: InputField): Check {
  const problem = (value: unknown): string | null => {
    const found = summary(elementsGiven(field, value));
    if (!found) return null;
    const { least, greatest, average } = found;
    if (least < low || greatest > high)
      return `an element is ${least < low ? least : greatest}, outside ${low} to ${high}`;
    if (mean && (average < mean.low || average > mean.high))
      return `the mean of its elements, ${average.toPrecision(4)}, is outside ${mean.low} to ${mean.high}`;
    return null;
  };
  return outOfRange({ isUnusual: (value) => problem(value) !== null, describe: (value) => problem(value) ?? '' });
}

function textCheck({ length: { low, high } }: Extract<Profile, { kind: 'text' }>): Check {
  return outOfRange({
    isUnusual: (value) => typeof value === 'string' && (value.length < low || value.length > high),
    describe: (value) => `its length of ${String(value).length} characters is outside ${low} to ${high}`,
  });
}

function categoryCheck(known: ReadonlySet<string>): Check {
  return {
    code: 'UNKNOWN_CATEGORY',
    isUnusual: (value) => !known.has(String(value)),
    describe: (value) =>
      `${JSON.stringify(shortened(String(value)))} is not among the ${known.size} values that the model knows`,
  };
}

const outOfRange = ({ isUnusual, describe }: Omit<Check, 'code'>): Check => ({
  code: 'OUT_OF_TRAINING_RANGE',
  isUnusual,
  describe: (value) => `${describe(value)}, the range of the training data; the model extrapolates`,
});

/** Range and mean of the numbers of nested lists or of a tensor; missing elements are skipped. Null if there are none. */
function summary(value: unknown): { least: number; greatest: number; average: number } | null {
  let [least, greatest, sum, count] = [Infinity, -Infinity, 0, 0];
  const add = (part: unknown): void => {
    if (typeof part === 'number' || typeof part === 'bigint') {
      const number = Number(part);
      least = Math.min(least, number);
      greatest = Math.max(greatest, number);
      sum += number;
      count += 1;
    } else if (Array.isArray(part) || ArrayBuffer.isView(part)) {
      for (const each of part as Iterable<unknown>) add(each);
    }
  };
  add(value);
  return count === 0 ? null : { least, greatest, average: sum / count };
}

/** The elements of a list input, however it is given. */
function elementsGiven(field: InputField, value: unknown): unknown {
  if (value instanceof PreparedTensor) return value.data;
  if (!isBase64Tensor(value)) return value;
  const tensor = base64Tensor(field, value, Infinity);
  return typeof tensor === 'string' ? [] : tensor.data;
}
