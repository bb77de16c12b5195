import { featureSource } from '../../graphql/lineage/features.js';
import { employeeColumns } from './employee.columns.js';
import { departmentById } from './employee.loaders.js';
import type { EmployeeRow } from './employee.types.js';

/** The values of employees that models may use. Names and e-mail addresses are left out: they say nothing about a position. */
export const employeeFeatures = featureSource<EmployeeRow>(employeeColumns, {
  features: {
    age: { unit: 'year' },
    jobTitle: {},
    jobLevel: {},
    hiredOn: {},
    salary: {},
    'department.name': {},
  },
  relations: {
    department: {
      reads: ['departmentId'],
      read: (employee, context) => employee.department ?? context.load(departmentById).load(employee.departmentId),
    },
  },
});
