import type { SqlEntityManager } from '@mikro-orm/postgresql';
import type { HashingCaller } from '../../auth/hashing-queue.js';
import { hashPassword, isHashOutdated, verifyPassword } from '../../auth/password.js';
import { Overloaded, RequestCancelled } from '../../errors/app-error.js';
import { User } from './user.entity.js';

/**
 * Hashes a password that was just verified again if its hash has a lower cost than new ones. If no hash can be calculated now, the
 * next sign-in does it.
 * @returns the hash of the password that is stored now; the given one if the password was changed meanwhile
 */
export async function raiseHashCost(
  em: SqlEntityManager,
  { id, passwordHash }: Pick<User, 'id' | 'passwordHash'>,
  password: string,
  caller: HashingCaller,
): Promise<string> {
  if (!isHashOutdated(passwordHash)) return passwordHash;
  try {
    const raised = await hashPassword(password, caller);
    // Not if the password was changed meanwhile.
    const count = await em.nativeUpdate(User, { id, passwordHash }, { passwordHash: raised });
    if (count > 0) return raised;
    const current = await em.findOne(User, { id }, { populate: ['passwordHash'], refresh: true });
    // A concurrent sign-in may have raised the cost already.
    return current && (await verifyPassword(password, current.passwordHash, caller))
      ? current.passwordHash
      : passwordHash;
  } catch (error) {
    if (!(error instanceof Overloaded || error instanceof RequestCancelled)) throw error;
    return passwordHash;
  }
}
