import type { DomainModule } from '../../graphql/module.js';
import { loading, loadingSelected } from '../../graphql/context/loader-factories.js';
import { Department } from './department.entity.js';
import { DepartmentResolver } from './department.resolver.js';
import { EmployeeAggregateResolver, EmployeeGroupKeyResolver } from './employee-aggregate.resolver.js';
import { DeleteEmployeePayloadResolver, EmployeeChangeResolver } from './employee-change.resolver.js';
import { employeeColumns } from './employee.columns.js';
import { EmployeeChanges } from './employee.events.js';
import { Employee } from './employee.entity.js';
import { employeeFeatures } from './employee.features.js';
import { departmentById, employeeById } from './employee.loaders.js';
import { employeePermissions } from './employee.permissions.js';
import { EmployeeResolver } from './employee.resolver.js';

/** Employees, their departments and who reports to whom. */
export const employeeDomain: DomainModule = {
  name: 'employee',
  entities: [Department, Employee],
  resolvers: [
    EmployeeResolver,
    EmployeeAggregateResolver,
    EmployeeGroupKeyResolver,
    DepartmentResolver,
    EmployeeChangeResolver,
    DeleteEmployeePayloadResolver,
  ],
  permissions: employeePermissions,
  features: [employeeFeatures],
  load({ db, pubSub, audit, log, indexes, settings }) {
    const changes = new EmployeeChanges({ db, pubSub, log, maxBuffered: settings.streams.bufferedEvents });
    return {
      resolvers: [
        new EmployeeResolver(changes, audit, indexes),
        new EmployeeAggregateResolver(indexes),
        new EmployeeGroupKeyResolver(),
        new DepartmentResolver(),
        new EmployeeChangeResolver(changes),
        new DeleteEmployeePayloadResolver(),
      ],
      ready: () => indexes.prepare(employeeColumns),
      nodes: {
        employee: { type: 'Employee', readAs: 'employee', read: loadingSelected(employeeById) },
        department: { type: 'Department', readAs: 'departments', read: loading(departmentById) },
      },
    };
  },
};

declare module '../../graphql/relay/global-id.js' {
  interface IdPrefixes {
    employee: true;
    department: true;
  }
}
