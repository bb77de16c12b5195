import { sql, type SelectQueryBuilder } from 'kysely';
import { inOrder, pageOf, type Keyset, type KeysetPage } from '../../database/keyset.js';
import type { Database, Tables } from '../../database/tables.js';
import { decodeId, idProblem } from '../../graphql/id.js';
import { BadUserInput, type FieldProblem } from '../../shared/errors.js';
import { searchedText } from './employee.entity.js';
import type { DepartmentRow, EmployeeFilter, EmployeeOrder, EmployeeRow } from './employee.types.js';
import { EmployeeOrderField, OrderDirection } from './employee.types.js';

const columns = [
  'employee.id',
  'employee.name',
  'employee.email',
  'employee.age',
  'employee.job_title as jobTitle',
  'employee.job_level as jobLevel',
  'employee.hired_on as hiredOn',
  'employee.salary',
  'employee.department_id as departmentId',
  'employee.manager_id as managerId',
  'employee.version',
  'employee.created_at as createdAt',
  'employee.updated_at as updatedAt',
] as const;

const managerColumns = [
  'manager.id as manager.id',
  'manager.name as manager.name',
  'manager.email as manager.email',
  'manager.age as manager.age',
  'manager.job_title as manager.jobTitle',
  'manager.job_level as manager.jobLevel',
  'manager.hired_on as manager.hiredOn',
  'manager.salary as manager.salary',
  'manager.department_id as manager.departmentId',
  'manager.manager_id as manager.managerId',
  'manager.version as manager.version',
  'manager.created_at as manager.createdAt',
  'manager.updated_at as manager.updatedAt',
] as const;

/** Which to-one relations a read brings along in its own statement, for they are asked for. */
export interface EmployeeJoins {
  department: boolean;
  manager: boolean;
  managersDepartment: boolean;
}

const noJoins: EmployeeJoins = { department: false, manager: false, managersDepartment: false };

type EmployeeQuery<Output> = SelectQueryBuilder<Tables, 'employee', Output>;

/** The rows of employees that a query finds, with the relations that are asked for. */
async function readEmployees(query: EmployeeQuery<object>, joins: EmployeeJoins): Promise<EmployeeRow[]> {
  const rows = await query
    .select(columns)
    .$if(joins.department, (q) => joinDepartment(q))
    .$if(joins.manager, (q) => joinManager(q, joins.managersDepartment))
    .execute();
  return rows.map((row) => nest(row as FlatRow, joins));
}

/** An employee's row, and those of its relations with dotted names. */
type FlatRow = EmployeeRow & Record<`department.${string}` | `manager.${string}` | `managersDepartment.${string}`, unknown>;

// The joined tables are left out of the query's type: their columns are constants of this file, and `nest` reads them by name.
const joinDepartment = <Output>(query: EmployeeQuery<Output>): EmployeeQuery<Output> =>
  query
    .innerJoin('department', 'department.id', 'employee.department_id')
    .select('department.name as department.name');

function joinManager<Output>(query: EmployeeQuery<Output>, withDepartment: boolean): EmployeeQuery<Output> {
  return query
    .leftJoin('employee as manager', 'manager.id', 'employee.manager_id')
    .select(managerColumns)
    .$if(withDepartment, (q) =>
      q.leftJoin('department as managersDepartment', 'managersDepartment.id', 'manager.department_id').select('managersDepartment.name as managersDepartment.name'),
    );
}

const properties = managerColumns.map((column) => column.slice(column.lastIndexOf('.') + 1));

function nest(row: FlatRow, joins: EmployeeJoins): EmployeeRow {
  if (joins.department) row.department = { id: row.departmentId, name: String(row['department.name']) };
  if (!joins.manager) return row;
  if (row.managerId === null) {
    row.manager = null;
    return row;
  }
  const manager: Record<string, unknown> = {};
  for (const property of properties) manager[property] = row[`manager.${property}`];
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

/** The order of a list of employees; by name where nothing is asked for. */
export const employeeOrder = (order?: EmployeeOrder | null): Keyset => ({
  ...orders[order?.field ?? EmployeeOrderField.NAME],
  isDescending: order?.direction === OrderDirection.DESC,
});

/** One page of the employees that the filter describes. @throws BadUserInput for a faulty filter */
export async function employeePage(db: Database, filter: EmployeeFilter, page: KeysetPage, joins: EmployeeJoins): Promise<EmployeeRow[]> {
  const rows = await readEmployees(pageOf(filtered(db, filter), page), joins);
  return inOrder(rows, page);
}

/** How many employees the filter describes. @throws BadUserInput for a faulty filter */
export async function countEmployees(db: Database, filter: EmployeeFilter): Promise<number> {
  const { count } = await filtered(db, filter)
    .select(sql<number>`count(*)::integer`.as('count'))
    .executeTakeFirstOrThrow();
  return count;
}

/** A filter as the database knows its values; null where nothing is asked for. */
export interface CheckedFilter {
  search: string | null;
  departmentId: string | null;
  managerId: string | null;
  minAge: number | null;
  maxAge: number | null;
  hiredAfter: string | null;
  hiredBefore: string | null;
}

/** @throws BadUserInput for a faulty filter */
export function checkedFilter(filter: EmployeeFilter): CheckedFilter {
  const problems = filterProblems(filter);
  if (problems.length > 0) throw BadUserInput.ofFields(problems);
  const { search, departmentId, managerId, minAge, maxAge, hiredAfter, hiredBefore } = filter;
  return {
    search: search == null || search.trim() === '' ? null : search.trim(),
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
    search == null ? null : searchProblem(search.trim()),
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
 * Which employees, as they are told of, a search finds: "<index> <search>" for each that it does. One statement.
 * @param states texts of employees, which need not be in the database any more
 */
export async function matchingTexts(db: Database, states: readonly Pick<EmployeeRow, 'name' | 'email' | 'jobTitle'>[], searches: readonly string[]): Promise<Set<string>> {
  const { rows } = await sql<{ index: number; search: number }>`
    select state.index::integer, search.index::integer as search
    from unnest(${states.map(({ name }) => name)}::text[], ${states.map(({ email }) => email)}::text[], ${states.map(({ jobTitle }) => jobTitle)}::text[])
      with ordinality as state (name, email, job_title, index)
    join unnest(${searches.map(patternOf)}::text[]) with ordinality as search (pattern, index)
      on state.name ilike search.pattern or state.email ilike search.pattern or state.job_title ilike search.pattern`.execute(db);
  return new Set(rows.map(({ index, search }) => `${index - 1} ${searches[search - 1] ?? ''}`));
}

function contains(search: string) {
  // No field holds a line's end, which is what stands between them.
  return search.includes('\n') ? sql<boolean>`false` : sql<boolean>`(${sql.raw(searchedText)}) ilike ${patternOf(search)}`;
}

/** A day as PostgreSQL and the API write it: 2026-11-20. */
export const isoDate = (date: Date): string => date.toISOString().slice(0, 10);

/** Employees by id, in any order; unknown ids are left out. */
export function employeesById(db: Database, ids: readonly string[], joins: EmployeeJoins = noJoins): Promise<EmployeeRow[]> {
  return readEmployees(filtered(db, {}).where('employee.id', 'in', ids), joins);
}

/** Departments by id, in any order; unknown ids are left out. */
export function departmentsById(db: Database, ids: readonly string[]): Promise<DepartmentRow[]> {
  return db.selectFrom('department').select(['id', 'name']).where('id', 'in', ids).execute();
}

/** Departments that a list shows at the most. */
const maxDepartments = 1000;

/** Every department by name. */
export function allDepartments(db: Database): Promise<DepartmentRow[]> {
  return db.selectFrom('department').select(['id', 'name']).orderBy('name').limit(maxDepartments).execute();
}

/** The column that says to whom an employee belongs. */
export type Owner = 'department_id' | 'manager_id';

/** The same page of the employees of each owner, in one statement. */
export async function employeePagesByOwner(db: Database, owner: Owner, ownerIds: readonly string[], page: KeysetPage): Promise<EmployeeRow[]> {
  // A lateral join gives each owner its own limit, by the index on (owner, name, id).
  const inner = pageOf(
    filtered(db, {}).select(columns).where(sql<boolean>`${sql.ref(`employee.${owner}`)} = owner.id`),
    page,
  );
  const { rows } = await sql<EmployeeRow>`
    select found.* from unnest(${[...ownerIds]}::uuid[]) as owner (id) cross join lateral (${inner}) as found`.execute(db);
  return rows;
}

/** How many employees each owner has; an owner without any is left out. */
export async function countEmployeesByOwner(db: Database, owner: Owner, ownerIds: readonly string[]): Promise<{ ownerId: string; count: number }[]> {
  const { rows } = await sql<{ ownerId: string; count: number }>`
    select ${sql.ref(owner)} as "ownerId", count(*)::integer as count from employee
    where ${sql.ref(owner)} = any(${[...ownerIds]}::uuid[]) group by 1`.execute(db);
  return rows;
}

/** Which of the employees report to the manager, directly or through others. */
export async function reportsAmong(db: Database, managerId: string, employeeIds: readonly string[]): Promise<Set<string>> {
  // `union` drops repeats, so that even a cycle, which writes refuse, would end.
  const { rows } = await sql<{ id: string }>`
    with recursive line (id, manager_id) as (
      select id, manager_id from employee where id = any(${[...employeeIds]}::uuid[])
      union
      select line.id, boss.manager_id from line join employee boss on boss.id = line.manager_id
    )
    select distinct id from line where manager_id = ${managerId}`.execute(db);
  return new Set(rows.map((row) => row.id));
}
