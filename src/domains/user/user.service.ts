import { randomBytes } from 'node:crypto';
import { ForeignKeyConstraintViolationException, LockMode, UniqueConstraintViolationException } from '@mikro-orm/core';
import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { hashPassword } from '../../auth/password.js';
import { Role } from '../../auth/viewer.js';
import { encodeId } from '../../graphql/relay/global-id.js';
import { BadUserInput, Conflict, NotFound } from '../../errors/app-error.js';
import { Employee } from '../employee/employee.entity.js';
import { ApiKey } from './api-key.entity.js';
import { SessionRecord } from './session.entity.js';
import { User } from './user.entity.js';

/**
 * Changes a user's role.
 * @throws NotFound; Conflict if no active administrator would remain
 */
export function setRole(em: SqlEntityManager, userId: string, role: Role): Promise<User> {
  return em.transactional(async (transaction) => {
    const user = await findForChange(transaction, userId);
    if (role !== Role.ADMIN) await requireAnotherAdministrator(transaction, user);
    user.role = role;
    return user;
  });
}

/**
 * Makes an active administrator, such as the first one. An existing account keeps its password; otherwise an account is created.
 * @returns the password of a new account, or null
 */
export function makeAdministrator(em: SqlEntityManager, email: string): Promise<{ password: string | null }> {
  return em.transactional(async (transaction) => {
    // Serializes concurrent calls for the same account.
    await transaction.execute(`select pg_advisory_xact_lock(hashtext('user.administrators'))`);
    const user = await transaction.findOne(User, { email });
    if (user) {
      Object.assign(user, { role: Role.ADMIN, isActive: true });
      return { password: null };
    }
    const password = randomBytes(18).toString('base64url');
    transaction.create(User, {
      email,
      passwordHash: await hashPassword(password),
      role: Role.ADMIN,
      isActive: true,
      employeeId: null,
    });
    return { password };
  });
}

/**
 * Activates or deactivates a user; deactivation ends all sessions and API keys.
 * @throws NotFound; Conflict if no active administrator would remain
 */
export function setActive(em: SqlEntityManager, userId: string, isActive: boolean): Promise<User> {
  return em.transactional(async (transaction) => {
    const user = await findForChange(transaction, userId);
    if (!isActive) {
      await requireAnotherAdministrator(transaction, user);
      await transaction.nativeDelete(SessionRecord, { userId });
      await transaction.nativeDelete(ApiKey, { userId });
    }
    user.isActive = isActive;
    return user;
  });
}

/**
 * Links a user to an employee record; null removes the link.
 * @throws NotFound; BadUserInput if the employee is absent, does not exist or belongs to another user
 */
export async function setEmployee(
  em: SqlEntityManager,
  userId: string,
  employeeId: string | null | undefined,
): Promise<User> {
  const user = await em.findOne(User, userId);
  if (!user) throw new NotFound('user', encodeId('user', userId));
  if (employeeId === undefined) throw employeeIsAbsent();
  if (employeeId !== null && (await em.count(Employee, { id: employeeId })) === 0) throw noSuchEmployee();
  user.employeeId = employeeId;
  try {
    await em.flush();
  } catch (error) {
    if (error instanceof UniqueConstraintViolationException) {
      throw BadUserInput.ofFields([{ field: 'employeeId', message: 'already belongs to another user' }]);
    }
    throw error instanceof ForeignKeyConstraintViolationException ? noSuchEmployee() : error;
  }
  return user;
}

const employeeIsAbsent = (): BadUserInput =>
  BadUserInput.ofFields([{ field: 'employeeId', message: 'is required; send null to remove the link' }]);

const noSuchEmployee = (): BadUserInput =>
  BadUserInput.ofFields([{ field: 'employeeId', message: 'is not an employee that exists' }]);

/** Locks the account until the transaction ends, so that no session or API key is created meanwhile. */
async function findForChange(em: SqlEntityManager, id: string): Promise<User> {
  // Serialized: two administrators who deactivate each other would leave none.
  await em.execute(`select pg_advisory_xact_lock(hashtext('user.administrators'))`);
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
