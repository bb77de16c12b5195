import type { Domain } from '../../graphql/domain.js';
import { Department } from './department.entity.js';
import { DepartmentResolver } from './department.resolver.js';
import { EmployeeChangeResolver } from './employee-change.resolver.js';
import { EmployeeChanges } from './employee.changes.js';
import { Employee } from './employee.entity.js';
import { employeePermissions } from './employee.permissions.js';
import { EmployeeResolver } from './employee.resolver.js';

/** Employees, their departments and who reports to whom. */
export const employeeDomain: Domain = {
  name: 'employee',
  entities: [Department, Employee],
  resolvers: [EmployeeResolver, DepartmentResolver, EmployeeChangeResolver],
  permissions: employeePermissions,
  open({ db, pubSub, log, settings }) {
    const changes = new EmployeeChanges({ db, pubSub, log, maxWaiting: settings.streams.bufferedEvents });
    return { resolvers: [new EmployeeResolver(changes), new DepartmentResolver(), new EmployeeChangeResolver(changes)] };
  },
};
