import { randomBytes } from 'node:crypto';
import { ForeignKeyConstraintViolationException, LockMode, UniqueConstraintViolationException } from '@mikro-orm/core';
import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { AuditAction } from '../../audit/audit-event.js';
import type { RecordEvent } from '../../audit/audit-log.js';
import { hashPassword } from '../../auth/password.js';
import { Role } from '../../auth/viewer.js';
import { lock } from '../../database/execute.js';
import { encodeId } from '../../graphql/relay/global-id.js';
import { BadUserInput, Conflict, NotFound } from '../../errors/app-error.js';
import { Employee } from '../employee/employee.entity.js';
import { endCredentials } from './end-credentials.js';
import { resetMfa } from './mfa/mfa.service.js';
import { User } from './user.entity.js';

/**
 * Changes a user's role.
 * @throws NotFound; Conflict if no active administrator would remain
 */
export function setRole(em: SqlEntityManager, userId: string, role: Role, record: RecordEvent): Promise<User> {
  return em.transactional(async (transaction) => {
    const user = await findForChange(transaction, userId);
    if (role !== Role.ADMIN) await requireAnotherAdministrator(transaction, user);
    if (user.role !== role) {
      const action = AuditAction.USER_ROLE_CHANGE;
      await record(transaction, { action, target: targetOf(user), before: { role: user.role }, after: { role } });
    }
    user.role = role;
    return user;
  });
}

/**
 * Makes an active administrator, such as the first one; creates the account if it does not exist. An existing account may be in the
 * hands of another: it gets a new password, and its sessions, API keys and links end, unless `keepsPassword`.
 * @returns the new password, or null if the present one stays
 */
export async function makeAdministrator(
  em: SqlEntityManager,
  email: string,
  { keepsPassword }: { keepsPassword: boolean },
  record: RecordEvent,
): Promise<{ password: string | null }> {
  const password = randomBytes(18).toString('base64url');
  const passwordHash = await hashPassword(password);
  return em.transactional(async (transaction) => {
    // Serializes concurrent calls for the same account.
    await lock(transaction, 'user.administrators');
    const user = await transaction.findOne(
      User,
      { email },
      { lockMode: LockMode.PESSIMISTIC_WRITE, populate: ['passwordHash'] },
    );
    const action = AuditAction.USER_ROLE_CHANGE;
    const after = { role: Role.ADMIN, isActive: true };
    if (!user) {
      const created = transaction.create(User, { email, passwordHash, ...after, employeeId: null });
      await record(transaction, { action, target: targetOf(created), account: email, after });
      return { password };
    }
    const before = { role: user.role, isActive: user.isActive };
    if (before.role !== after.role || !before.isActive)
      await record(transaction, { action, target: targetOf(user), before, after });
    Object.assign(user, after);
    if (keepsPassword) return { password: null };
    user.passwordHash = passwordHash;
    const ended = await endCredentials(transaction, user.id);
    await record(transaction, {
      action: AuditAction.PASSWORD_RESET,
      target: targetOf(user),
      account: email,
      after: ended,
    });
    return { password };
  });
}

/**
 * Removes MFA from an account, and ends its sessions: for an administrator who lost app and recovery codes.
 * @returns whether there is such an account
 */
export function resetMfaOf(em: SqlEntityManager, email: string, record: RecordEvent): Promise<boolean> {
  return em.transactional(async (transaction) => {
    const user = await transaction.findOne(User, { email }, { lockMode: LockMode.PESSIMISTIC_WRITE });
    if (!user) return false;
    await resetMfa(transaction, user.id);
    await record(transaction, { action: AuditAction.MFA_RESET, target: targetOf(user) });
    return true;
  });
}

/**
 * Activates or deactivates a user; deactivation ends all sessions and API keys.
 * @throws NotFound; Conflict if no active administrator would remain
 */
export function setActive(em: SqlEntityManager, userId: string, isActive: boolean, record: RecordEvent): Promise<User> {
  return em.transactional(async (transaction) => {
    const user = await findForChange(transaction, userId);
    if (!isActive) await requireAnotherAdministrator(transaction, user);
    const ended = isActive ? {} : await endCredentials(transaction, user.id);
    if (user.isActive !== isActive) {
      await record(transaction, {
        action: AuditAction.USER_ACTIVATION_CHANGE,
        target: targetOf(user),
        before: { isActive: user.isActive },
        after: { isActive, ...ended },
      });
    }
    user.isActive = isActive;
    return user;
  });
}

const targetOf = ({ id }: User): string => encodeId('user', id);

/**
 * Links a user to an employee record; null removes the link.
 * @throws NotFound; BadUserInput if the employee is absent, does not exist or belongs to another user
 */
export async function setEmployee(
  em: SqlEntityManager,
  userId: string,
  employeeId: string | null | undefined,
  record: RecordEvent,
): Promise<User> {
  try {
    return await em.transactional(async (transaction) => {
      const user = await transaction.findOne(User, userId, { lockMode: LockMode.PESSIMISTIC_WRITE });
      if (!user) throw new NotFound('user', encodeId('user', userId));
      if (employeeId === undefined) throw employeeIsAbsent();
      if (employeeId !== null && (await transaction.count(Employee, { id: employeeId })) === 0) throw noSuchEmployee();
      if (user.employeeId !== employeeId) {
        await record(transaction, {
          action: AuditAction.USER_EMPLOYEE_CHANGE,
          target: targetOf(user),
          before: { employeeId: employeeTarget(user.employeeId) },
          after: { employeeId: employeeTarget(employeeId) },
        });
      }
      user.employeeId = employeeId;
      return user;
    });
  } catch (error) {
    if (error instanceof UniqueConstraintViolationException) {
      throw BadUserInput.ofFields([{ field: 'employeeId', message: 'already belongs to another user' }]);
    }
    throw error instanceof ForeignKeyConstraintViolationException ? noSuchEmployee() : error;
  }
}

const employeeTarget = (id: string | null): string | null => id && encodeId('employee', id);

const employeeIsAbsent = (): BadUserInput =>
  BadUserInput.ofFields([{ field: 'employeeId', message: 'is required; send null to remove the link' }]);

const noSuchEmployee = (): BadUserInput =>
  BadUserInput.ofFields([{ field: 'employeeId', message: 'is not an employee that exists' }]);

/** Locks the account until the transaction ends, so that no session or API key is created meanwhile. */
async function findForChange(em: SqlEntityManager, id: string): Promise<User> {
  // Serialized: two administrators who deactivate each other would leave none.
  await lock(em, 'user.administrators');
  const user = await em.findOne(User, id, { lockMode: LockMode.PESSIMISTIC_WRITE });
  if (!user) throw new NotFound('user', encodeId('user', id));
  return user;
}

/** Only an administrator can appoint one, so the last one must remain. */
async function requireAnotherAdministrator(em: SqlEntityManager, user: User): Promise<void> {
  if (user.role !== Role.ADMIN || !user.isActive) return;
  const others = await em.count(User, { role: Role.ADMIN, isActive: true, id: { $ne: user.id } });
  if (others === 0) throw new Conflict('This is the last active administrator; make another one first.');
}
