import { randomBytes } from 'node:crypto';
import { ForeignKeyConstraintViolationException, LockMode, UniqueConstraintViolationException } from '@mikro-orm/core';
import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { hashPassword } from '../../auth/password.js';
import { Role } from '../../auth/viewer.js';
import { encodeId } from '../../graphql/id.js';
import { BadUserInput, Conflict, NotFound } from '../../shared/errors.js';
import { Employee } from '../employee/employee.entity.js';
import { ApiKey } from './api-key.entity.js';
import { SessionRecord } from './session.entity.js';
import { User } from './user.entity.js';

/**
 * Gives a user another role.
 * @throws NotFound; Conflict where no active administrator would be left
 */
export function setRole(em: SqlEntityManager, userId: string, role: Role): Promise<User> {
  return em.transactional(async (transaction) => {
    const user = await findForChange(transaction, userId);
    if (role !== Role.ADMIN) await keepAnAdministrator(transaction, user);
    user.role = role;
    return user;
  });
}

/**
 * Makes somebody an administrator who may sign in: the way to the first one, and to one where the last has gone. Who has an
 * account keeps its password; who has none gets an account, and the password that is answered.
 */
export function makeAdministrator(em: SqlEntityManager, email: string): Promise<{ password: string | null }> {
  return em.transactional(async (transaction) => {
    // Two who make the same account wait for each other.
    await transaction.execute(`select pg_advisory_xact_lock(hashtext('user.administrators'))`);
    const user = await transaction.findOne(User, { email });
    if (user) {
      Object.assign(user, { role: Role.ADMIN, isActive: true });
      return { password: null };
    }
    const password = randomBytes(18).toString('base64url');
    transaction.create(User, { email, passwordHash: await hashPassword(password), role: Role.ADMIN, isActive: true, employeeId: null });
    return { password };
  });
}

/**
 * Switches a user on or off; off ends every session and API key.
 * @throws NotFound; Conflict where no active administrator would be left
 */
export function setActive(em: SqlEntityManager, userId: string, isActive: boolean): Promise<User> {
  return em.transactional(async (transaction) => {
    const user = await findForChange(transaction, userId);
    if (!isActive) {
      await keepAnAdministrator(transaction, user);
      await transaction.nativeDelete(SessionRecord, { userId });
      await transaction.nativeDelete(ApiKey, { userId });
    }
    user.isActive = isActive;
    return user;
  });
}

/**
 * Says which employee a user is, or that the user is none.
 * @throws NotFound; BadUserInput where there is no such employee, or another user is that employee
 */
export async function setEmployee(em: SqlEntityManager, userId: string, employeeId: string | null): Promise<User> {
  const user = await em.findOne(User, userId);
  if (!user) throw new NotFound('user', encodeId('user', userId));
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

const noSuchEmployee = (): BadUserInput => BadUserInput.ofFields([{ field: 'employeeId', message: 'is not an employee that exists' }]);

/** The account, kept from changing until the transaction ends: no session or API key is opened meanwhile. */
async function findForChange(em: SqlEntityManager, id: string): Promise<User> {
  // One at a time: two administrators who switch each other off would leave none.
  await em.execute(`select pg_advisory_xact_lock(hashtext('user.administrators'))`);
  const user = await em.findOne(User, id, { lockMode: LockMode.PESSIMISTIC_WRITE });
  if (!user) throw new NotFound('user', encodeId('user', id));
  return user;
}

/** Nobody but an administrator can make one, so the last one stays. */
async function keepAnAdministrator(em: SqlEntityManager, user: User): Promise<void> {
  if (user.role !== Role.ADMIN || !user.isActive) return;
  const others = await em.count(User, { role: Role.ADMIN, isActive: true, id: { $ne: user.id } });
  if (others === 0) throw new Conflict('This is the last active administrator; make another one first.');
}
