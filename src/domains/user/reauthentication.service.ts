import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { endReasons } from '../../auth/credential-changes.js';
import type { LoginThrottle } from '../../auth/login-throttle.js';
import { verifyPassword } from '../../auth/password.js';
import type { AuthenticatedViewer } from '../../auth/viewer.js';
import { BadUserInput, Unauthenticated } from '../../errors/app-error.js';
import { SessionRecord } from './session.entity.js';
import { User } from './user.entity.js';

/** For this time after a proof of the password a session may create credentials. */
export const reauthenticationMs = 5 * 60_000;

/**
 * Proves the password of a session's user again. Attempts count by session: nobody else can block them.
 * @returns until when the session may create credentials
 * @throws TooManyAttempts; Overloaded; BadUserInput if the password is wrong; Unauthenticated if the session has ended
 */
export async function reauthenticate(
  em: SqlEntityManager,
  throttle: LoginThrottle,
  { userId, credentialId }: AuthenticatedViewer,
  password: string,
  signal: AbortSignal,
): Promise<Date> {
  await throttle.passwordChange(credentialId);
  const user = await em.findOne(User, { id: userId, isActive: true }, { populate: ['passwordHash'] });
  if (!user) throw new Unauthenticated(endReasons.user);
  if (!(await verifyPassword(password, user.passwordHash, { share: userId, isKnown: true, signal }))) {
    throttle.loginFailed();
    throw BadUserInput.ofFields([{ field: 'password', message: 'is wrong' }]);
  }
  const authenticatedAt = new Date();
  // `updatedAt` stays the time of the last refresh.
  const proven = await em.execute<unknown[]>(
    'update session set authenticated_at = ? where id = ? and user_id = ? returning id',
    [authenticatedAt, credentialId, userId],
  );
  if (proven.length === 0) throw new Unauthenticated(endReasons.session);
  return new Date(authenticatedAt.getTime() + reauthenticationMs);
}

/** When the user of a session last proved the password; null if the session has ended. */
export async function authenticationOf(
  em: SqlEntityManager,
  { credentialId, userId }: AuthenticatedViewer,
): Promise<Date | null> {
  const record = await em.findOne(SessionRecord, { id: credentialId, userId });
  return record && record.expiresAt.getTime() > Date.now() ? record.authenticatedAt : null;
}
