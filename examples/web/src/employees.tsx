import { CombinedGraphQLErrors } from '@apollo/client/errors';
import { useQuery } from '@apollo/client/react';
import { useEffect, useMemo, useState, type ReactNode } from 'react';
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
import type { User } from './session.ts';

const pageSize = 15;
const settleMs = 250;

const orders = {
  name: { title: 'Name, A to Z', field: EmployeeOrderField.Name, direction: OrderDirection.Asc },
  nameDown: { title: 'Name, Z to A', field: EmployeeOrderField.Name, direction: OrderDirection.Desc },
  newest: { title: 'Hired, latest first', field: EmployeeOrderField.HiredOn, direction: OrderDirection.Desc },
  oldest: { title: 'Hired, earliest first', field: EmployeeOrderField.HiredOn, direction: OrderDirection.Asc },
  salary: { title: 'Salary, highest first', field: EmployeeOrderField.Salary, direction: OrderDirection.Desc },
} as const;

/** A page of a connection: what to ask for, and which one it is. */
interface PageOf {
  number: number;
  range: { first: number; after?: string } | { last: number; before: string };
}

const firstPage: PageOf = { number: 1, range: { first: pageSize } };

/** The employees: searched, filtered, ordered, in pages, and up to date. */
export function Employees({ user }: { user: User }): ReactNode {
  const [search, setSearch] = useState('');
  const [departmentId, setDepartmentId] = useState('');
  const [order, setOrder] = useState<keyof typeof orders>('name');
  const [page, setPage] = useState(firstPage);
  const settledSearch = useSettled(search.trim(), settleMs);

  const scope = useMemo(
    () => ({ filter: { ...(settledSearch && { search: settledSearch }), ...(departmentId && { departmentId }) } }),
    [settledSearch, departmentId],
  );
  const { field, direction } = orders[order];
  const { data, previousData, error, loading, refetch } = useQuery(EmployeesDocument, {
    variables: { ...scope, orderBy: { field, direction }, ...page.range },
    fetchPolicy: 'cache-and-network',
    // A salary that the viewer may not see comes as null with an error of its own, and the rest as ever.
    errorPolicy: 'all',
  });
  const { data: departments } = useQuery(DepartmentsDocument);
  const news = useNews(scope, refetch);

  // The page before stays until the next is there: nothing jumps.
  const employees = (data ?? previousData)?.employees;
  const problem = error && !isOnlyHiddenSalary(error) ? problemOf(error) : null;
  const { pageInfo, totalCount = 0 } = employees ?? {};
  const pageCount = Math.max(1, Math.ceil(totalCount / pageSize));

  /** Another choice begins at its first page. */
  function startFrom<Choice>(choose: (choice: Choice) => void, choice: Choice): void {
    choose(choice);
    setPage(firstPage);
  }

  return (
    <>
      <search className="filters">
        <div className="field">
          <label htmlFor="search">Search</label>
          <input id="search" type="search" placeholder="Name, e-mail or job" maxLength={100} value={search} onChange={({ target }) => startFrom(setSearch, target.value)} />
        </div>
        <div className="field">
          <label htmlFor="department">Department</label>
          <select id="department" value={departmentId} onChange={({ target }) => startFrom(setDepartmentId, target.value)}>
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
          <select id="order" value={order} onChange={({ target }) => startFrom(setOrder, target.value as keyof typeof orders)}>
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
        <p role="status">{employees ? `${totalCount} ${totalCount === 1 ? 'person' : 'people'}` : 'Loading…'}</p>
        <p role="status">{news.text}</p>
      </div>
      <EmployeeTable employees={employees?.edges.map(({ node }) => node)} isLoading={loading} changedId={news.changedId} orderedBy={orders[order]} />

      <nav className="pager" aria-label="Pages of employees">
        <button type="button" disabled={!pageInfo?.hasPreviousPage} onClick={() => setPage(pageBefore(page, pageInfo?.startCursor))}>
          Previous
        </button>
        <p role="status">{`Page ${Math.min(page.number, pageCount)} of ${pageCount}`}</p>
        <button type="button" disabled={!pageInfo?.hasNextPage} onClick={() => setPage(pageAfter(page, pageInfo?.endCursor))}>
          Next
        </button>
      </nav>
    </>
  );
}

interface TableProps {
  /** Absent while the first page is on its way. */
  employees: EmployeeRowFragment[] | undefined;
  isLoading: boolean;
  changedId: string | null;
  orderedBy: (typeof orders)[keyof typeof orders];
}

/** On narrow screens style.css makes a card of each row; the roles keep it a table for those who listen to it. */
function EmployeeTable({ employees, isLoading, changedId, orderedBy: { field, direction } }: TableProps): ReactNode {
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
          </tr>
        </thead>
        <tbody role="rowgroup">
          {employees?.map((employee) => (
            <EmployeeRow key={employee.id} employee={employee} isChanged={employee.id === changedId} />
          ))}
          {!employees && isLoading && <SkeletonRows />}
        </tbody>
      </table>
      {employees?.length === 0 && <p className="empty">Nobody matches. Try fewer letters or another department.</p>}
    </div>
  );
}

function EmployeeRow({ employee: { name, email, jobTitle, department, hiredOn, salary }, isChanged }: { employee: EmployeeRowFragment; isChanged: boolean }): ReactNode {
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
        {salary === null ? <Hidden /> : numbers.format(salary)}
      </td>
    </tr>
  );
}

const days = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeZone: 'UTC' });
const numbers = new Intl.NumberFormat();

const Hidden = (): ReactNode => (
  <span className="hidden-value" title="You may not see this salary">
    <span aria-hidden="true">—</span>
    <span className="only-heard">not shown to you</span>
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
      <td colSpan={4}>
        <span />
      </td>
    </tr>
  ));

/** Hears of changes among the employees of this filter: what changed last, and words for it. Then the page is asked again, once for many changes. */
function useNews(scope: { filter: object }, refetch: () => Promise<unknown>): { changedId: string | null; text: string } {
  const [news, setNews] = useState<{ changedId: string | null; text: string; count: number }>({ changedId: null, text: '', count: 0 });
  useEvents(EmployeeChangedDocument, scope, ({ employeeChanged: { kind, id, employee } }) => {
    const text = kind === ChangeKind.Deleted ? 'Somebody has left.' : `${employee?.name ?? 'Somebody'} ${kind === ChangeKind.Created ? 'has joined' : 'was changed'}.`;
    setNews(({ count }) => ({ changedId: id, text, count: count + 1 }));
  });
  const { count } = news;
  useEffect(() => {
    if (count === 0) return;
    // The cache shows the change already; whether the employee still belongs on this page, and where, only the gateway knows.
    const timer = setTimeout(() => void refetch().catch(() => null), settleMs);
    return () => clearTimeout(timer);
  }, [count, refetch]);
  return news;
}

/** The value once it has not changed for so long. */
function useSettled<Value>(value: Value, ms: number): Value {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}

const pageAfter = ({ number }: PageOf, cursor: string | null | undefined): PageOf =>
  cursor ? { number: number + 1, range: { first: pageSize, after: cursor } } : firstPage;

/** The first page is asked from the start, so that it is full also where somebody has come before it. */
const pageBefore = ({ number }: PageOf, cursor: string | null | undefined): PageOf =>
  cursor && number > 2 ? { number: number - 1, range: { last: pageSize, before: cursor } } : firstPage;

const isOnlyHiddenSalary = (error: Error): boolean =>
  CombinedGraphQLErrors.is(error) && error.errors.every(({ path, extensions }) => path?.at(-1) === 'salary' && extensions?.code === 'FORBIDDEN');
