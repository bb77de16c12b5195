import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { endReasons } from '../../auth/credential-changes.js';
import type { LoginThrottle } from '../../auth/login-throttle.js';
import { verifyPassword } from '../../auth/password.js';
import type { AuthenticatedViewer } from '../../auth/viewer.js';
import { execute } from '../../database/execute.js';
import { owned } from '../../database/schema-names.js';
import { BadUserInput, Unauthenticated, type FieldProblem } from '../../errors/app-error.js';
import { codeIsWrong, type Mfa } from './mfa/mfa.service.js';
import { SessionRecord } from './session.entity.js';
import { User } from './user.entity.js';

/** For this time after a proof of the password or a code a session may create credentials. */
export const reauthenticationMs = 5 * 60_000;

/** What a user proves again. */
export interface Proof {
  password: string | null;
  /** Of the authenticator app, or a recovery code. */
  code: string | null;
}

/**
 * Proves the identity of a session's user again: by a code if the account uses MFA, otherwise by the password. Attempts count by
 * session: nobody else can block them.
 * @returns until when the session may create credentials
 * @throws TooManyAttempts; Overloaded; BadUserInput if a proof is absent or wrong; Unauthenticated if the session has ended
 */
export async function reauthenticate(
  em: SqlEntityManager,
  { throttle, mfa }: { throttle: LoginThrottle; mfa: Mfa },
  { userId, credentialId }: AuthenticatedViewer,
  proof: Proof,
  signal: AbortSignal,
): Promise<Date> {
  await throttle.passwordChange(credentialId);
  const user = await em.findOne(User, { id: userId, isActive: true }, { populate: ['passwordHash'] });
  if (!user) throw new Unauthenticated(endReasons.user);
  const problem = await problemOf(em, mfa, user, proof, signal);
  if (problem) {
    throttle.loginFailed();
    throw BadUserInput.ofFields([problem]);
  }
  const authenticatedAt = new Date();
  // `updatedAt` stays the time of the last refresh.
  const proven = await execute(
    em,
    sql`update ${owned('session')} set authenticated_at = ${authenticatedAt}
      where id = ${credentialId} and user_id = ${userId} returning id`,
  );
  if (proven.length === 0) throw new Unauthenticated(endReasons.session);
  return new Date(authenticatedAt.getTime() + reauthenticationMs);
}

/** Why a proof does not suffice; null if it does. The password is checked first: a code is valid once. */
async function problemOf(
  em: SqlEntityManager,
  mfa: Mfa,
  { id, passwordHash }: User,
  { password, code }: Proof,
  signal: AbortSignal,
): Promise<FieldProblem | null> {
  const isEnabled = await mfa.isEnabled(em, id);
  if (isEnabled && code === null) return { field: 'code', message: 'is required: the account uses MFA' };
  if (!isEnabled && code !== null) return { field: 'code', message: 'is not in use: the account has no MFA' };
  if (!isEnabled && password === null) return { field: 'password', message: 'is required' };
  if (password !== null && !(await verifyPassword(password, passwordHash, { share: id, isKnown: true, signal })))
    return { field: 'password', message: 'is wrong' };
  return code === null || (await mfa.accept(em, id, code)) !== null ? null : codeIsWrong;
}

/** When the user of a session last proved the password or a code; null if the session has ended. */
export async function authenticationOf(
  em: SqlEntityManager,
  { credentialId, userId }: AuthenticatedViewer,
): Promise<Date | null> {
  const record = await em.findOne(SessionRecord, { id: credentialId, userId });
  return record && record.expiresAt.getTime() > Date.now() ? record.authenticatedAt : null;
}
