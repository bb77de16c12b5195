import { createHash } from 'node:crypto';
import { UniqueConstraintViolationException } from '@mikro-orm/core';
import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { AuditAction, AuditOutcome, type AuditCaller } from '../../../audit/audit-event.js';
import type { AuditLog, RecordEvent } from '../../../audit/audit-log.js';
import { hashPassword } from '../../../auth/password.js';
import { hashToken, randomToken } from '../../../auth/token.js';
import { Role } from '../../../auth/viewer.js';
import { newId } from '../../../database/base.entity.js';
import { execute } from '../../../database/execute.js';
import { owned } from '../../../database/schema-names.js';
import { AppError, BadUserInput, Conflict, NotFound, Unauthenticated } from '../../../errors/app-error.js';
import { encodeId } from '../../../graphql/relay/global-id.js';
import { isSubject } from '../../../integrations/identity-provider/subject.js';
import type { Logger } from '../../../telemetry/logger.js';
import { Employee } from '../../employee/employee.entity.js';
import { SessionRecord } from '../session.entity.js';
import { User } from '../user.entity.js';
import { setEmployee, setRole } from '../user.service.js';
import { mapClaims, type ClaimSettings, type MappedClaims } from './claim-mapping.js';
import { SignInCode, UserIdentity } from './identity.entity.js';

/** Where the browser of a sign-in came from. */
export type SignInCaller = Pick<AuditCaller, 'address' | 'requestId'>;

export interface IdentitySettings extends ClaimSettings {
  issuer: string;
  createsAccounts: boolean;
}

/** Why a user whom the provider has signed in gets no session. */
export type AccountProblem = 'email_not_verified' | 'account_exists' | 'account_missing' | 'account_inactive';

/** Time for the page to exchange the code. */
const codeLifetimeMs = 60_000;

/** Signs in users of an identity provider, and creates and updates their accounts by its claims. */
export class Identities {
  constructor(
    private readonly settings: IdentitySettings,
    private readonly audit: AuditLog,
    private readonly log: Logger,
  ) {}

  /**
   * Accepts the claims of a verified ID token.
   * @param challenge SHA-256 of the verifier of the page that started the sign-in, in base64url
   * @returns a code that this page exchanges once for a session, or why there is none
   */
  async accept(
    em: SqlEntityManager,
    claims: Readonly<Record<string, unknown>> & { sub: string },
    challenge: string,
    from: SignInCaller,
  ): Promise<{ code: string } | { problem: AccountProblem }> {
    const caller: AuditCaller = { ...from, viewer: { kind: 'anonymous' }, client: { name: null, version: null } };
    const mapped = mapClaims(claims, this.settings);
    const userId = (await this.#userOf(em, mapped)) ?? (await this.#create(em, mapped, caller));
    const user = typeof userId === 'object' ? null : await em.findOneOrFail(User, userId);
    if (!user?.isActive) {
      const problem = typeof userId === 'object' ? userId.problem : 'account_inactive';
      this.#reject(mapped, problem, caller);
      return { problem };
    }
    await this.#update(em, user, mapped, this.audit.by(caller));
    return { code: await createCode(em, user.id, challenge) };
  }

  /** Records the subject, so that an administrator can link the account. */
  #reject({ subject, verifiedEmail: account }: MappedClaims, problem: AccountProblem, caller: AuditCaller): void {
    this.log.info({ issuer: this.settings.issuer, subject, problem }, 'provider sign-in rejected');
    this.audit.recordFailure(caller, {
      action: AuditAction.PROVIDER_SIGN_IN,
      outcome: AuditOutcome.REJECTED,
      account,
      after: { subject, problem },
    });
  }

  async #userOf(em: SqlEntityManager, { subject }: MappedClaims): Promise<string | null> {
    const identity = await em.findOne(UserIdentity, { issuer: this.settings.issuer, subject });
    return identity?.userId ?? null;
  }

  /**
   * Creates the account of a new identity. It never takes over an account with the same e-mail address: that address may be
   * unverified here, and it may have belonged to another person.
   */
  async #create(
    em: SqlEntityManager,
    mapped: MappedClaims,
    caller: AuditCaller,
  ): Promise<string | { problem: AccountProblem }> {
    const { subject, verifiedEmail: email, role } = mapped;
    const { issuer, createsAccounts } = this.settings;
    if (email === null) return { problem: 'email_not_verified' };
    if ((await em.count(User, { email })) > 0) return { problem: 'account_exists' };
    if (!createsAccounts) return { problem: 'account_missing' };
    // A random password, so that sign-in with a password takes as long as for other accounts.
    const passwordHash = await hashPassword(randomToken());
    try {
      return await em.transactional(async (transaction) => {
        const user = transaction.create(User, {
          email,
          passwordHash,
          role: role ?? Role.USER,
          isActive: true,
          employeeId: null,
        });
        await transaction.flush();
        transaction.create(UserIdentity, { userId: user.id, issuer, subject });
        await transaction.flush();
        await this.audit.record(transaction, caller, {
          action: AuditAction.PROVIDER_REGISTRATION,
          actorId: user.id,
          account: email,
          target: encodeId('user', user.id),
          after: { issuer, subject, role: user.role },
        });
        return user.id;
      });
    } catch (error) {
      if (!(error instanceof UniqueConstraintViolationException)) throw error;
      em.clear();
      return (await this.#userOf(em, mapped)) ?? { problem: 'account_exists' };
    }
  }

  /** Applies role and employee of the claims. What the gateway rejects is logged and does not prevent the sign-in. */
  async #update(
    em: SqlEntityManager,
    user: User,
    { role, employeeEmail }: MappedClaims,
    record: RecordEvent,
  ): Promise<void> {
    const { id: userId } = user;
    const logged = async (change: Promise<unknown>): Promise<void> => {
      await change.catch((error: unknown) => {
        if (!(error instanceof AppError)) throw error;
        this.log.warn({ userId, reason: error.message }, 'claim of the identity provider not applied');
      });
    };
    if (role !== null && role !== user.role) await logged(setRole(em.fork(), userId, role, record));
    const employee = employeeEmail === null ? null : await em.findOne(Employee, { email: employeeEmail });
    if (employee && employee.id !== user.employeeId) await logged(setEmployee(em.fork(), userId, employee.id, record));
  }
}

async function createCode(em: SqlEntityManager, userId: string, challenge: string): Promise<string> {
  const code = randomToken();
  await em.nativeDelete(SignInCode, { expiresAt: { $lt: new Date() } });
  await em.insert(SignInCode, {
    codeHash: hashToken(code),
    challenge,
    userId,
    expiresAt: new Date(Date.now() + codeLifetimeMs),
  });
  return code;
}

/**
 * Redeems a code of `accept`. It is invalid afterwards, also with a wrong verifier.
 * @returns the ID of the user
 * @throws Unauthenticated
 */
export async function redeemCode(em: SqlEntityManager, code: string, verifier: string): Promise<string> {
  const [redeemed] = await execute(
    em,
    sql<{ user_id: string; challenge: string }>`
      delete from ${owned('sign_in_code')} where code_hash = ${hashToken(code)} and expires_at > now()
      returning user_id, challenge`,
  );
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  if (redeemed?.challenge !== challenge)
    throw new Unauthenticated('The sign-in code is not valid, was used already or has expired; sign in again.');
  return redeemed.user_id;
}

/**
 * Links a user to a subject of the identity provider, or removes the link; either ends the sessions of the user.
 * @throws NotFound; BadUserInput; Conflict without a provider
 */
export async function setIdentity(
  em: SqlEntityManager,
  issuer: string | null,
  { userId, subject }: { userId: string; subject: string | null | undefined },
  { audit, caller }: { audit: AuditLog; caller: AuditCaller },
): Promise<User> {
  if (issuer === null) throw new Conflict('No identity provider is configured; set OIDC_ISSUER.');
  if (subject === undefined) throw invalidSubject('is required; send null to remove the link');
  if (subject !== null && !isSubject(subject)) throw invalidSubject('must have 1 to 255 characters of ASCII');
  try {
    return await em.transactional(async (transaction) => {
      const user = await transaction.findOne(User, userId);
      if (!user) throw new NotFound('user', encodeId('user', userId));
      const before = await transaction.findOne(UserIdentity, { userId, issuer });
      await transaction.nativeDelete(UserIdentity, { userId, issuer });
      await transaction.nativeDelete(SignInCode, { userId });
      await transaction.nativeDelete(SessionRecord, { userId });
      if (subject !== null) await transaction.insert(UserIdentity, { id: newId(), userId, issuer, subject });
      await audit.record(transaction, caller, {
        action: AuditAction.IDENTITY_LINK,
        target: encodeId('user', userId),
        before: { subject: before?.subject ?? null },
        after: { subject },
      });
      return user;
    });
  } catch (error) {
    if (error instanceof UniqueConstraintViolationException) throw invalidSubject('already belongs to another user');
    throw error;
  }
}

const invalidSubject = (message: string): BadUserInput => BadUserInput.ofFields([{ field: 'subject', message }]);
