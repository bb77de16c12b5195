import { sql } from 'kysely';
import {
  inOrder,
  pageKey,
  pageOf,
  pageValues,
  templatePage,
  type Keyset,
  type KeysetPage,
} from '../../database/keyset.js';
import {
  hasGivenId,
  ofEachOwner,
  parameter,
  queryBuilder,
  rawQuery,
  readTemplate,
} from '../../database/read-templates.js';
import type { RowShape } from '../../database/row-shapes.js';
import { owned } from '../../database/schema-names.js';
import type { Database } from '../../database/tables.js';
import { containing, folded, sortCollation } from '../../database/text-comparison.js';
import {
  isNoRow,
  preparedCondition,
  type Condition,
  type PreparedCondition,
  where,
} from '../../graphql/filtering/condition.js';
import { employeeColumns } from './employee.columns.js';
import {
  departmentRows,
  employeeOf,
  employeeRows,
  selectEmployees,
  wholeEmployee,
  type EmployeeQuery,
  type EmployeeShape,
} from './employee.shapes.js';
import type { DepartmentRow, EmployeeRow } from './employee.types.js';

/** The order of lists without another. */
export const employeesByName: Keyset = { column: 'employee.name', property: 'name', type: 'text', isDescending: false };

/**
 * Loads a page of employees.
 * @returns at most page.limit + 1 rows
 */
export async function employeePage(
  db: Database,
  condition: Condition,
  page: KeysetPage,
  shape: EmployeeShape = wholeEmployee,
): Promise<EmployeeRow[]> {
  if (isNoRow(condition)) return [];
  const filter = preparedCondition(employeeColumns, condition);
  const template = readTemplate(
    `employees ${shape.key} ${filter.key} ${pageKey(page)}`,
    () => selectEmployees(pageOf(filtered(filter), templatePage(page)), shape),
    filter,
  );
  const rows = await template.execute(db, { ...filter.values, ...pageValues(page) });
  return inOrder(
    rows.map((values) => employeeOf(shape, values)),
    page,
  );
}

/** Counts the employees that meet a condition. */
export async function countEmployees(db: Database, condition: Condition): Promise<number> {
  if (isNoRow(condition)) return 0;
  const filter = preparedCondition(employeeColumns, condition);
  const template = readTemplate(
    `count of employees ${filter.key}`,
    () => filtered(filter).select(sql<number>`count(*)::integer`.as('count')),
    filter,
  );
  const [row] = await template.execute(db, filter.values);
  return Number(row?.[0]);
}

const filtered = (filter: PreparedCondition): EmployeeQuery => queryBuilder.selectFrom('employee').$call(where(filter));

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
    join unnest(${searches.map(containing)}::text[]) with ordinality as search (pattern, index)
      on ${matches('state.name')} or ${matches('state.email')} or ${matches('state.job_title')}`.execute(db);
  return new Set(rows.map(({ index, search }) => `${index - 1} ${searches[search - 1] ?? ''}`));
}

const matches = (column: string) => sql.raw(`${folded(column)} like ${folded('search.pattern')}`);

/** Loads employees by ID, in any order; unknown IDs are omitted. */
export async function employeesById(
  db: Database,
  ids: readonly string[],
  shape: EmployeeShape = wholeEmployee,
): Promise<EmployeeRow[]> {
  const template = readTemplate(
    `employees by id ${shape.key}`,
    () => selectEmployees(queryBuilder.selectFrom('employee').where(hasGivenId('employee')), shape),
    { hasStablePlan: true },
  );
  return (await template.execute(db, { ids })).map((values) => employeeOf(shape, values));
}

const departments = () => queryBuilder.selectFrom('department').select(departmentRows.whole.columns('department'));

/** Loads departments by ID, in any order; unknown IDs are omitted. */
export async function departmentsById(db: Database, ids: readonly string[]): Promise<DepartmentRow[]> {
  const template = readTemplate('departments by id', () => departments().where(hasGivenId('department')), {
    hasStablePlan: true,
  });
  return (await template.execute(db, { ids })).map((values) => departmentRows.whole.row(values));
}

/** Upper bound of the list of departments. */
const maxDepartments = 1000;

/** All departments, by name. */
export async function allDepartments(db: Database): Promise<DepartmentRow[]> {
  const template = readTemplate(
    'departments',
    () =>
      departments()
        .orderBy(sql`name collate ${sql.raw(sortCollation)}`)
        .limit(sql.lit(maxDepartments)),
    { hasStablePlan: true },
  );
  return (await template.execute(db, {})).map((values) => departmentRows.whole.row(values));
}

/** The column of an employee's owner. */
export type Owner = 'department_id' | 'manager_id';

/** Loads the same page of employees for each owner, in one statement. */
export async function employeePagesByOwner(
  db: Database,
  owner: Owner,
  ownerIds: readonly string[],
  page: KeysetPage,
  row: RowShape<EmployeeRow> = employeeRows.whole,
): Promise<EmployeeRow[]> {
  const template = readTemplate(
    `employees by ${owner} ${row.key} ${pageKey(page)}`,
    () => {
      // By the index on (owner, name, id).
      const ofOwner = pageOf(
        queryBuilder
          .selectFrom('employee')
          .select(row.columns('employee'))
          .where(sql<boolean>`${sql.ref(`employee.${owner}`)} = owner.id`),
        templatePage(page),
      );
      return ofEachOwner(ofOwner);
    },
    { hasStablePlan: true },
  );
  const rows = await template.execute(db, { ownerIds, ...pageValues(page) });
  return rows.map((values) => row.row(values));
}

/** Counts employees by owner; owners without employees are omitted. */
export async function countEmployeesByOwner(
  db: Database,
  owner: Owner,
  ownerIds: readonly string[],
): Promise<{ ownerId: string; count: number }[]> {
  const template = readTemplate(
    `count of employees by ${owner}`,
    () =>
      rawQuery(sql`
        select ${sql.ref(owner)} as "ownerId", count(*)::integer as count from ${owned('employee')}
        where ${sql.ref(owner)} = any(${parameter('ownerIds')}::uuid[]) group by 1`),
    { hasStablePlan: true },
  );
  const rows = await template.execute(db, { ownerIds });
  return rows.map(([ownerId, count]) => ({ ownerId: String(ownerId), count: Number(count) }));
}

/** Returns the IDs of those employees that report to the manager, directly or indirectly. */
export async function reportsAmong(
  db: Database,
  managerId: string,
  employeeIds: readonly string[],
): Promise<Set<string>> {
  // `union` drops repeated rows, so that the recursion ends even with a cycle, which writes reject.
  const template = readTemplate(
    'reports among employees',
    () =>
      rawQuery(sql`
        with recursive line (id, manager_id) as (
          select id, manager_id from ${owned('employee')} where id = any(${parameter('employeeIds')}::uuid[])
          union
          select line.id, boss.manager_id from line join ${owned('employee')} boss on boss.id = line.manager_id
        )
        select distinct id from line where manager_id = ${parameter('managerId')}`),
    { hasStablePlan: true },
  );
  const rows = await template.execute(db, { employeeIds, managerId });
  return new Set(rows.map(([id]) => String(id)));
}
