/* Filters and orders as a resolver reads them for an ADMIN. */
import { employeeColumns } from '../../dist/domains/employee/employee.columns.js';
import { employeeCondition } from '../../dist/domains/employee/employee.filter.js';
import { readOrder } from '../../dist/graphql/filtering/order.js';

const viewer = { kind: 'session', role: 'ADMIN', scopes: ['employees:read'] };

/** The employees that a search finds; without one, all of them. */
export const conditionOf = (search) => employeeCondition(search === undefined ? null : { search }, viewer);

/** An ascending order; by name without a field. */
export const orderBy = (field = 'NAME') =>
  readOrder(employeeColumns, [{ field, direction: 'ASC' }], { viewer, byDefault: 'name' });
