import { sql } from 'kysely';
import { parameters, queryBuilder } from '../../database/read-templates.js';
import { foldedParameter, normalized } from '../../database/text-comparison.js';
import { BadUserInput, type FieldProblem } from '../../errors/app-error.js';
import { decodeId, idProblem } from '../../graphql/relay/global-id.js';
import { searchedText } from './employee.entity.js';
import type { EmployeeQuery } from './employee.shapes.js';
import { isoDate, type EmployeeFilter } from './employee.types.js';

/** A validated filter with database values; null for an absent condition. */
export interface CheckedFilter {
  search: string | null;
  departmentId: string | null;
  managerId: string | null;
  minAge: number | null;
  maxAge: number | null;
  hiredAfter: string | null;
  hiredBefore: string | null;
}

/** @throws BadUserInput if the filter is invalid */
export function checkedFilter(filter: EmployeeFilter): CheckedFilter {
  const problems = filterProblems(filter);
  if (problems.length > 0) throw BadUserInput.ofFields(problems);
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

/** The conditions that a filter has. */
const conditionsOf = (filter: CheckedFilter) =>
  (Object.keys(filter) as (keyof CheckedFilter)[]).filter((name) => filter[name] !== null);

/** Everything that the text of a filter's template depends on. */
export const filterKey = (filter: CheckedFilter): string => conditionsOf(filter).join();

/** The filter as a template has it: its values are parameters. */
export const templateFilter = (filter: CheckedFilter): CheckedFilter => ({
  ...filter,
  ...parameters(conditionsOf(filter)),
});

export const filterValues = ({ search, ...others }: CheckedFilter): Record<string, unknown> => ({
  ...others,
  search: search === null ? null : patternOf(search),
});

/** The number of rows that match a range or a search depends on its values, and so does the best index. */
export const hasStablePlan = ({ search, minAge, maxAge, hiredAfter, hiredBefore }: CheckedFilter): boolean =>
  [search, minAge, maxAge, hiredAfter, hiredBefore].every((value) => value === null);

/** Line breaks separate the searched fields and occur in none of them. */
export const matchesNothing = ({ search }: CheckedFilter): boolean => search?.includes('\n') ?? false;

/** The employees that match a filter whose search is a pattern. */
export function filtered({ search, departmentId, managerId, minAge, maxAge, hiredAfter, hiredBefore }: CheckedFilter) {
  let query: EmployeeQuery = queryBuilder.selectFrom('employee');
  if (search !== null) query = query.where(sql<boolean>`${sql.raw(searchedText)} like ${foldedParameter(search)}`);
  if (departmentId !== null) query = query.where('employee.department_id', '=', departmentId);
  if (managerId !== null) query = query.where('employee.manager_id', '=', managerId);
  if (minAge !== null) query = query.where(sql<boolean>`employee.age >= ${minAge}::integer`);
  if (maxAge !== null) query = query.where(sql<boolean>`employee.age <= ${maxAge}::integer`);
  if (hiredAfter !== null) query = query.where('employee.hired_on', '>=', hiredAfter);
  if (hiredBefore !== null) query = query.where('employee.hired_on', '<=', hiredBefore);
  return query;
}

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

/** The pattern of `like` for a search. */
export const patternOf = (search: string): string => `%${search.replace(/[\\%_]/g, '\\$&')}%`;
