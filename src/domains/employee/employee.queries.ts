import { sql, type SelectQueryBuilder } from 'kysely';
import { inOrder, pageOf, type Keyset, type KeysetPage } from '../../database/keyset.js';
import { rowColumns, storedProperties } from '../../database/rows.js';
import type { Database, Tables } from '../../database/tables.js';
import { folded, foldedParameter, normalized, sortCollation } from '../../database/text-comparison.js';
import { decodeId, idProblem } from '../../graphql/relay/global-id.js';
import { BadUserInput, type FieldProblem } from '../../errors/app-error.js';
import { Department } from './department.entity.js';
import { Employee, searchedText } from './employee.entity.js';
import {
  EmployeeOrderField,
  isoDate,
  omittedFromDepartment,
  OrderDirection,
  type DepartmentRow,
  type EmployeeFilter,
  type EmployeeOrder,
  type EmployeeRow,
} from './employee.types.js';

const columns = rowColumns(Employee, 'employee');
const departmentColumns = rowColumns(Department, 'department', omittedFromDepartment);

/** The manager's columns under dotted names; `nest` makes them an object. */
const managerProperties = storedProperties(Employee);
const managerColumns = managerProperties.map(({ name, column }) => sql.ref(`manager.${column}`).as(`manager.${name}`));

/** The to-one relations to join, because the operation selects them. */
export interface EmployeeJoins {
  department: boolean;
  manager: boolean;
  managersDepartment: boolean;
}

const noJoins: EmployeeJoins = { department: false, manager: false, managersDepartment: false };

type EmployeeQuery<Output> = SelectQueryBuilder<Tables, 'employee', Output>;

/** Executes a query of employees with the requested joins. */
async function readEmployees(query: EmployeeQuery<object>, joins: EmployeeJoins): Promise<EmployeeRow[]> {
  const rows = await query
    .select(columns)
    .$if(joins.department, (q) => joinDepartment(q))
    .$if(joins.manager, (q) => joinManager(q, joins.managersDepartment))
    .execute();
  return rows.map((row) => nest(row as FlatRow, joins));
}

/** A row of an employee and its relations, which have dotted names. */
type FlatRow = EmployeeRow &
  Record<`department.${string}` | `manager.${string}` | `managersDepartment.${string}`, unknown>;

// The joined tables are left out of the query's type: their columns are constants of this file, and `nest` reads them by name.
const joinDepartment = <Output>(query: EmployeeQuery<Output>): EmployeeQuery<Output> =>
  query.innerJoin('department', 'department.id', 'employee.department_id').select('department.name as department.name');

function joinManager<Output>(query: EmployeeQuery<Output>, withDepartment: boolean): EmployeeQuery<Output> {
  return query
    .leftJoin('employee as manager', 'manager.id', 'employee.manager_id')
    .select(managerColumns)
    .$if(withDepartment, (q) =>
      q
        .leftJoin('department as managersDepartment', 'managersDepartment.id', 'manager.department_id')
        .select('managersDepartment.name as managersDepartment.name'),
    );
}

function nest(row: FlatRow, joins: EmployeeJoins): EmployeeRow {
  if (joins.department) row.department = { id: row.departmentId, name: String(row['department.name']) };
  if (!joins.manager) return row;
  if (row.managerId === null) {
    row.manager = null;
    return row;
  }
  const manager: Record<string, unknown> = {};
  // eslint-disable-next-line auspex/own-names -- the columns, which the code names
  for (const { name } of managerProperties) manager[name] = row[`manager.${name}`];
  if (joins.managersDepartment) manager.department = { id: manager.departmentId, name: row['managersDepartment.name'] };
  row.manager = manager as unknown as EmployeeRow;
  return row;
}

const orders: Record<EmployeeOrderField, Omit<Keyset, 'isDescending'>> = {
  NAME: { column: 'employee.name', property: 'name', type: 'text' },
  AGE: { column: 'employee.age', property: 'age', type: 'integer' },
  HIRED_ON: { column: 'employee.hired_on', property: 'hiredOn', type: 'date' },
  SALARY: { column: 'employee.salary', property: 'salary', type: 'integer' },
  CREATED_AT: { column: 'employee.created_at', property: 'createdAt', type: 'timestamptz' },
};

/** The order of a list of employees; by name by default. */
export const employeeOrder = (order?: EmployeeOrder | null): Keyset => ({
  ...orders[order?.field ?? EmployeeOrderField.NAME],
  isDescending: order?.direction === OrderDirection.DESC,
});

/** Loads a page of employees. @returns at most page.limit + 1 rows. @throws BadUserInput if the filter is invalid */
export async function employeePage(
  db: Database,
  filter: EmployeeFilter,
  page: KeysetPage,
  joins: EmployeeJoins,
): Promise<EmployeeRow[]> {
  const rows = await readEmployees(pageOf(filtered(db, filter), page), joins);
  return inOrder(rows, page);
}

/** Counts the employees that match the filter. @throws BadUserInput if the filter is invalid */
export async function countEmployees(db: Database, filter: EmployeeFilter): Promise<number> {
  const { count } = await filtered(db, filter)
    .select(sql<number>`count(*)::integer`.as('count'))
    .executeTakeFirstOrThrow();
  return count;
}

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

function filtered(db: Database, filter: EmployeeFilter): EmployeeQuery<object> {
  const { search, departmentId, managerId, minAge, maxAge, hiredAfter, hiredBefore } = checkedFilter(filter);
  let query: EmployeeQuery<object> = db.selectFrom('employee');
  if (search !== null) query = query.where(contains(search));
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

const patternOf = (search: string): string => `%${search.replace(/[\\%_]/g, '\\$&')}%`;

/**
 * Matches texts of employees against searches, in one statement.
 * @param states texts of employees, which may have been deleted
 * @returns "<index of the state> <search>" for each match
 */
export async function matchingTexts(
  db: Database,
  states: readonly Pick<EmployeeRow, 'name' | 'email' | 'jobTitle'>[],
  searches: readonly string[],
): Promise<Set<string>> {
  const { rows } = await sql<{ index: number; search: number }>`
    select state.index::integer, search.index::integer as search
    from unnest(${states.map(({ name }) => name)}::text[], ${states.map(({ email }) => email)}::text[], ${states.map(({ jobTitle }) => jobTitle)}::text[])
      with ordinality as state (name, email, job_title, index)
    join unnest(${searches.map(patternOf)}::text[]) with ordinality as search (pattern, index)
      on ${matches('state.name')} or ${matches('state.email')} or ${matches('state.job_title')}`.execute(db);
  return new Set(rows.map(({ index, search }) => `${index - 1} ${searches[search - 1] ?? ''}`));
}

const matches = (column: string) => sql.raw(`${folded(column)} like ${folded('search.pattern')}`);

function contains(search: string) {
  // Line breaks separate the fields and occur in none of them.
  return search.includes('\n')
    ? sql<boolean>`false`
    : sql<boolean>`${sql.raw(searchedText)} like ${foldedParameter(patternOf(search))}`;
}

/** Loads employees by ID, in any order; unknown IDs are omitted. */
export function employeesById(
  db: Database,
  ids: readonly string[],
  joins: EmployeeJoins = noJoins,
): Promise<EmployeeRow[]> {
  return readEmployees(filtered(db, {}).where('employee.id', 'in', ids), joins);
}

/** Loads departments by ID, in any order; unknown IDs are omitted. */
export function departmentsById(db: Database, ids: readonly string[]): Promise<DepartmentRow[]> {
  return db.selectFrom('department').select(departmentColumns).where('id', 'in', ids).execute();
}

/** Upper bound of the list of departments. */
const maxDepartments = 1000;

/** All departments, by name. */
export function allDepartments(db: Database): Promise<DepartmentRow[]> {
  return db
    .selectFrom('department')
    .select(departmentColumns)
    .orderBy(sql`name collate ${sql.raw(sortCollation)}`)
    .limit(maxDepartments)
    .execute();
}

/** The column of an employee's owner. */
export type Owner = 'department_id' | 'manager_id';

/** Loads the same page of employees for each owner, in one statement. */
export async function employeePagesByOwner(
  db: Database,
  owner: Owner,
  ownerIds: readonly string[],
  page: KeysetPage,
): Promise<EmployeeRow[]> {
  // A lateral join gives each owner its own limit, by the index on (owner, name, id).
  const inner = pageOf(
    filtered(db, {})
      .select(columns)
      .where(sql<boolean>`${sql.ref(`employee.${owner}`)} = owner.id`),
    page,
  );
  const { rows } = await sql<EmployeeRow>`
    select found.* from unnest(${[...ownerIds]}::uuid[]) as owner (id) cross join lateral (${inner}) as found`.execute(
    db,
  );
  return rows;
}

/** Counts employees by owner; owners without employees are omitted. */
export async function countEmployeesByOwner(
  db: Database,
  owner: Owner,
  ownerIds: readonly string[],
): Promise<{ ownerId: string; count: number }[]> {
  const { rows } = await sql<{ ownerId: string; count: number }>`
    select ${sql.ref(owner)} as "ownerId", count(*)::integer as count from employee
    where ${sql.ref(owner)} = any(${[...ownerIds]}::uuid[]) group by 1`.execute(db);
  return rows;
}

/** Returns the IDs of those employees that report to the manager, directly or indirectly. */
export async function reportsAmong(
  db: Database,
  managerId: string,
  employeeIds: readonly string[],
): Promise<Set<string>> {
  // `union` drops repeated rows, so that the recursion ends even with a cycle, which writes reject.
  const { rows } = await sql<{ id: string }>`
    with recursive line (id, manager_id) as (
      select id, manager_id from employee where id = any(${[...employeeIds]}::uuid[])
      union
      select line.id, boss.manager_id from line join employee boss on boss.id = line.manager_id
    )
    select distinct id from line where manager_id = ${managerId}`.execute(db);
  return new Set(rows.map((row) => row.id));
}
