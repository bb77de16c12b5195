import { Role, type Viewer } from '../../auth/viewer.js';
import { Forbidden } from '../../errors/app-error.js';
import { filterable, type Filterable, type SearchedText } from '../../graphql/filtering/columns.js';
import { searchedTextOf, searchIndex } from './employee.entity.js';

/** Name, e-mail address and job title together. */
export const searchedText: SearchedText = { expression: searchedTextOf, index: searchIndex.name };

const hiddenSalaries = new Forbidden('Filtering, sorting and aggregating by salary requires access to all salaries.');

/** By a condition on salaries, a viewer could find out each of them. */
const mayReadSalaries = (viewer: Viewer): Forbidden | null =>
  viewer.kind !== 'anonymous' && viewer.role === Role.ADMIN && viewer.scopes.includes('employees:read')
    ? null
    : hiddenSalaries;

const departmentColumns = filterable({
  type: 'Department',
  table: 'department',
  columns: {
    id: { type: 'id', of: 'department', isIndexed: true },
    name: { type: 'text', isIndexed: true, collation: null },
  },
});

export const employeeColumns = filterable({
  type: 'Employee',
  table: 'employee',
  columns: {
    id: { type: 'id', of: 'employee', isIndexed: true },
    name: { type: 'text', isIndexed: true, searchedIn: searchedText },
    email: { type: 'text', isIndexed: true, collation: null, searchedIn: searchedText },
    age: { type: 'integer', isIndexed: true },
    jobTitle: { type: 'text', searchedIn: searchedText, groupBy: ['value'] },
    jobLevel: { type: 'integer', groupBy: ['value'] },
    hiredOn: { type: 'date', isIndexed: true, groupBy: ['year', 'month'] },
    salary: { type: 'integer', isIndexed: true, mayRead: mayReadSalaries },
    createdAt: { type: 'datetime', isIndexed: true },
    updatedAt: { type: 'datetime' },
  },
  relations: {
    department: { to: () => departmentColumns, isIndexed: true, isGrouping: true },
    manager: { to: (): Filterable => employeeColumns, isNullable: true, isIndexed: true },
  },
});
