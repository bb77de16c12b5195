import type { Domain } from '../../graphql/domain.js';
import { Department } from './department.entity.js';
import { DepartmentResolver } from './department.resolver.js';
import { Employee } from './employee.entity.js';
import { employeePermissions } from './employee.permissions.js';
import { EmployeeResolver } from './employee.resolver.js';

/** Employees, their departments and who reports to whom. */
export const employeeDomain: Domain = {
  name: 'employee',
  entities: [Department, Employee],
  resolvers: [EmployeeResolver, DepartmentResolver],
  permissions: employeePermissions,
  open: () => ({ resolvers: [new EmployeeResolver(), new DepartmentResolver()] }),
};
