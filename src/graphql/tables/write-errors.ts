import { sql } from 'kysely';
import type { Database } from '../../database/tables.js';
import { AppError, BadUserInput, Conflict, Forbidden, type FieldProblem } from '../../errors/app-error.js';
import { systemErrorCode } from '../../errors/system-error-code.js';
import type { Context } from '../context/context.js';
import { qualified, typeOfTable, type TableColumn, type TableMapping } from './existing-table.js';
import type { ColumnValue, ColumnValues } from './input-values.js';
import { given, writtenForm } from './write-statements.js';

/** A write that failed. */
export interface FailedWrite {
  kind: 'create' | 'update' | 'delete';
  values: ColumnValues;
  mapping: TableMapping;
  context: Pick<Context, 'db' | 'log'>;
}

/** The fields of an error of PostgreSQL, which name objects of the database. Its texts may contain values of other rows. */
interface DatabaseError {
  schema?: string;
  table?: string;
  column?: string;
  constraint?: string;
}

/** Translates an error of PostgreSQL for the caller; returns others as they are. Nothing of its message is passed on. */
export async function writeError(error: unknown, write: FailedWrite): Promise<unknown> {
  const code = systemErrorCode(error);
  if (error instanceof AppError || code === undefined) return error;
  const details = error as DatabaseError;
  const { mapping, context } = write;
  if (code.startsWith('22')) return (await invalidValue(write, code)) ?? error;
  if (code.startsWith('54'))
    return new BadUserInput('A value is too large for the database, such as a long text in a column with an index.');
  if (code === notNull && details.column !== undefined && (await isOfTable(details, write)))
    return nullError(details.column, write);
  if (integrity.has(code)) return integrityError(code, details, write);
  if (code === '42501') {
    context.log.warn({ err: error }, 'database role may not write');
    return new Forbidden(
      `The database does not permit the gateway to ${write.kind} this row; an operator grants that on ${qualified(mapping)}.`,
    );
  }
  if (/^(?:23|P0)/.test(code) || code === withCheckOption || userDefined.test(code)) {
    context.log.warn({ err: error }, 'database rejected a write');
    return new Conflict('A rule of the database rejected the change.');
  }
  return error;
}

const notNull = '23502';
const unique = '23505';
const foreignKey = '23503';
/** Foreign keys with RESTRICT, since PostgreSQL 18. */
const restricted = '23001';
const check = '23514';
const exclusion = '23P01';
const withCheckOption = '44000';
/** Classes that neither the standard nor PostgreSQL has: exceptions of triggers and functions. */
const userDefined = /^[6-9I-OQ-WYZ]/;
const integrity = new Set([unique, foreignKey, restricted, check, exclusion]);

function nullError(column: string, { mapping }: FailedWrite): AppError {
  const found = mapping.columns.find(({ name }) => name === column);
  return found
    ? BadUserInput.ofFields([{ field: found.property, message: 'must not be null' }])
    : new Conflict('The database requires a column that has no field.');
}

async function integrityError(code: string, details: DatabaseError, write: FailedWrite): Promise<AppError> {
  const { mapping, kind, context } = write;
  const { isOwn, columns } = await constraintOf(context.db, mapping, details);
  const isReferenced =
    code === restricted || (code === foreignKey && (kind === 'delete' || (kind === 'update' && !isOwn)));
  if (isReferenced) {
    const type = typeOfTable({ schema: details.schema ?? '', table: details.table ?? '' });
    const rows = type === null ? 'Other rows' : `${type} rows`;
    return new Conflict(`${rows} refer to this row; change or delete them first.`);
  }
  if (code === check && columns.length === 0) {
    const invalid = await invalidValue(write, code);
    if (invalid) return invalid;
  }
  const fields = isOwn ? columns : [];
  const [field, ...others] = fields;
  if (field === undefined) return new Conflict(messages.get(code) ?? 'A rule of the database rejected the change.');
  const message = problemOf(code, details, others);
  return BadUserInput.ofFields([{ field, message }]);
}

/** Whether the error is of the written table, and not of one that a trigger or a foreign key writes. */
const isOfTable = async (details: DatabaseError, { mapping, context }: FailedWrite): Promise<boolean> =>
  (await constraintOf(context.db, mapping, details)).isOwn;

/** Where no field is known. */
const messages = new Map([
  [unique, 'Another row has the same values.'],
  [foreignKey, 'A referenced row does not exist.'],
  [check, 'A check of the database rejected the row.'],
  [exclusion, 'The row overlaps with another one.'],
]);

function problemOf(code: string, { constraint = '' }: DatabaseError, others: readonly string[]): string {
  const together = others.length === 0 ? '' : `together with ${others.join(' and ')} `;
  switch (code) {
    case unique:
      return `${together}is already used by another row`;
    case foreignKey:
      return `${together}must be the key of an existing row`;
    case exclusion:
      return `${together}overlaps with another row`;
    default:
      return `violates the check ${constraint} of the database`;
  }
}

/**
 * The fields of the columns of a constraint or unique index. A partition has its own; the columns have the same names.
 * @returns isOwn whether the constraint is of the table or one of its partitions
 */
async function constraintOf(
  db: Database,
  mapping: TableMapping,
  { schema = '', table = '', constraint = '' }: DatabaseError,
): Promise<{ isOwn: boolean; columns: string[] }> {
  const { rows } = await sql<{ name: string | null }>`
    with relation as (
      select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = ${schema} and c.relname = ${table}
    ), own as (
      select oid from relation where coalesce(pg_partition_root(oid), oid) = ${qualified(mapping)}::regclass
    ), numbers as (
      select unnest(conkey) as number from pg_constraint, own where conrelid = own.oid and conname = ${constraint}
      union select unnest(i.indkey) from pg_index i join pg_class c on c.oid = i.indexrelid, own
        where i.indrelid = own.oid and c.relname = ${constraint}
      union select d.refobjsubid from pg_depend d join pg_class c on c.oid = d.objid and d.classid = 'pg_class'::regclass, own
        where d.refclassid = 'pg_class'::regclass and d.refobjid = own.oid and c.relname = ${constraint}
    )
    select a.attname as name from own left join (numbers join pg_attribute a on a.attnum = number and a.attnum > 0) on a.attrelid = own.oid
    order by a.attnum`.execute(db);
  const properties = new Map(mapping.columns.map(({ name, property }) => [name, property]));
  return { isOwn: rows.length > 0, columns: rows.flatMap(({ name }) => properties.get(name ?? '') ?? []) };
}

/** The most values that are tried one by one. */
const maxTried = 60;

/** Finds the values that their columns reject, by casting each one alone: PostgreSQL's error names no column. */
async function invalidValue({ values, mapping, context: { db } }: FailedWrite, code: string): Promise<AppError | null> {
  const types = await typesOf(db, mapping);
  const problems: FieldProblem[] = [];
  for (const [column, value] of [...values].slice(0, maxTried)) {
    const failure = value === null ? null : await castFailure(db, column, value, types.get(column.name));
    if (failure !== null) problems.push({ field: column.property, message: valueProblem(column, failure) });
  }
  if (problems.length > 0) return BadUserInput.ofFields(problems);
  return code === check ? null : new BadUserInput('A value does not fit its column in the database.');
}

function valueProblem({ type }: TableColumn, code: string): string {
  if (code === '22003') return 'is out of the range of its column';
  if (code === check) return 'violates a check of the database';
  return `must be a value of the type ${type.sqlType}`;
}

/** The types of the columns as they are declared: with domains and precisions. */
async function typesOf(db: Database, mapping: TableMapping): Promise<Map<string, string>> {
  const { rows } = await sql<{ name: string; type: string }>`
    select attname as name, format_type(atttypid, atttypmod) as type from pg_attribute
    where attrelid = ${qualified(mapping)}::regclass and attnum > 0 and not attisdropped`.execute(db);
  return new Map(rows.map(({ name, type }) => [name, type]));
}

/** The SQLSTATE by which a value is rejected; null if it is accepted. */
async function castFailure(
  db: Database,
  column: TableColumn,
  value: ColumnValue,
  type = column.type.sqlType,
): Promise<string | null> {
  try {
    const sent = given(new Map([[column, value]]));
    await sql`select (${sql.raw(writtenForm(column, 0))})::${sql.raw(type)} from ${sent}`.execute(db);
    return null;
  } catch (error) {
    const code = systemErrorCode(error) ?? '';
    if (code.startsWith('22') || code === check) return code;
    throw error;
  }
}
