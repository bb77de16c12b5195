import type { GraphQLResolveInfo } from 'graphql';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { LoaderKind } from '../../graphql/context/loader-kind.js';
import { countByOwner, loadersByShape, pageByOwner, rowById } from '../../graphql/context/loader-factories.js';
import { lookAhead } from '../../graphql/context/selection.js';
import { cachedQuery } from '../../graphql/caching/query-cache.js';
import {
  allDepartments,
  countEmployeesByOwner,
  departmentsById,
  employeePagesByOwner,
  employeesById,
  reportsAmong,
} from './employee.queries.js';
import { employeeRows, employeeShape, selectedEmployee, type EmployeeShape } from './employee.shapes.js';
import type { EmployeeRow } from './employee.types.js';

/** Clients choose selections, so there is no end of shapes. */
const kindsByShape = new LRUCache<string, LoaderKind<string, EmployeeRow | null>>({ max: 1000 });

/** One loader for each shape, so that all fields that read the same columns share their batches. */
function byShape(shape: EmployeeShape): LoaderKind<string, EmployeeRow | null> {
  let kind = kindsByShape.get(shape.key);
  if (!kind) {
    kind = rowById((db, ids) => employeesById(db, ids, shape), 'employeesById');
    kindsByShape.set(shape.key, kind);
  }
  return kind;
}

/** An employee by id; null if unknown. */
export const employeeById = loadersByShape({ type: 'Employee', rows: employeeRows }, (row) =>
  byShape(employeeShape(row)),
);

const selectedRelations = lookAhead((employee) =>
  selectedEmployee(employee, { reads: (fields) => fields.operationReads }),
);

/**
 * An employee by id with the department and the manager that the field selects, by one statement; null if unknown. All fields of an
 * operation read the same columns, so that they need six loaders at most.
 */
export const employeeWithSelectedRelations = (info: GraphQLResolveInfo): LoaderKind<string, EmployeeRow | null> =>
  byShape(selectedRelations(info));

const departmentRow = z.object({ id: z.string(), name: z.string() });

/** A department by id; null if unknown. */
export const departmentById = cachedQuery(
  { name: 'department', entities: ['Department'], value: departmentRow.nullable() },
  rowById(departmentsById),
);

/** The only key of `departmentList`. */
export const everyDepartment = 'all';

/** All departments, by name. */
export const departmentList = cachedQuery(
  { name: 'departments', entities: ['Department'], value: z.array(departmentRow) },
  { batch: (db) => (keys) => Promise.all(keys.map(() => allDepartments(db))) },
);

/** A page of a department's employees. */
export const employeesOfDepartment = loadersByShape(
  { type: 'Employee', rows: employeeRows, always: ['departmentId', 'name'] },
  (row) =>
    pageByOwner(
      (db, departmentIds, page) => employeePagesByOwner(db, 'department_id', departmentIds, page, row),
      (employee) => employee.departmentId,
      'employeesOfDepartment',
    ),
);

/** A page of a manager's direct reports. */
export const reportsOfManager = loadersByShape(
  { type: 'Employee', rows: employeeRows, always: ['managerId', 'name'] },
  (row) =>
    pageByOwner(
      (db, managerIds, page) => employeePagesByOwner(db, 'manager_id', managerIds, page, row),
      (employee) => employee.managerId,
      'reportsOfManager',
    ),
);

/** The number of employees of a department. */
export const headcountOfDepartment = cachedQuery(
  { name: 'headcount', entities: ['Employee'], value: z.number() },
  countByOwner(
    (db, departmentIds) => countEmployeesByOwner(db, 'department_id', departmentIds),
    'headcountOfDepartment',
  ),
);

/** The number of direct reports of a manager. */
export const reportCountOfManager = countByOwner(
  (db, managerIds) => countEmployeesByOwner(db, 'manager_id', managerIds),
  'reportCountOfManager',
);

/** Whether an employee reports to a manager, directly or indirectly. */
export const isReport: LoaderKind<{ managerId: string; employeeId: string }, boolean> = {
  name: 'isReport',
  keyOf: ({ managerId, employeeId }) => `${managerId} ${employeeId}`,
  batch: (db) => async (keys) => {
    const reports = new Map<string, Set<string>>();
    for (const managerId of new Set(keys.map((key) => key.managerId))) {
      const employeeIds = keys.filter((key) => key.managerId === managerId).map((key) => key.employeeId);
      reports.set(managerId, await reportsAmong(db, managerId, employeeIds));
    }
    return keys.map(({ managerId, employeeId }) => reports.get(managerId)?.has(employeeId) ?? false);
  },
};
