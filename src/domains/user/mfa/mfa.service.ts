import { LockMode } from '@mikro-orm/core';
import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { AuditAction, type AuditCaller } from '../../../audit/audit-event.js';
import type { AuditLog } from '../../../audit/audit-log.js';
import { endReasons } from '../../../auth/credential-changes.js';
import type { SecretCipher } from '../../../auth/secret-cipher.js';
import type { SignInChallenges } from '../../../auth/sign-in-challenge.js';
import { execute } from '../../../database/execute.js';
import { owned } from '../../../database/schema-names.js';
import {
  BadUserInput,
  Conflict,
  Forbidden,
  MfaRequired,
  MfaSetupRequired,
  NotFound,
  Unauthenticated,
  type FieldProblem,
} from '../../../errors/app-error.js';
import { encodeId } from '../../../graphql/relay/global-id.js';
import { SessionRecord } from '../session.entity.js';
import { User } from '../user.entity.js';
import type { MfaSetup } from './mfa.types.js';
import { hashRecoveryCode, newRecoveryCodes, recoveryCodeForm, withoutSeparators } from './recovery-codes.js';
import { RecoveryCode, TotpFactor } from './totp-factor.entity.js';
import { newTotpSecret, stepOfCode, totpForm, totpUri } from './totp.js';

/** A setup that is not confirmed within this time begins again. */
const setupMs = 15 * 60_000;

export interface MfaSettings {
  /** Roles whose users must use MFA. */
  requiredRoles: readonly string[];
  /** Name of the gateway in authenticator apps. */
  issuer: string;
}

/** What MFA uses of the gateway. */
interface MfaServices {
  cipher: SecretCipher;
  challenges: SignInChallenges;
  audit: AuditLog;
  settings: { mfa: MfaSettings };
}

/** What a code came from. */
type CodeSource = 'authenticator app' | 'recovery code';

/** The authenticator apps and recovery codes of accounts. */
export class Mfa {
  readonly cipher: SecretCipher;
  readonly challenges: SignInChallenges;
  readonly audit: AuditLog;
  readonly settings: MfaSettings;

  constructor({ cipher, challenges, audit, settings }: MfaServices) {
    this.cipher = cipher;
    this.challenges = challenges;
    this.audit = audit;
    this.settings = settings.mfa;
  }

  /** Whether the account has an authenticator app. */
  async isEnabled(em: SqlEntityManager, userId: string): Promise<boolean> {
    return (await em.count(TotpFactor, { userId, secret: { $ne: null } })) > 0;
  }

  /** Whether the role of the user requires MFA and the account has not set it up: it may have no session. */
  async isMissing(em: SqlEntityManager, user: Pick<User, 'id' | 'role'>): Promise<boolean> {
    return this.#isRequired(user) && !(await this.isEnabled(em, user.id));
  }

  /**
   * What has to follow the password before a session is opened; null if nothing. Lock the account before, so that no setup is
   * confirmed meanwhile. `passwordHash` must be loaded.
   */
  async nextStep(em: SqlEntityManager, user: User): Promise<MfaRequired | MfaSetupRequired | null> {
    if (await this.isEnabled(em, user.id)) return new MfaRequired(this.challenges.sign('code', user));
    return this.#isRequired(user) ? new MfaSetupRequired(this.challenges.sign('setup', user)) : null;
  }

  /**
   * Uses up a code of the authenticator app or a recovery code. One of several concurrent calls with the same code succeeds, on
   * all replicas: the database decides.
   * @returns what the code came from; null if it is not valid
   */
  async accept(em: SqlEntityManager, userId: string, code: string): Promise<CodeSource | null> {
    const compact = withoutSeparators(code);
    if (totpForm.test(compact)) return (await this.#acceptTotp(em, userId, compact)) ? 'authenticator app' : null;
    if (!recoveryCodeForm.test(compact)) return null;
    const used = await execute(
      em,
      sql`delete from ${owned('recovery_code')} where user_id = ${userId} and code_hash = ${hashRecoveryCode(compact)}
        and exists (select from ${owned('totp_factor')} where user_id = ${userId} and secret is not null)
        returning user_id`,
    );
    return used.length > 0 ? 'recovery code' : null;
  }

  async #acceptTotp(em: SqlEntityManager, userId: string, code: string): Promise<boolean> {
    const stored = (await em.findOne(TotpFactor, { userId }))?.secret;
    if (stored == null) return false;
    const { plain, isCurrent } = this.cipher.decrypt(stored, userId);
    const step = stepOfCode(plain, code);
    if (step === null) return false;
    const current = isCurrent ? stored : this.cipher.encrypt(plain, userId);
    const accepted = await execute(
      em,
      sql`update ${owned('totp_factor')} set last_step = ${step}, secret = ${current}
        where user_id = ${userId} and secret = ${stored} and (last_step is null or last_step < ${step}) returning user_id`,
    );
    return accepted.length > 0;
  }

  /**
   * Stores a new secret beside the current one, which stays valid until a code confirms the new one.
   * @throws Unauthenticated if the account is deactivated
   */
  async begin(em: SqlEntityManager, userId: string): Promise<MfaSetup> {
    const user = await em.findOne(User, { id: userId, isActive: true });
    if (!user) throw new Unauthenticated(endReasons.user);
    const secret = newTotpSecret();
    const since = new Date();
    await execute(
      em,
      sql`insert into ${owned('totp_factor')} (user_id, pending_secret, pending_since)
        values (${userId}, ${this.cipher.encrypt(secret, userId)}, ${since})
        on conflict (user_id) do update set pending_secret = excluded.pending_secret, pending_since = excluded.pending_since`,
    );
    const uri = totpUri(secret, this.settings.issuer, user.email);
    return { secret, uri, expiresAt: new Date(since.getTime() + setupMs) };
  }

  /**
   * Makes the pending secret the current one after a code of it, replaces the recovery codes, and ends the sessions of the account
   * but one: they were opened without the new factor. Call it in a transaction, with the account locked.
   * @returns the recovery codes
   * @throws Conflict without a pending setup; BadUserInput if the code is not valid
   */
  async confirm(
    em: SqlEntityManager,
    userId: string,
    code: string,
    { sessionId, caller }: { sessionId: string | null; caller: AuditCaller },
  ): Promise<string[]> {
    const factor = await em.findOne(TotpFactor, { userId });
    const { pendingSecret = null, pendingSince = null } = factor ?? {};
    if (pendingSecret === null || pendingSince === null || pendingSince.getTime() < Date.now() - setupMs)
      throw new Conflict('There is no pending setup of MFA; begin it with beginMfaSetup.');
    const { plain } = this.cipher.decrypt(pendingSecret, userId);
    const compact = withoutSeparators(code);
    const step = totpForm.test(compact) ? stepOfCode(plain, compact) : null;
    if (step === null) throw BadUserInput.ofFields([codeIsWrong]);
    const confirmed = await execute(
      em,
      sql`update ${owned('totp_factor')}
        set secret = pending_secret, enabled_at = now(), last_step = ${step}, pending_secret = null, pending_since = null
        where user_id = ${userId} and pending_secret = ${pendingSecret} returning user_id`,
    );
    if (confirmed.length === 0) throw new Conflict('The setup of MFA was begun again; use its newest secret.');
    await em.nativeDelete(SessionRecord, { userId, ...(sessionId === null ? {} : { id: { $ne: sessionId } }) });
    await this.#record(em, caller, AuditAction.MFA_SETUP, userId);
    return this.#replaceRecoveryCodes(em, userId);
  }

  /** Replaces the recovery codes. @throws Conflict without MFA */
  async regenerateRecoveryCodes(em: SqlEntityManager, userId: string, caller: AuditCaller): Promise<string[]> {
    return em.transactional(async (transaction) => {
      await this.lock(transaction, userId);
      if (!(await this.isEnabled(transaction, userId))) throw new Conflict('MFA is not set up; use beginMfaSetup.');
      await this.#record(transaction, caller, AuditAction.RECOVERY_CODES, userId);
      return this.#replaceRecoveryCodes(transaction, userId);
    });
  }

  /** Removes MFA from the account; repeating it has no effect. @throws Forbidden if the role requires MFA */
  async disable(em: SqlEntityManager, userId: string, caller: AuditCaller): Promise<User> {
    return em.transactional(async (transaction) => {
      const user = await this.lock(transaction, userId);
      if (this.#isRequired(user))
        throw new Forbidden('Your role requires MFA. To replace the authenticator app, use beginMfaSetup.');
      await removeFactors(transaction, userId);
      await this.#record(transaction, caller, AuditAction.MFA_REMOVAL, userId);
      return user;
    });
  }

  /** Removes MFA from an account whose user lost app and recovery codes, and ends its sessions. @throws NotFound */
  async reset(em: SqlEntityManager, userId: string, caller: AuditCaller): Promise<User> {
    return em.transactional(async (transaction) => {
      const user = await transaction.findOne(User, { id: userId }, { lockMode: LockMode.PESSIMISTIC_WRITE });
      if (!user) throw new NotFound('user', encodeId('user', userId));
      await resetMfa(transaction, userId);
      await this.#record(transaction, caller, AuditAction.MFA_RESET, userId);
      return user;
    });
  }

  /** Locks an active account until the transaction ends. @throws Unauthenticated if it is deactivated */
  async lock(em: SqlEntityManager, userId: string): Promise<User> {
    const user = await em.findOne(
      User,
      { id: userId, isActive: true },
      { lockMode: LockMode.PESSIMISTIC_WRITE, populate: ['passwordHash'], refresh: true },
    );
    if (!user) throw new Unauthenticated(endReasons.user);
    return user;
  }

  async #replaceRecoveryCodes(em: SqlEntityManager, userId: string): Promise<string[]> {
    const codes = newRecoveryCodes();
    await em.nativeDelete(RecoveryCode, { userId });
    await em.insertMany(
      RecoveryCode,
      codes.map((code) => ({ userId, codeHash: hashRecoveryCode(withoutSeparators(code)) })),
    );
    return codes;
  }

  #record(em: SqlEntityManager, caller: AuditCaller, action: AuditAction, userId: string): Promise<void> {
    // A caller in the middle of a sign-in is the user of the account.
    const actorId = caller.viewer.kind === 'anonymous' ? userId : caller.viewer.userId;
    return this.audit.record(em, caller, { action, actorId, target: encodeId('user', userId) });
  }

  #isRequired({ role }: Pick<User, 'role'>): boolean {
    return this.settings.requiredRoles.includes(role);
  }
}

/** The same for a wrong, an expired and a used code. */
export const codeIsWrong: FieldProblem = { field: 'code', message: 'is wrong, expired or was used already' };

/** Removes MFA from an account and ends its sessions. */
export async function resetMfa(em: SqlEntityManager, userId: string): Promise<void> {
  await removeFactors(em, userId);
  await em.nativeDelete(SessionRecord, { userId });
}

async function removeFactors(em: SqlEntityManager, userId: string): Promise<void> {
  await em.nativeDelete(TotpFactor, { userId });
  await em.nativeDelete(RecoveryCode, { userId });
}
