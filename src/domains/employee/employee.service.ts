import {
  ForeignKeyConstraintViolationException,
  LockMode,
  OptimisticLockError,
  UniqueConstraintViolationException,
} from '@mikro-orm/core';
import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import type { z } from 'zod';
import { AuditAction, type AuditEvent } from '../../audit/audit-event.js';
import type { RecordEvent } from '../../audit/audit-log.js';
import { execute, lock } from '../../database/execute.js';
import { owned } from '../../database/schema-names.js';
import { decodeId, encodeId, idProblem } from '../../graphql/relay/global-id.js';
import { BadUserInput, Conflict, NotFound, type FieldProblem } from '../../errors/app-error.js';
import { validateFields } from '../../errors/input-validation.js';
import { Department } from './department.entity.js';
import { Employee } from './employee.entity.js';
import { snapshotOf, type EmployeeSnapshot } from './employee.events.js';
import { employeeFields, type CreateEmployeeInput, type UpdateEmployeeInput } from './employee.types.js';

type Values = Partial<z.infer<z.ZodObject<typeof employeeFields>> & Pick<Employee, 'departmentId' | 'managerId'>>;

/**
 * Creates an employee.
 * @throws BadUserInput with every invalid field
 */
export async function hire(em: SqlEntityManager, input: CreateEmployeeInput, record: RecordEvent): Promise<Employee> {
  return em.transactional(async (transaction) => {
    const values = await validated(transaction, input, null);
    const managerId = values.managerId ?? null;
    const employee = transaction.create(Employee, { ...(values as Required<Values>), managerId });
    await flush(transaction, employee);
    await record(transaction, salaryChange(employee.id, null, employee.salary));
    return employee;
  });
}

/** The event of a salary; null where there is no employee. */
const salaryChange = (id: string, before: number | null, after: number | null): AuditEvent => ({
  action: AuditAction.SALARY_CHANGE,
  target: encodeId('employee', id),
  before: before === null ? null : { salary: before },
  after: after === null ? null : { salary: after },
});

/**
 * Updates the fields that the input contains.
 * @param seen the employee as it was when the change was authorized
 * @returns the employee, and its previous state; null if nothing changed
 * @throws BadUserInput with every invalid field; Conflict if the employee was changed since it was seen
 */
export async function changeEmployee(
  em: SqlEntityManager,
  seen: Pick<Employee, 'id' | 'version'>,
  input: UpdateEmployeeInput,
  record: RecordEvent,
): Promise<{ employee: Employee; before: EmployeeSnapshot | null }> {
  if (input.expectedVersion === null)
    throw BadUserInput.ofFields([
      { field: 'expectedVersion', message: 'must not be null; leave it out to update whichever version is current' },
    ]);
  if (input.expectedVersion !== undefined && input.expectedVersion !== seen.version) throw concurrentUpdate();
  return em.transactional(async (transaction) => {
    if (input.managerId != null) await lockReportingLines(transaction);
    const employee = await transaction.findOne(Employee, { id: seen.id, version: seen.version });
    if (!employee) throw concurrentUpdate();
    const before = snapshotOf(employee);
    const { salary } = employee;
    transaction.assign(employee, await validated(transaction, input, employee));
    await flush(transaction, employee);
    if (employee.salary !== salary) await record(transaction, salaryChange(employee.id, salary, employee.salary));
    return { employee, before: employee.version === seen.version ? null : before };
  });
}

/**
 * Deletes an employee. @returns its last state
 * @throws NotFound; Conflict with the number of direct reports if there are any
 */
export async function dismiss(em: SqlEntityManager, id: string, record: RecordEvent): Promise<EmployeeSnapshot> {
  return em.transactional(async (transaction) => {
    // A new report locks its manager's row, so the count stays correct until the commit.
    const employee = await transaction.findOne(Employee, id, { lockMode: LockMode.PESSIMISTIC_WRITE });
    if (!employee) throw new NotFound('employee', encodeId('employee', id));
    const reports = await transaction.count(Employee, { managerId: id });
    if (reports > 0) throw stillManages(reports);
    const before = snapshotOf(employee);
    transaction.remove(employee);
    await record(transaction, salaryChange(id, employee.salary, null));
    return before;
  });
}

const stillManages = (reports: number): Conflict =>
  new Conflict(
    `The employee still manages ${reports} ${reports === 1 ? 'employee' : 'employees'}; give them another manager first.`,
    { reports },
  );

const concurrentUpdate = (): Conflict => new Conflict('Concurrent update detected; read the employee again and retry.');

/** Serializes changes of managers: two valid changes could form a cycle together. */
async function lockReportingLines(em: SqlEntityManager): Promise<void> {
  await lock(em, 'employee.reporting-lines');
}

async function validated(
  em: SqlEntityManager,
  input: CreateEmployeeInput | UpdateEmployeeInput,
  current: Employee | null,
): Promise<Values> {
  const { value, problems } = validateFields(employeeFields, input);
  const found: Values = { ...value };
  // Awaited together, so that no rejection is unhandled.
  const checks = await Promise.all([
    value.email === undefined ? null : emailProblem(em, value.email, current),
    departmentProblem(em, input.departmentId, found),
    managerProblem(em, input.managerId, current, found),
  ]);
  problems.push(...checks.filter((problem) => problem !== null));
  if (problems.length > 0) throw BadUserInput.ofFields(problems);
  return found;
}

async function emailProblem(
  em: SqlEntityManager,
  address: string,
  current: Employee | null,
): Promise<FieldProblem | null> {
  const others = await em.count(Employee, { email: address, ...(current ? { id: { $ne: current.id } } : {}) });
  return others > 0 ? emailTaken : null;
}

const emailTaken: FieldProblem = { field: 'email', message: 'is already used by another employee' };

async function departmentProblem(
  em: SqlEntityManager,
  id: string | null | undefined,
  found: Values,
): Promise<FieldProblem | null> {
  const field = 'departmentId';
  if (id === undefined) return null;
  if (id === null) return { field, message: 'must not be null' };
  const problem = idProblem('department', id, field);
  if (problem) return problem;
  found.departmentId = decodeId('department', id);
  return (await em.count(Department, { id: found.departmentId })) === 0
    ? { field, message: 'is not a department that exists' }
    : null;
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
  if ((await em.count(Employee, { id: found.managerId })) === 0)
    return { field, message: 'is not an employee that exists' };
  if (!current) return null;
  if (found.managerId === current.id)
    return { field, message: 'must not be the employee; nobody is their own manager' };
  return (await isAbove(em, current.id, found.managerId))
    ? { field, message: 'must not report to the employee, directly or through others' }
    : null;
}

/** Whether an employee is a direct or indirect manager of another. */
async function isAbove(em: SqlEntityManager, upperId: string, lowerId: string): Promise<boolean> {
  const rows = await execute(
    em,
    sql`with recursive line (manager_id) as (
        select manager_id from ${owned('employee')} where id = ${lowerId}
        union
        select boss.manager_id from line join ${owned('employee')} boss on boss.id = line.manager_id
      )
      select from line where manager_id = ${upperId}`,
  );
  return rows.length > 0;
}

/** Writes the changes. Violations that only the write detects become the same errors as those of the checks. */
async function flush(em: SqlEntityManager, employee: Employee): Promise<void> {
  try {
    await em.persist(employee).flush();
  } catch (error) {
    if (error instanceof OptimisticLockError) throw concurrentUpdate();
    if (error instanceof UniqueConstraintViolationException) throw BadUserInput.ofFields([emailTaken]);
    if (error instanceof ForeignKeyConstraintViolationException) {
      throw new Conflict('The department or the manager was removed meanwhile; choose another.');
    }
    throw error;
  }
}
