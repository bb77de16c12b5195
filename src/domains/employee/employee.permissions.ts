import { Role, type AuthenticatedViewer, type Viewer } from '../../auth/viewer.js';
import type { Context } from '../../graphql/context/context.js';
import { chained } from '../../graphql/execution/promises.js';
import {
  and,
  hasRole,
  hasScope,
  isSignedIn,
  lacksScope,
  permit,
  type Permissions,
} from '../../graphql/permissions/rules.js';
import { Forbidden, Unauthenticated, type AppError } from '../../errors/app-error.js';
import { OnForbidden } from '../../graphql/permissions/on-forbidden.js';
import { employeeById, isReport } from './employee.loaders.js';
import type { EmployeeRow } from './employee.types.js';

const mayRead = and(isSignedIn, hasScope('employees:read'));

const maySeeSalary = permit<EmployeeRow, { onForbidden?: OnForbidden }>(({ viewer, parent, args, context }) => {
  // With NULL the resolver hides the salary itself.
  if (args.onForbidden === OnForbidden.NULL) return true;
  return chained(salaryDenial(viewer, parent, context), (denial) => denial ?? true);
});

/** Why the viewer may not see a salary; null if the viewer may. A promise only where the database decides, since pages have many salaries. */
export function salaryDenial(
  viewer: Viewer,
  employee: EmployeeRow,
  context: Context,
): AppError | null | Promise<AppError | null> {
  if (viewer.kind === 'anonymous') return new Unauthenticated(viewer.reason);
  // Mutations return the employee: a write-only API key must not read salaries that way.
  if (!viewer.scopes.includes('employees:read')) return lacksScope(viewer, 'employees:read');
  return chained(seesSalary(viewer, employee, context), (sees) => (sees ? null : hiddenSalary));
}

/** One for all: a page may hide each of its salaries. */
const hiddenSalary = new Forbidden('You may not see this salary.');

/** ADMIN: all salaries. MANAGER: the same department and all direct and indirect reports. Everyone: their own. */
function seesSalary(viewer: AuthenticatedViewer, employee: EmployeeRow, context: Context): boolean | Promise<boolean> {
  if (viewer.role === Role.ADMIN || viewer.employeeId === employee.id) return true;
  return viewer.role === Role.MANAGER && isManagedBy(viewer, employee, context);
}

/** Whether an employee is in the manager's department or reports to the manager, directly or indirectly. */
async function isManagedBy(viewer: AuthenticatedViewer, employee: EmployeeRow, context: Context): Promise<boolean> {
  if (viewer.employeeId === null) return false;
  const self = await context.load(employeeById.reading(['departmentId'])).load(viewer.employeeId);
  if (self === null) return false;
  return self.departmentId === employee.departmentId || reportsTo(viewer.employeeId, employee, context);
}

const reportsTo = (managerId: string, employee: Pick<EmployeeRow, 'id'>, context: Context): Promise<boolean> =>
  context.load(isReport).load({ managerId, employeeId: employee.id });

/**
 * Returns why the viewer may not change this employee, or null. Managers change only their direct and indirect reports: in a
 * shared department two managers could otherwise change each other, or those above them.
 */
export async function updateDenial(
  viewer: AuthenticatedViewer,
  employee: Pick<EmployeeRow, 'id'>,
  context: Context,
): Promise<string | null> {
  if (viewer.role === Role.ADMIN) return null;
  if (viewer.role !== Role.MANAGER || viewer.employeeId === null) return 'You may not change this employee.';
  if (viewer.employeeId === employee.id)
    return 'You may not change your own record; contact your manager or an administrator.';
  return (await reportsTo(viewer.employeeId, employee, context))
    ? null
    : 'You may change only employees who report to you, directly or indirectly.';
}

export const employeePermissions: Permissions = {
  Query: {
    employee: mayRead,
    employees: mayRead,
    employeesAggregate: mayRead,
    departments: mayRead,
  },
  Mutation: {
    createEmployee: and(hasRole(Role.ADMIN), hasScope('employees:write')),
    updateEmployee: and(hasRole(Role.ADMIN, Role.MANAGER), hasScope('employees:write')),
    deleteEmployee: and(hasRole(Role.ADMIN), hasScope('employees:write')),
  },
  Subscription: {
    employeeChanged: mayRead,
  },
  Department: { employees: mayRead },
  Employee: { salary: maySeeSalary, reports: mayRead },
};
