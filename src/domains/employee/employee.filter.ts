import type { Viewer } from '../../auth/viewer.js';
import { normalized } from '../../database/text-comparison.js';
import { BadUserInput, type FieldProblem } from '../../errors/app-error.js';
import type { Column } from '../../graphql/filtering/columns.js';
import type { Comparison, Condition, ConditionValue, Operator } from '../../graphql/filtering/condition.js';
import { readFilter } from '../../graphql/filtering/read-filter.js';
import { decodeId, idProblem } from '../../graphql/relay/global-id.js';
import { employeeColumns, searchedText } from './employee.columns.js';
import { isoDate, type EmployeeFilter } from './employee.types.js';

/**
 * Validates the filter of a list.
 * @throws BadUserInput if it is invalid
 * @throws Forbidden if the viewer may not read a column in every row
 */
export const employeeCondition = (filter: EmployeeFilter | null, viewer: Viewer): Condition =>
  readFilter(employeeColumns, filter, { viewer, own: ownConditions });

/** The fields of filters that are older than conditions on columns, with database values; null for an absent condition. */
export interface CheckedFilter {
  search: string | null;
  departmentId: string | null;
  managerId: string | null;
  minAge: number | null;
  maxAge: number | null;
  hiredAfter: string | null;
  hiredBefore: string | null;
}

/**
 * Validates the filter of a stream, whose events are compared without the database.
 * @throws BadUserInput if it is invalid or has conditions on columns
 */
export function checkedFilter(filter: EmployeeFilter): CheckedFilter {
  const columns = ['and', 'or', 'not', ...employeeColumns.columns.keys(), ...employeeColumns.relations.keys()];
  const sent = Object.entries(filter).filter(([name, value]) => value != null && columns.includes(name));
  const problems = [
    ...filterProblems(filter),
    ...sent.map(([field]) => ({ field, message: `is not supported by subscriptions; use ${ownFields.join(', ')}` })),
  ];
  if (problems.length > 0) throw BadUserInput.ofFields(problems);
  return databaseValues(filter);
}

const ownFields = ['search', 'departmentId', 'managerId', 'minAge', 'maxAge', 'hiredAfter', 'hiredBefore'];

/** @param filter without problems */
function databaseValues(filter: EmployeeFilter): CheckedFilter {
  const { search, departmentId, managerId, minAge, maxAge, hiredAfter, hiredBefore } = filter;
  return {
    search: search == null || search.trim() === '' ? null : normalized(search.trim()),
    departmentId: departmentId == null ? null : decodeId('department', departmentId),
    managerId: managerId == null ? null : decodeId('employee', managerId),
    minAge: minAge ?? null,
    maxAge: maxAge ?? null,
    hiredAfter: hiredAfter == null ? null : isoDate(hiredAfter),
    hiredBefore: hiredBefore == null ? null : isoDate(hiredBefore),
  };
}

const departmentId: Column = { type: 'id', of: 'department', name: 'departmentId', column: 'department_id' };
const managerId: Column = { type: 'id', of: 'employee', name: 'managerId', column: 'manager_id' };
const age: Column = { type: 'integer', name: 'age', column: 'age' };
const hiredOn: Column = { type: 'date', name: 'hiredOn', column: 'hired_on' };

/** The conditions of the fields without operators. */
function ownConditions(filter: EmployeeFilter, path: string, found: FieldProblem[]): Condition[] {
  const problems = filterProblems(filter);
  if (problems.length > 0) {
    found.push(...problems.map((problem) => ({ ...problem, field: `${path}${problem.field}` })));
    return [];
  }
  const values = databaseValues(filter);
  const compared = (name: keyof CheckedFilter, column: Column, operator: Operator): Comparison[] =>
    values[name] === null
      ? []
      : [
          {
            kind: 'comparison',
            column,
            operator,
            value: values[name] satisfies ConditionValue,
            field: `${path}${name}`,
          },
        ];
  return [
    ...(values.search === null ? [] : [searchCondition(values.search, `${path}search`)]),
    ...compared('departmentId', departmentId, 'eq'),
    ...compared('managerId', managerId, 'eq'),
    ...compared('minAge', age, 'gte'),
    ...compared('maxAge', age, 'lte'),
    ...compared('hiredAfter', hiredOn, 'gte'),
    ...compared('hiredBefore', hiredOn, 'lte'),
  ];
}

/** Line breaks separate the searched fields and occur in none of them. */
const searchCondition = (value: string, field: string): Condition =>
  value.includes('\n') ? { kind: 'or', of: [] } : { kind: 'search', text: searchedText, value, field, isExempt: true };

const maxSearchLength = 100;

function filterProblems({ search, departmentId, managerId, hiredAfter, hiredBefore }: EmployeeFilter): FieldProblem[] {
  const problems = [
    search == null ? null : searchProblem(normalized(search.trim())),
    departmentId == null ? null : idProblem('department', departmentId, 'departmentId'),
    managerId == null ? null : idProblem('employee', managerId, 'managerId'),
    hiredAfter == null ? null : dayProblem(hiredAfter, 'hiredAfter'),
    hiredBefore == null ? null : dayProblem(hiredBefore, 'hiredBefore'),
  ];
  return problems.filter((problem) => problem !== null);
}

function searchProblem(search: string): FieldProblem | null {
  if (search.length <= maxSearchLength && !search.includes('\0')) return null;
  return { field: 'search', message: `must be text of ${maxSearchLength} characters or fewer` };
}

// PostgreSQL's calendar, unlike JavaScript's, has no year 0.
const dayProblem = (day: Date, field: string): FieldProblem | null =>
  day.getUTCFullYear() < 1 ? { field, message: 'must be 0001-01-01 or later' } : null;
