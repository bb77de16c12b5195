import { Role } from '../../src/auth/viewer.js';
import type { Keyset } from '../../src/database/keyset.js';
import { employeeColumns } from '../../src/domains/employee/employee.columns.js';
import { employeeCondition } from '../../src/domains/employee/employee.filter.js';
import type { EmployeeFilter, EmployeeOrder } from '../../src/domains/employee/employee.types.js';
import type { Condition } from '../../src/graphql/filtering/condition.js';
import { readOrder } from '../../src/graphql/filtering/order.js';
import { viewerOf } from './viewers.js';

const administrator = viewerOf({ role: Role.ADMIN, scopes: ['employees:read'] });

/** A filter as a resolver reads it for an ADMIN. */
export const conditionOf = (filter: EmployeeFilter | object): Condition => employeeCondition(filter, administrator);

/** An order as a resolver reads it for an ADMIN; by name without columns. */
export const employeeOrder = (...orders: EmployeeOrder[]): Keyset =>
  readOrder(employeeColumns, orders, { viewer: administrator, byDefault: 'name' });
