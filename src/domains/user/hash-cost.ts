import type { SqlEntityManager } from '@mikro-orm/postgresql';
import type { HashingCaller } from '../../auth/hashing-queue.js';
import { hashPassword, isHashOutdated } from '../../auth/password.js';
import { Overloaded, RequestCancelled } from '../../errors/app-error.js';
import { User } from './user.entity.js';

/**
 * Hashes a password that was just verified again if its hash has a lower cost than new ones. If no hash can be calculated now, the
 * next sign-in does it.
 */
export async function raiseHashCost(
  em: SqlEntityManager,
  { id, passwordHash }: User,
  password: string,
  caller: HashingCaller,
): Promise<void> {
  if (!isHashOutdated(passwordHash)) return;
  try {
    const raised = await hashPassword(password, caller);
    // Not if the password was changed meanwhile.
    await em.nativeUpdate(User, { id, passwordHash }, { passwordHash: raised });
  } catch (error) {
    if (!(error instanceof Overloaded || error instanceof RequestCancelled)) throw error;
  }
}
