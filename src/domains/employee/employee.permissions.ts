import { Role, type KnownViewer } from '../../auth/viewer.js';
import type { Context } from '../../graphql/context.js';
import { encodeId } from '../../graphql/id.js';
import { and, hasRole, hasScope, isSignedIn, permit, type Permissions } from '../../graphql/permissions.js';
import { Forbidden, Unauthenticated } from '../../shared/errors.js';
import { employeeById, isReport } from './employee.loaders.js';
import { EmployeeOrderField, type EmployeeOrder, type EmployeeRow, type UpdateEmployeeInput } from './employee.types.js';

const mayRead = and(isSignedIn, hasScope('employees:read'));

const mayOrder = permit<unknown, { orderBy?: EmployeeOrder | null }>(({ viewer, args }) =>
  args.orderBy?.field === EmployeeOrderField.SALARY && !(viewer.kind !== 'stranger' && viewer.role === Role.ADMIN)
    ? new Forbidden('Only who may see every salary can order by it.')
    : true,
);

const maySeeSalary = permit<EmployeeRow>(async ({ viewer, parent, context }) => {
  if (viewer.kind === 'stranger') return new Unauthenticated(viewer.reason);
  // An answer to a change shows the employee; a key that may only write must not read salaries by it.
  if (!viewer.scopes.includes('employees:read')) return new Forbidden('This API key lacks the scope employees:read.');
  return (await seesSalary(viewer, parent, context)) ? true : new Forbidden('You may not see this salary.');
});

/** ADMIN sees every salary, everyone the own, MANAGER those of the own department and of all direct and indirect reports. */
async function seesSalary(viewer: KnownViewer, employee: EmployeeRow, context: Context): Promise<boolean> {
  if (viewer.role === Role.ADMIN || viewer.employeeId === employee.id) return true;
  return viewer.role === Role.MANAGER && (await isInCare(viewer, employee, context));
}

/** Whether an employee belongs to a manager's department or reports to the manager, directly or through others. */
async function isInCare(viewer: KnownViewer, employee: EmployeeRow, context: Context): Promise<boolean> {
  if (viewer.employeeId === null) return false;
  const self = await context.load(employeeById).load(viewer.employeeId);
  if (self === null) return false;
  return self.departmentId === employee.departmentId || reportsTo(viewer.employeeId, employee, context);
}

const reportsTo = (managerId: string, employee: EmployeeRow, context: Context): Promise<boolean> =>
  context.load(isReport).load({ managerId, employeeId: employee.id });

/**
 * Why the viewer may not make this change, or null. A manager changes the employees whose salaries the manager sees,
 * but not the own record, and moves only reports to another manager: else a manager could widen what the manager sees.
 */
export async function whyNotUpdate(
  viewer: KnownViewer,
  employee: EmployeeRow,
  input: UpdateEmployeeInput,
  context: Context,
): Promise<string | null> {
  if (viewer.role === Role.ADMIN) return null;
  if (viewer.role !== Role.MANAGER || !(await isInCare(viewer, employee, context))) return 'You may not change this employee.';
  if (viewer.employeeId === employee.id) return 'You may not change your own record; ask your manager or an administrator.';
  const managerId = employee.managerId === null ? null : encodeId('employee', employee.managerId);
  const isMoved = input.managerId !== undefined && input.managerId !== managerId;
  if (isMoved && !(viewer.employeeId !== null && (await reportsTo(viewer.employeeId, employee, context)))) {
    return 'You may give another manager only to those who report to you.';
  }
  return null;
}

export const employeePermissions: Permissions = {
  Query: {
    employee: mayRead,
    employees: and(mayRead, mayOrder),
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
