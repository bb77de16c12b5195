import { isIP } from 'node:net';
import type { Viewer } from '../../auth/viewer.js';
import { normalized } from '../../database/text-comparison.js';
import { BadUserInput, type FieldProblem } from '../../errors/app-error.js';
import { ownValue } from '../../errors/own-value.js';
import { decodeId, idProblem } from '../relay/global-id.js';
import { assertReadable, type Column, type Filterable, type Relation } from './columns.js';
import { allOf, everyRow, type Condition, type ConditionValue, type Operator } from './condition.js';

/** Upper bounds of a filter. */
export const filterLimits = { conditions: 20, depth: 5, listLength: 100, textLength: 200 };

/** Conditions of the fields that a domain has declared itself. @param path of the filter: empty, or `or[0].` */
export type OwnConditions = (filter: object, path: string, problems: FieldProblem[]) => readonly Condition[];

/**
 * Validates a filter that a caller sent.
 * @param filter the fields of `@Filters`, and others that `own` reads
 * @throws BadUserInput with all problems, or if the filter is too large
 * @throws the error of `mayRead` if the viewer may not read a column in every row
 */
export function readFilter(
  filterable: Filterable,
  filter: object | null | undefined,
  { viewer, own = () => [] }: { viewer: Viewer; own?: OwnConditions },
): Condition {
  if (filter == null) return everyRow;
  const reader = new FilterReader(viewer, own);
  const condition = reader.filter(filterable, filter, '', 0);
  if (reader.problems.length > 0) throw BadUserInput.ofFields(reader.problems);
  return condition;
}

type Fields = Readonly<Record<string, unknown>>;

class FilterReader {
  readonly problems: FieldProblem[] = [];
  readonly #viewer: Viewer;
  readonly #own: OwnConditions;
  #count = 0;

  constructor(viewer: Viewer, own: OwnConditions) {
    this.#viewer = viewer;
    this.#own = own;
  }

  filter(filterable: Filterable, filter: object, path: string, depth: number): Condition {
    if (depth > filterLimits.depth)
      throw tooLarge(path, `is nested too deep; use at most ${filterLimits.depth} levels of and, or and not`);
    const own = this.#own(filter, path, this.problems);
    this.#add(own.length, path);
    const fields = filter as Fields;
    const parts = [...own, ...this.#columns(filterable, fields, path)];
    for (const relation of filterable.relations.values()) {
      const value = ownValue(fields, relation.name);
      if (value != null) parts.push(this.#related(relation, value as Fields, `${path}${relation.name}`));
    }
    const { and, or, not } = fields as { and?: object[]; or?: object[]; not?: object };
    const each = (filters: readonly object[], name: string): Condition[] => {
      // An empty filter counts too: lists of them would have no bound.
      this.#add(filters.length, `${path}${name}`);
      return filters.map((one, index) => this.filter(filterable, one, `${path}${name}[${index}].`, depth + 1));
    };
    if (and) parts.push({ kind: 'and', of: each(and, 'and') });
    if (or) parts.push({ kind: 'or', of: each(or, 'or') });
    if (not) parts.push({ kind: 'not', of: this.filter(filterable, not, `${path}not.`, depth + 1) });
    const [only] = parts;
    if (!only) return everyRow;
    return parts.length === 1 ? only : { kind: 'and', of: parts };
  }

  #columns({ columns }: Filterable, fields: Fields, path: string): Condition[] {
    const conditions: Condition[] = [];
    for (const column of columns.values()) {
      const operators = ownValue(fields, column.name);
      // An own field of the domain may have the name of a column.
      if (operators == null || typeof operators !== 'object') continue;
      assertReadable(column, this.#viewer);
      for (const [operator, value] of Object.entries(operators as Fields) as [Operator, unknown][])
        if (value != null)
          conditions.push(...this.#comparison(column, operator, value, `${path}${column.name}.${operator}`));
    }
    return conditions;
  }

  #related(relation: Relation, fields: Fields, field: string): Condition {
    assertReadable(relation, this.#viewer);
    const isNull = ownValue(fields, 'isNull');
    const parts: Condition[] = [];
    if (typeof isNull === 'boolean') {
      const keys = Object.keys(relation.on).map((column): Condition => {
        this.#add(1, field);
        const key: Column = { type: 'uuid', name: column, column };
        return { kind: 'comparison', column: key, operator: 'isNull', value: isNull, field: `${field}.isNull` };
      });
      // A foreign key of several columns refers to nothing if one of them is null.
      parts.push({ kind: isNull ? 'or' : 'and', of: keys });
    }
    const of = this.#columns(relation.to(), fields, `${field}.`);
    const visible = relation.visibleRows?.(this.#viewer) ?? everyRow;
    if (of.length > 0) parts.push({ kind: 'related', relation, of: allOf(visible, ...of) });
    return allOf(...parts);
  }

  #comparison(column: Column, operator: Operator, value: unknown, field: string): Condition[] {
    this.#add(1, field);
    if (operator === 'isNull') return [{ kind: 'comparison', column, operator, value: value === true, field }];
    const values = Array.isArray(value) ? (value as unknown[]) : [value];
    if (values.length > filterLimits.listLength)
      throw tooLarge(field, `has ${values.length} values; at most ${filterLimits.listLength} are allowed`);
    const [problem] = values.map((one) => problemOf(column, one, field)).filter((one) => one !== null);
    if (problem) {
      // One is enough of a list: the error has a bound.
      this.problems.push(problem);
      return [];
    }
    const valid = values.map((one) => databaseValue(column, one));
    const compared: ConditionValue = Array.isArray(value) ? valid : (valid[0] ?? '');
    const comparison: Condition = { kind: 'comparison', column, operator, value: compared, field };
    const isSearch = operator === 'contains' || operator === 'startsWith';
    if (!isSearch || !column.searchedIn) return [comparison];
    return [{ kind: 'search', text: column.searchedIn, value: String(compared), field }, comparison];
  }

  #add(conditions: number, path: string): void {
    this.#count += conditions;
    if (this.#count > filterLimits.conditions)
      throw tooLarge(
        path,
        `is condition ${filterLimits.conditions + 1}; a filter has at most ${filterLimits.conditions}`,
      );
  }
}

const tooLarge = (field: string, message: string): BadUserInput =>
  BadUserInput.ofFields([{ field: field.replace(/\.$/, '') || 'filter', message }]);

/** Null is no value, also within a list. */
function problemOf(column: Column, value: unknown, field: string): FieldProblem | null {
  const problem = (message: string): FieldProblem => ({ field, message });
  if (column.type === 'id') return idProblem(column.of, String(value), field);
  if (column.type === 'uuid') return isUuid(value) ? null : problem('must be a UUID in lower case');
  if (column.type === 'bigint') return isBigInt(value) ? null : problem('must be a whole number of 64 bits, as text');
  if (column.type === 'decimal')
    return isDecimal(value) ? null : problem('must be a decimal number such as "12.50", as text');
  if (column.type === 'date' || column.type === 'datetime') return yearProblem(value as Date, field);
  if (column.type === 'localDateTime')
    return isLocalDateTime(String(value)) ? null : problem('must be a time of a day that exists');
  if (column.type === 'localTime')
    return isTimeOfDay(String(value)) ? null : problem('must be a time of day without an offset');
  if (column.type === 'address')
    return isAddress(String(value)) ? null : problem('must be an IP address or network such as "192.0.2.0/24"');
  if (column.type !== 'text') return null;
  const text = String(value);
  if (text.length > filterLimits.textLength)
    return problem(`must be text of ${filterLimits.textLength} characters or fewer`);
  return text.includes('\0') || !text.isWellFormed() ? problem('must be text without NUL and half characters') : null;
}

const isUuid = (value: unknown): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(String(value));
const isBigInt = (value: unknown): boolean =>
  /^-?\d{1,19}$/.test(String(value)) && BigInt.asIntN(64, BigInt(String(value))) === BigInt(String(value));
const isDecimal = (value: unknown): boolean =>
  String(value).length <= 60 && /^-?\d{1,40}(\.\d{1,40})?$/.test(String(value));

const isLocalDateTime = (text: string): boolean => {
  const day = text.slice(0, 10);
  const date = new Date(`${day}T00:00:00Z`);
  const exists = !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day) && date.getUTCFullYear() > 0;
  return exists && isTimeOfDay(text.slice(11));
};
const isTimeOfDay = (text: string): boolean => /^(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?$/.test(text);
const isAddress = (text: string): boolean => {
  const [address = '', bits = '0', ...rest] = text.split('/');
  const version = address.includes('%') ? 0 : isIP(address);
  return version > 0 && rest.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128);
};

// PostgreSQL's calendar, unlike JavaScript's, has no year 0.
const yearProblem = (time: Date, field: string): FieldProblem | null =>
  time.getUTCFullYear() < 1 || time.getUTCFullYear() > 9999
    ? { field, message: 'must be of a year from 1 to 9999' }
    : null;

/** The form in which PostgreSQL reads a valid value. */
function databaseValue(column: Column, value: unknown): string | number | boolean {
  if (column.type === 'id') return decodeId(column.of, String(value));
  if (column.type === 'date') return (value as Date).toISOString().slice(0, 10);
  if (column.type === 'datetime') return (value as Date).toISOString();
  return column.type === 'text' ? normalized(String(value)) : (value as string | number | boolean);
}
