import { sql, type SelectQueryBuilder } from 'kysely';
import { rowShapes, type RowShape } from '../../database/row-shapes.js';
import type { Tables } from '../../database/tables.js';
import type { SelectedFields } from '../../graphql/context/selection.js';
import { Department } from './department.entity.js';
import { Employee } from './employee.entity.js';
import { omittedFromDepartment, type DepartmentRow, type EmployeeRow } from './employee.types.js';

export const employeeRows = rowShapes<EmployeeRow>(Employee);
export const departmentRows = rowShapes<DepartmentRow>(Department, omittedFromDepartment);

/** What is read of an employee, and of the relations that are read along with it. */
export interface EmployeeShape {
  /** Identifies the shape in the keys of templates. */
  readonly key: string;
  readonly row: RowShape<EmployeeRow>;
  /** Null if the department is not read along. */
  readonly department: RowShape<DepartmentRow> | null;
  /** Null if the manager is not read along. */
  readonly manager: EmployeeShape | null;
}

const shapeOf = (parts: Omit<EmployeeShape, 'key'>): EmployeeShape => ({
  ...parts,
  key: `${parts.row.key}{${parts.department?.key ?? ''}}{${parts.manager?.key ?? ''}}`,
});

/** An employee without relations. */
export const employeeShape = (row: RowShape<EmployeeRow>): EmployeeShape =>
  shapeOf({ row, department: null, manager: null });

export const wholeEmployee = employeeShape(employeeRows.whole);

/** All properties, with the department, the manager and the manager's department. */
export const employeeWithRelations = shapeOf({
  row: employeeRows.whole,
  department: departmentRows.whole,
  manager: shapeOf({ row: employeeRows.whole, department: departmentRows.whole, manager: null }),
});

/**
 * What selected fields read of an employee.
 * @param managers the levels of managers that are read along; further levels are loaded
 * @param reads the properties that are read of an object; by default those that its own fields read
 */
export function selectedEmployee(
  fields: SelectedFields | null,
  { managers = 1, reads = (selected: SelectedFields) => selected.reads } = {},
): EmployeeShape {
  const department = fields?.at('department');
  const manager = managers > 0 ? fields?.at('manager') : null;
  return shapeOf({
    row: employeeRows.of(fields ? reads(fields) : []),
    department: department ? departmentRows.of(reads(department)) : null,
    manager: manager ? selectedEmployee(manager, { managers: managers - 1, reads }) : null,
  });
}

/** Adds properties, such as those of the order, which cursors hold. */
export const withProperties = (shape: EmployeeShape, properties: readonly string[]): EmployeeShape =>
  properties.every((property) => shape.row.properties.includes(property))
    ? shape
    : shapeOf({ ...shape, row: employeeRows.of([...shape.row.properties, ...properties]) });

export type EmployeeQuery<Output = object> = SelectQueryBuilder<Tables, 'employee', Output>;

/** Selects the columns of a shape, and joins the tables that they are in. */
export const selectEmployees = (query: EmployeeQuery, { row, department, manager }: EmployeeShape): EmployeeQuery =>
  query
    .select(row.columns('employee'))
    .$if(isJoined(department), (joined) =>
      joined
        .innerJoin('department', 'department.id', 'employee.department_id')
        .select(sql.ref('department.name').as('department.name')),
    )
    .$if(manager !== null && isManagerJoined(manager), (joined) => (manager ? joinManager(joined, manager) : joined));

// The joined tables are left out of the query's type: their columns are constants of this file, read by their position.
const joinManager = <Output>(query: EmployeeQuery<Output>, { row, department }: EmployeeShape): EmployeeQuery<Output> =>
  query
    .leftJoin('employee as manager', 'manager.id', 'employee.manager_id')
    .select(row.columns('manager', 'manager.'))
    .$if(isJoined(department), (joined) =>
      joined
        .leftJoin('department as managersDepartment', 'managersDepartment.id', 'manager.department_id')
        .select(sql.ref('managersDepartment.name').as('managersDepartment.name')),
    );

/** Makes an employee of the values that `selectEmployees` selects. */
export function employeeOf(shape: EmployeeShape, values: readonly unknown[], from = 0): EmployeeRow {
  const employee = shape.row.row(values, from);
  let at = from + shape.row.properties.length;
  const { department, manager } = shape;
  if (department) {
    // The ID is the first property. It is in the employee's row, too.
    employee.department = department.row([employee.departmentId, values[at]]);
    if (isJoined(department)) at += 1;
  }
  if (manager)
    employee.manager = employee.managerId === null ? null : managerOf(manager, employee.managerId, values, at);
  return employee;
}

const managerOf = (manager: EmployeeShape, id: string, values: readonly unknown[], at: number): EmployeeRow =>
  isManagerJoined(manager) ? employeeOf(manager, values, at) : manager.row.row([id]);

/** The ID alone needs no join. */
const isJoined = (row: RowShape<unknown> | null): boolean => row !== null && row.properties.length > 1;
const isManagerJoined = ({ row, department }: EmployeeShape): boolean => isJoined(row) || isJoined(department);
