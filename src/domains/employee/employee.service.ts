import { ForeignKeyConstraintViolationException, LockMode, OptimisticLockError, UniqueConstraintViolationException } from '@mikro-orm/core';
import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { z } from 'zod';
import { decodeId, encodeId, idProblem } from '../../graphql/id.js';
import { BadUserInput, Conflict, NotFound, type FieldProblem } from '../../shared/errors.js';
import { checkFields, email, line, whole } from '../../shared/validation.js';
import { Department } from './department.entity.js';
import { Employee } from './employee.entity.js';
import { snapshotOf, type EmployeeSnapshot } from './employee.changes.js';
import { isoDate } from './employee.queries.js';
import type { CreateEmployeeInput, UpdateEmployeeInput } from './employee.types.js';

const maxInt = 2_147_483_647;

const fields = {
  name: line(100),
  email,
  age: whole(16, 100),
  jobTitle: line(100),
  jobLevel: whole(1, 5),
  hiredOn: z
    .date()
    .refine((day) => day.getTime() >= Date.UTC(1900, 0, 1), 'must be 1900-01-01 or later')
    .refine((day) => day.getTime() <= inAYear(), 'must not be more than a year ahead')
    .transform(isoDate),
  salary: whole(0, maxInt),
};

/** Today's day of next year, in milliseconds. */
function inAYear(): number {
  const now = new Date();
  return Date.UTC(now.getUTCFullYear() + 1, now.getUTCMonth(), now.getUTCDate());
}

type Values = Partial<Pick<Employee, 'name' | 'email' | 'age' | 'jobTitle' | 'jobLevel' | 'hiredOn' | 'salary' | 'departmentId' | 'managerId'>>;

/**
 * Hires someone.
 * @throws BadUserInput with every faulty field
 */
export async function hire(em: SqlEntityManager, input: CreateEmployeeInput): Promise<Employee> {
  const values = await validated(em, input, null);
  const employee = em.create(Employee, { ...(values as Required<Values>), managerId: values.managerId ?? null });
  await flush(em, employee);
  return employee;
}

/**
 * Changes what the input names, and nothing else. Answers the employee, and what it was before; null where nothing has changed.
 * @param seen the employee as it stood when the change was found to be allowed
 * @throws BadUserInput with every faulty field; Conflict where someone else has changed the employee since it was seen
 */
export async function changeEmployee(
  em: SqlEntityManager,
  seen: Pick<Employee, 'id' | 'version'>,
  input: UpdateEmployeeInput,
): Promise<{ employee: Employee; before: EmployeeSnapshot | null }> {
  if (input.expectedVersion != null && input.expectedVersion !== seen.version) throw changedMeanwhile();
  return em.transactional(async (transaction) => {
    if (input.managerId != null) await lockReportingLines(transaction);
    const employee = await transaction.findOne(Employee, { id: seen.id, version: seen.version });
    if (!employee) throw changedMeanwhile();
    const before = snapshotOf(employee);
    transaction.assign(employee, await validated(transaction, input, employee));
    await flush(transaction, employee);
    return { employee, before: employee.version === seen.version ? null : before };
  });
}

/**
 * Removes an employee, and answers what it was.
 * @throws NotFound; Conflict with the number of reports while there are any
 */
export async function dismiss(em: SqlEntityManager, id: string): Promise<EmployeeSnapshot> {
  return em.transactional(async (transaction) => {
    // Who gets a report is locked by the database against removal: with this lock the count stays true until the end.
    const employee = await transaction.findOne(Employee, id, { lockMode: LockMode.PESSIMISTIC_WRITE });
    if (!employee) throw new NotFound('employee', encodeId('employee', id));
    const reports = await transaction.count(Employee, { managerId: id });
    if (reports > 0) throw stillManages(reports);
    const before = snapshotOf(employee);
    transaction.remove(employee);
    return before;
  });
}

const stillManages = (reports: number): Conflict =>
  new Conflict(`The employee still manages ${reports} ${reports === 1 ? 'employee' : 'employees'}; give them another manager first.`, { reports });

const changedMeanwhile = (): Conflict => new Conflict('The employee was changed by someone else meanwhile; read it again and repeat the change.');

/** One change of managers at a time: two that are harmless alone could close a circle together. */
async function lockReportingLines(em: SqlEntityManager): Promise<void> {
  await em.execute(`select pg_advisory_xact_lock(hashtext('employee.reporting-lines'))`);
}

async function validated(em: SqlEntityManager, input: CreateEmployeeInput | UpdateEmployeeInput, current: Employee | null): Promise<Values> {
  const { value, problems } = checkFields(fields, input);
  const found: Values = { ...value };
  // Together: one that fails must not leave another's failure without anyone to take it.
  const checks = await Promise.all([
    value.email === undefined ? null : emailProblem(em, value.email, current),
    departmentProblem(em, input.departmentId, found),
    managerProblem(em, input.managerId, current, found),
  ]);
  problems.push(...checks.filter((problem) => problem !== null));
  if (problems.length > 0) throw BadUserInput.ofFields(problems);
  return found;
}

async function emailProblem(em: SqlEntityManager, address: string, current: Employee | null): Promise<FieldProblem | null> {
  const others = await em.count(Employee, { email: address, ...(current ? { id: { $ne: current.id } } : {}) });
  return others > 0 ? emailTaken : null;
}

const emailTaken: FieldProblem = { field: 'email', message: 'is already used by another employee' };

async function departmentProblem(em: SqlEntityManager, id: string | null | undefined, found: Values): Promise<FieldProblem | null> {
  const field = 'departmentId';
  if (id === undefined) return null;
  if (id === null) return { field, message: 'must not be null' };
  const problem = idProblem('department', id, field);
  if (problem) return problem;
  found.departmentId = decodeId('department', id);
  return (await em.count(Department, { id: found.departmentId })) === 0 ? { field, message: 'is not a department that exists' } : null;
}

async function managerProblem(
  em: SqlEntityManager,
  id: string | null | undefined,
  current: Employee | null,
  found: Values,
): Promise<FieldProblem | null> {
  const field = 'managerId';
  if (id === undefined) return null;
  if (id === null) {
    found.managerId = null;
    return null;
  }
  const problem = idProblem('employee', id, field);
  if (problem) return problem;
  found.managerId = decodeId('employee', id);
  if ((await em.count(Employee, { id: found.managerId })) === 0) return { field, message: 'is not an employee that exists' };
  if (!current) return null;
  if (found.managerId === current.id) return { field, message: 'must not be the employee; nobody is their own manager' };
  return (await isAbove(em, current.id, found.managerId)) ? { field, message: 'must not report to the employee, directly or through others' } : null;
}

/** Whether one employee is above another in the reporting line. */
async function isAbove(em: SqlEntityManager, upperId: string, lowerId: string): Promise<boolean> {
  const rows = await em.execute(
    `with recursive line (manager_id) as (
       select manager_id from employee where id = ?
       union
       select boss.manager_id from line join employee boss on boss.id = line.manager_id
     )
     select 1 from line where manager_id = ?`,
    [lowerId, upperId],
  );
  return rows.length > 0;
}

/** Writes what has changed. Faults that only the write can show come out as the same errors that the checks give. */
async function flush(em: SqlEntityManager, employee: Employee): Promise<void> {
  try {
    await em.persist(employee).flush();
  } catch (error) {
    if (error instanceof OptimisticLockError) throw changedMeanwhile();
    if (error instanceof UniqueConstraintViolationException) throw BadUserInput.ofFields([emailTaken]);
    if (error instanceof ForeignKeyConstraintViolationException) {
      throw new Conflict('The department or the manager was removed meanwhile; choose another.');
    }
    throw error;
  }
}
