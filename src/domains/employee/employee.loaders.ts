import { z } from 'zod';
import type { LoaderKind } from '../../graphql/context/loader-kind.js';
import { countByOwner, loadersByShape, pageByOwner, rowById } from '../../graphql/context/loader-factories.js';
import { cachedQuery } from '../../graphql/caching/query-cache.js';
import {
  allDepartments,
  countEmployeesByOwner,
  departmentsById,
  employeePagesByOwner,
  employeesById,
  reportsAmong,
} from './employee.queries.js';
import { employeeRows, employeeShape } from './employee.shapes.js';

/** An employee by id; null if unknown. */
export const employeeById = loadersByShape({ type: 'Employee', rows: employeeRows }, (row) =>
  rowById((db, ids) => employeesById(db, ids, employeeShape(row)), 'employeesById'),
);

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
