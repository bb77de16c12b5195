import { useQuery } from '@apollo/client/react';
import { useEffect, useMemo, useState, type ReactNode } from 'react';
import { EditEmployee } from './edit-employee.tsx';
import { problemOf } from './gateway.ts';
import {
  ChangeKind,
  DepartmentsDocument,
  EmployeeChangedDocument,
  EmployeeOrderField,
  EmployeesDocument,
  OrderDirection,
  Role,
  type EmployeeRowFragment,
} from './generated/graphql.ts';
import { useEvents } from './live.ts';
import { formatSalary } from './salary.ts';
import type { User } from './session.ts';

const pageSize = 15;
const debounceMs = 250;

const orders = {
  name: { title: 'Name, A to Z', field: EmployeeOrderField.Name, direction: OrderDirection.Asc },
  nameDown: { title: 'Name, Z to A', field: EmployeeOrderField.Name, direction: OrderDirection.Desc },
  newest: { title: 'Hired, latest first', field: EmployeeOrderField.HiredOn, direction: OrderDirection.Desc },
  oldest: { title: 'Hired, earliest first', field: EmployeeOrderField.HiredOn, direction: OrderDirection.Asc },
  salary: { title: 'Salary, highest first', field: EmployeeOrderField.Salary, direction: OrderDirection.Desc },
} as const;

/** A page of a connection: its number and its arguments. */
interface ConnectionPage {
  number: number;
  range: { first: number; after?: string } | { last: number; before: string };
}

const firstPage: ConnectionPage = { number: 1, range: { first: pageSize } };

/** Table of employees with search, filter, order, pagination and live updates. */
export function Employees({ user }: { user: User }): ReactNode {
  const [search, setSearch] = useState('');
  const [departmentId, setDepartmentId] = useState('');
  const [order, setOrder] = useState<keyof typeof orders>('name');
  const [page, setPage] = useState(firstPage);
  const [edited, setEdited] = useState<EmployeeRowFragment | null>(null);
  const debouncedSearch = useDebounced(search.trim(), debounceMs);

  const scope = useMemo(
    () => ({ filter: { ...(debouncedSearch && { search: debouncedSearch }), ...(departmentId && { departmentId }) } }),
    [debouncedSearch, departmentId],
  );
  const { field, direction } = orders[order];
  const { data, previousData, error, loading, refetch } = useQuery(EmployeesDocument, {
    variables: { ...scope, orderBy: { field, direction }, ...page.range },
    fetchPolicy: 'cache-and-network',
  });
  const { data: departments } = useQuery(DepartmentsDocument);
  const changes = useChanges(scope, refetch);

  // Shows the previous page until the next one is loaded, so that the layout does not jump; if that fails, it is no longer shown
  // below another search.
  const employees = (data ?? (error ? undefined : previousData))?.employees;
  const problem = error ? problemOf(error) : null;
  const { pageInfo, totalCount = 0 } = employees ?? {};
  const pageCount = Math.max(1, Math.ceil(totalCount / pageSize));

  /** A changed filter or order starts at the first page. */
  function startFrom<Choice>(choose: (choice: Choice) => void, choice: Choice): void {
    choose(choice);
    setPage(firstPage);
  }

  return (
    <>
      <search className="filters">
        <div className="field">
          <label htmlFor="search">Search</label>
          <input
            id="search"
            type="search"
            placeholder="Name, e-mail or job title"
            maxLength={100}
            value={search}
            onChange={({ target }) => startFrom(setSearch, target.value)}
          />
        </div>
        <div className="field">
          <label htmlFor="department">Department</label>
          <select
            id="department"
            value={departmentId}
            onChange={({ target }) => startFrom(setDepartmentId, target.value)}
          >
            <option value="">All departments</option>
            {departments?.departments.map(({ id, name }) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
          </select>
        </div>
        <div className="field">
          <label htmlFor="order">Order</label>
          <select
            id="order"
            value={order}
            onChange={({ target }) => startFrom(setOrder, target.value as keyof typeof orders)}
          >
            {Object.entries(orders)
              .filter(([name]) => name !== 'salary' || user.role === Role.Admin)
              .map(([name, { title }]) => (
                <option key={name} value={name}>
                  {title}
                </option>
              ))}
          </select>
        </div>
      </search>

      {problem !== null && (
        <div className="notice" role="alert">
          <p>{problem}</p>
          <button type="button" onClick={() => void refetch()}>
            Try again
          </button>
        </div>
      )}

      <div className="summary">
        <p role="status">{summaryOf(employees?.totalCount, loading)}</p>
        <p role="status">{changes.text}</p>
      </div>
      <EmployeeTable
        employees={employees?.edges.map(({ node }) => node)}
        isLoading={loading}
        changedId={changes.changedId}
        orderedBy={orders[order]}
        onEdit={setEdited}
      />
      {user.role !== Role.Admin && <p className="muted about">— means that you have no access to the salary.</p>}
      {edited && (
        <EditEmployee
          key={edited.id}
          employee={edited}
          onClose={() => setEdited(null)}
          onConflict={() => void refetch().catch(() => null)}
        />
      )}

      <nav className="pager" aria-label="Pages of employees">
        <button
          type="button"
          disabled={!pageInfo?.hasPreviousPage}
          onClick={() => setPage(pageBefore(page, pageInfo?.startCursor))}
        >
          Previous
        </button>
        <p role="status">{`Page ${Math.min(page.number, pageCount)} of ${pageCount}`}</p>
        <button
          type="button"
          disabled={!pageInfo?.hasNextPage}
          onClick={() => setPage(pageAfter(page, pageInfo?.endCursor))}
        >
          Next
        </button>
      </nav>
    </>
  );
}

interface TableProps {
  /** Undefined while the first page is loading. */
  employees: EmployeeRowFragment[] | undefined;
  isLoading: boolean;
  changedId: string | null;
  orderedBy: (typeof orders)[keyof typeof orders];
  onEdit: (employee: EmployeeRowFragment) => void;
}

/** On narrow screens style.css shows each row as a card; explicit roles keep it a table for screen readers. */
function EmployeeTable({
  employees,
  isLoading,
  changedId,
  orderedBy: { field, direction },
  onEdit,
}: TableProps): ReactNode {
  const sorted = (by: string): 'ascending' | 'descending' | undefined => {
    if (by !== field) return undefined;
    return direction === OrderDirection.Asc ? 'ascending' : 'descending';
  };
  return (
    <div className="table-frame">
      <table role="table" aria-label="Employees" aria-busy={isLoading}>
        <thead role="rowgroup">
          <tr role="row">
            <th role="columnheader" scope="col" aria-sort={sorted(EmployeeOrderField.Name)}>
              Name
            </th>
            <th role="columnheader" scope="col">
              Job
            </th>
            <th role="columnheader" scope="col">
              Department
            </th>
            <th role="columnheader" scope="col" aria-sort={sorted(EmployeeOrderField.HiredOn)}>
              Hired
            </th>
            <th role="columnheader" scope="col" className="number" aria-sort={sorted(EmployeeOrderField.Salary)}>
              Salary
            </th>
            <th role="columnheader" scope="col" className="number">
              Expected
            </th>
            <th role="columnheader" scope="col" className="actions">
              <span className="visually-hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          {employees?.map((employee) => (
            <EmployeeRow
              key={employee.id}
              employee={employee}
              isChanged={employee.id === changedId}
              onEdit={employee.canUpdate ? () => onEdit(employee) : undefined}
            />
          ))}
          {!employees && isLoading && <SkeletonRows />}
        </tbody>
      </table>
      {employees?.length === 0 && (
        <p className="empty">No employees found. Try a shorter search or another department.</p>
      )}
    </div>
  );
}

function EmployeeRow({
  employee: { name, email, jobTitle, department, hiredOn, salary, expectedSalary },
  isChanged,
  onEdit,
}: {
  employee: EmployeeRowFragment;
  isChanged: boolean;
  /** Undefined if the user may not change the employee. */
  onEdit: (() => void) | undefined;
}): ReactNode {
  return (
    <tr role="row" className={isChanged ? 'is-changed' : undefined}>
      <th role="rowheader" scope="row">
        {name}
        <small>{email}</small>
      </th>
      <td role="cell" data-label="Job">
        {jobTitle}
      </td>
      <td role="cell" data-label="Department">
        {department.name}
      </td>
      <td role="cell" data-label="Hired">
        {days.format(new Date(hiredOn))}
      </td>
      <td role="cell" data-label="Salary" className="number">
        {salary === null ? <Hidden /> : formatSalary(salary)}
      </td>
      <td role="cell" data-label="Expected" className="number">
        {salary === null || !expectedSalary ? <Hidden /> : <Expected salary={salary} expected={expectedSalary.value} />}
      </td>
      <td role="cell" className="actions">
        {onEdit && (
          <button type="button" className="quiet" onClick={onEdit}>
            Edit<span className="visually-hidden"> {name}</span>
          </button>
        )}
      </td>
    </tr>
  );
}

const days = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeZone: 'UTC' });

/** What a model expects the salary to be, and how far the salary is from it. */
function Expected({ salary, expected }: { salary: number; expected: number }): ReactNode {
  return (
    <>
      {formatSalary(expected)}
      <small>{gaps.format(salary / expected - 1)}</small>
    </>
  );
}

const gaps = new Intl.NumberFormat(undefined, { style: 'percent', signDisplay: 'exceptZero' });

const Hidden = (): ReactNode => (
  <span className="hidden-value" title="You have no access to this salary">
    <span aria-hidden="true">—</span>
    <span className="visually-hidden">no access</span>
  </span>
);

const SkeletonRows = (): ReactNode =>
  Array.from({ length: pageSize }, (_row, index) => (
    <tr key={index} aria-hidden="true" className="skeleton">
      <th>
        <span />
        <small>
          <span />
        </small>
      </th>
      <td colSpan={6}>
        <span />
      </td>
    </tr>
  ));

/** Subscribes to changes of employees that match the filter, and refetches the page once per burst of changes. @returns the last change */
function useChanges(
  scope: { filter: object },
  refetch: () => Promise<unknown>,
): { changedId: string | null; text: string } {
  const [changes, setChanges] = useState<{ changedId: string | null; text: string; count: number }>({
    changedId: null,
    text: '',
    count: 0,
  });
  useEvents(EmployeeChangedDocument, scope, ({ employeeChanged: { kind, employeeId, employee } }) => {
    const text =
      kind === ChangeKind.Deleted
        ? 'An employee was removed.'
        : `${employee?.name ?? 'An employee'} was ${kind === ChangeKind.Created ? 'added' : 'updated'}.`;
    setChanges(({ count }) => ({ changedId: employeeId, text, count: count + 1 }));
  });
  const { count } = changes;
  useEffect(() => {
    if (count === 0) return;
    // The cache already shows the change, but the employee may now belong on another page.
    const timer = setTimeout(() => void refetch().catch(() => null), debounceMs);
    return () => clearTimeout(timer);
  }, [count, refetch]);
  return changes;
}

/** The value after it has not changed for `ms` milliseconds. */
function useDebounced<Value>(value: Value, ms: number): Value {
  const [debounced, setDebounced] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setDebounced(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return debounced;
}

const pageAfter = ({ number }: ConnectionPage, cursor: string | null | undefined): ConnectionPage =>
  cursor ? { number: number + 1, range: { first: pageSize, after: cursor } } : firstPage;

/** The first page is always loaded from the start, so that it is full even if employees were added before it. */
const pageBefore = ({ number }: ConnectionPage, cursor: string | null | undefined): ConnectionPage =>
  cursor && number > 2 ? { number: number - 1, range: { last: pageSize, before: cursor } } : firstPage;

function summaryOf(totalCount: number | undefined, isLoading: boolean): string {
  if (totalCount === undefined) return isLoading ? 'Loading…' : '';
  return `${totalCount} ${totalCount === 1 ? 'employee' : 'employees'}`;
}
