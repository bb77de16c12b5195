import type { Domain } from '../../graphql/domain.js';
import { loading } from '../../graphql/loaders.js';
import { Department } from './department.entity.js';
import { DepartmentResolver } from './department.resolver.js';
import { Employee } from './employee.entity.js';
import { departmentById, employeeById } from './employee.loaders.js';
import { employeePermissions } from './employee.permissions.js';
import { EmployeeResolver } from './employee.resolver.js';

/** Employees, their departments and who reports to whom. */
export const employeeDomain: Domain = {
  name: 'employee',
  entities: [Department, Employee],
  resolvers: [EmployeeResolver, DepartmentResolver],
  permissions: employeePermissions,
  open: () => ({
    resolvers: [new EmployeeResolver(), new DepartmentResolver()],
    nodes: {
      employee: { type: 'Employee', readAs: 'employee', read: loading(employeeById) },
      department: { type: 'Department', readAs: 'departments', read: loading(departmentById) },
    },
  }),
};
