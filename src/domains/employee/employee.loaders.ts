import type { KeysetPage } from '../../database/keyset.js';
import type { LoaderKind } from '../../graphql/context.js';
import { countEmployeesByOwner, departmentsById, employeePagesByOwner, employeesById, reportsAmong, type Owner } from './employee.queries.js';
import type { DepartmentRow, EmployeeRow } from './employee.types.js';

/** An employee by id; null if unknown. */
export const employeeById: LoaderKind<string, EmployeeRow | null> = {
  batch: (db) => async (ids) => {
    const byId = new Map((await employeesById(db, ids)).map((row) => [row.id, row]));
    return ids.map((id) => byId.get(id) ?? null);
  },
};

/** A department by id; null if unknown. */
export const departmentById: LoaderKind<string, DepartmentRow | null> = {
  batch: (db) => async (ids) => {
    const byId = new Map((await departmentsById(db, ids)).map((row) => [row.id, row]));
    return ids.map((id) => byId.get(id) ?? null);
  },
};

/** Which page of whose employees. */
export interface OwnedPage {
  ownerId: string;
  page: KeysetPage;
}

const ownedPages = (owner: Owner, ownerOf: (row: EmployeeRow) => string | null): LoaderKind<OwnedPage, EmployeeRow[]> => ({
  keyOf: ({ ownerId, page }) => `${ownerId} ${JSON.stringify(page)}`,
  batch: (db) => async (keys) => {
    const pages = new Map(keys.map(({ page }) => [JSON.stringify(page), page]));
    const found = new Map<string, EmployeeRow[]>();
    for (const [name, page] of pages) {
      const ownerIds = keys.filter((key) => JSON.stringify(key.page) === name).map((key) => key.ownerId);
      for (const row of await employeePagesByOwner(db, owner, ownerIds, page)) {
        const key = `${ownerOf(row) ?? ''} ${name}`;
        const rows = found.get(key);
        if (rows) rows.push(row);
        else found.set(key, [row]);
      }
    }
    return keys.map(({ ownerId, page }) => found.get(`${ownerId} ${JSON.stringify(page)}`) ?? []);
  },
});

/** A page of a department's employees. */
export const employeesOfDepartment = ownedPages('department_id', (row) => row.departmentId);

/** A page of a manager's direct reports. */
export const reportsOfManager = ownedPages('manager_id', (row) => row.managerId);

const ownedCounts = (owner: Owner): LoaderKind<string, number> => ({
  batch: (db) => async (ownerIds) => {
    const counts = new Map((await countEmployeesByOwner(db, owner, ownerIds)).map((row) => [row.ownerId, row.count]));
    return ownerIds.map((id) => counts.get(id) ?? 0);
  },
});

/** How many employees a department has. */
export const headcountOfDepartment = ownedCounts('department_id');

/** How many direct reports a manager has. */
export const reportCountOfManager = ownedCounts('manager_id');

/** Whether an employee reports to a manager, directly or through others. */
export const isReport: LoaderKind<{ managerId: string; employeeId: string }, boolean> = {
  keyOf: ({ managerId, employeeId }) => `${managerId} ${employeeId}`,
  batch: (db) => async (keys) => {
    const reports = new Map<string, Set<string>>();
    for (const managerId of new Set(keys.map((key) => key.managerId))) {
      const employeeIds = keys.filter((key) => key.managerId === managerId).map((key) => key.employeeId);
      reports.set(managerId, await reportsAmong(db, managerId, employeeIds));
    }
    return keys.map(({ managerId, employeeId }) => reports.get(managerId)?.has(employeeId) ?? false);
  },
};
