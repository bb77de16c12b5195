import { LockMode, UniqueConstraintViolationException } from '@mikro-orm/core';
import type { SqlEntityManager } from '@mikro-orm/postgresql';
import {
  AuditAction,
  AuditOutcome,
  type AuditCaller,
  type AuditEvent,
  type AuditValues,
} from '../../audit/audit-event.js';
import type { AuditLog } from '../../audit/audit-log.js';
import { endReasons } from '../../auth/credential-changes.js';
import type { HashingCaller } from '../../auth/hashing-queue.js';
import type { LoginThrottle } from '../../auth/login-throttle.js';
import { networkOf } from '../../auth/network.js';
import type { PasswordPolicy } from '../../auth/password-policy.js';
import { hashPassword, verifyPassword } from '../../auth/password.js';
import { hashToken, randomToken, type TokenSigner } from '../../auth/token.js';
import { Role, type AuthenticatedViewer } from '../../auth/viewer.js';
import { newId } from '../../database/base.entity.js';
import { encodeId } from '../../graphql/relay/global-id.js';
import {
  BadUserInput,
  Forbidden,
  MfaRequired,
  MfaSetupRequired,
  NotFound,
  Overloaded,
  RequestCancelled,
  Unauthenticated,
  type FieldProblem,
} from '../../errors/app-error.js';
import { validateFields, email } from '../../errors/input-validation.js';
import type { Client } from '../../persisted-documents/sent-operation.js';
import type { Logger } from '../../telemetry/logger.js';
import { AccountToken } from './account-token.entity.js';
import type { Registration } from './account.service.js';
import { ApiKey } from './api-key.entity.js';
import { raiseHashCost } from './hash-cost.js';
import type { Mfa } from './mfa/mfa.service.js';
import { SessionRecord } from './session.entity.js';
import { isKnownNetwork, rememberNetwork } from './sign-in-network.entity.js';
import { User } from './user.entity.js';
import type { EndSessionPayload, LoginInput, LogoutPayload, RegisterInput, Session } from './user.types.js';

/** Maximum sessions per user; a new one ends the oldest. */
const maxSessionsPerUser = 20;

/** Within this time a reused refresh token is only rejected, since two tabs may send it at once; later it ends the session. */
const reuseGraceMs = 10_000;

/** A refresh token: the session's ID, which identifies old tokens, too, and 256 random bits. */
const refreshTokenForm = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.[\w-]{43}$/;

const emailTaken: FieldProblem = { field: 'email', message: 'already has an account; sign in instead' };

export interface SessionSettings {
  /** Longest time without a refresh. */
  refreshTokenTtlDays: number;
  /** Longest time from the sign-in. */
  sessionLifetimeDays: number;
  registration: Registration;
}

/** Where a request came from, and whether its caller is still there. */
export interface SessionCaller extends AuditCaller {
  log: Logger;
  /** Aborted when the caller disconnects. */
  signal: AbortSignal;
}

/** What sessions use of the gateway. */
interface SessionServices {
  tokens: TokenSigner;
  throttle: LoginThrottle;
  passwords: PasswordPolicy;
  audit: AuditLog;
  mfa: Mfa;
  settings: SessionSettings;
}

/** A new password, and the proof of the current one. */
interface PasswordChange {
  currentPassword: string;
  newPassword: string;
  revokesApiKeys: boolean;
}

/** Registration, sign-in, token refresh, sign-out and password changes. */
export class Sessions {
  readonly tokens: TokenSigner;
  readonly throttle: LoginThrottle;
  readonly passwords: PasswordPolicy;
  readonly audit: AuditLog;
  readonly mfa: Mfa;
  readonly settings: SessionSettings;

  constructor({ tokens, throttle, passwords, audit, mfa, settings }: SessionServices) {
    this.tokens = tokens;
    this.throttle = throttle;
    this.passwords = passwords;
    this.audit = audit;
    this.mfa = mfa;
    this.settings = settings;
  }

  /**
   * Creates an account with the role USER and signs it in.
   * @throws Forbidden if registration is closed; TooManyAttempts; Overloaded; BadUserInput with every invalid field;
   * MfaSetupRequired after the account was created
   */
  async register(em: SqlEntityManager, input: RegisterInput, caller: SessionCaller): Promise<Session> {
    const { address } = caller;
    const { registration } = this.settings;
    if (registration === 'closed')
      throw new Forbidden('Registration is closed; contact an administrator for an account.');
    if (registration === 'email')
      throw new Forbidden('Registration needs a confirmed e-mail address; send requestRegistration.');
    await this.throttle.register(address);
    const { value, problems } = validateFields({ email }, input);
    const problem = await this.passwords.problem(input.password, 'password', value.email ?? '');
    if (problem) problems.push(problem);
    if (value.email !== undefined && (await em.count(User, { email: value.email })) > 0) problems.push(emailTaken);
    if (problems.length > 0 || value.email === undefined) throw BadUserInput.ofFields(problems);
    const passwordHash = await hashPassword(input.password, anonymous(caller));
    const user = em.create(User, {
      email: value.email,
      passwordHash,
      role: Role.USER,
      isActive: true,
      employeeId: null,
    });
    try {
      return completed(
        await em.transactional((transaction) => this.#open(transaction, user, caller, AuditAction.REGISTRATION)),
      );
    } catch (error) {
      if (error instanceof UniqueConstraintViolationException) throw BadUserInput.ofFields([emailTaken]);
      throw error;
    }
  }

  /**
   * Signs in. A wrong password, an unknown address and a deactivated account get the same response after the same time.
   * @throws TooManyAttempts; Overloaded; Unauthenticated; MfaRequired or MfaSetupRequired if the password is right
   */
  async login(em: SqlEntityManager, input: LoginInput, from: SessionCaller): Promise<Session> {
    const { address } = from;
    // Normalized before counting, so that spellings of one address share a counter.
    const account = input.email.replaceAll('\0', '').trim().toLowerCase().slice(0, 254);
    const isKnown = async (): Promise<boolean> => isKnownNetwork(em, account, address);
    await this.throttle.login({ account, address, isKnownNetwork: isKnown });
    const user = await em.findOne(User, { email: account }, { populate: ['passwordHash'] });
    const caller = { ...anonymous(from), isKnown: await isKnown() };
    const isRight = await verifyPassword(input.password, user?.passwordHash ?? null, caller).catch(
      async (error: unknown) => {
        if (isNotChecked(error)) await this.throttle.loginNotChecked(account, address);
        throw error;
      },
    );
    const session = user && isRight ? await this.#signIn(em, user, input.password, from, caller) : null;
    if (!session) {
      this.throttle.loginFailed();
      throw new Unauthenticated('The e-mail address or the password is wrong.');
    }
    await this.throttle.loginSucceeded(account, address);
    return completed(session);
  }

  /** Raises the cost of the hash first: the challenge of MFA is bound to the hash. */
  async #signIn(
    em: SqlEntityManager,
    { id, passwordHash }: User,
    password: string,
    from: SessionCaller,
    caller: HashingCaller,
  ): Promise<SignInResult | null> {
    const proved = { id, passwordHash: await raiseHashCost(em, { id, passwordHash }, password, caller) };
    return em.transactional((transaction) => this.#openUnchanged(transaction, proved, from, AuditAction.SIGN_IN));
  }

  /**
   * Opens a session of a user whom an identity provider has signed in. MFA of the gateway applies as after a password.
   * @throws Unauthenticated if the account is deactivated; MfaRequired; MfaSetupRequired
   */
  async openFor(em: SqlEntityManager, userId: string, caller: SessionCaller): Promise<Session> {
    const result = await em.transactional(async (transaction) =>
      this.#open(transaction, await this.mfa.lock(transaction, userId), caller, AuditAction.PROVIDER_SIGN_IN),
    );
    return completed(result);
  }

  /**
   * Exchanges a refresh token for new tokens. A token is valid once; a later reuse indicates theft and ends the session
   * (RFC 9700, 4.14.2).
   * @throws TooManyAttempts; Unauthenticated
   */
  async refresh(em: SqlEntityManager, refreshToken: string, caller: SessionCaller): Promise<Session> {
    await this.throttle.refreshFrom(caller.address);
    const sessionId = refreshTokenForm.exec(refreshToken)?.[1];
    const hash = hashToken(refreshToken);
    const session =
      sessionId === undefined
        ? null
        : await em.transactional((transaction) => this.#rotate(transaction, sessionId, hash, caller));
    if (!session)
      throw new Unauthenticated('The refresh token is not valid, was used already or has expired; sign in again.');
    return session;
  }

  async #rotate(em: SqlEntityManager, sessionId: string, hash: string, caller: SessionCaller): Promise<Session | null> {
    const { address, log } = caller;
    const record = await em.findOne(SessionRecord, sessionId, { lockMode: LockMode.PESSIMISTIC_WRITE });
    if (!record) return null;
    if (record.refreshTokenHash !== hash) {
      const wasJustUsed = record.previousTokenHash === hash && record.updatedAt.getTime() > Date.now() - reuseGraceMs;
      if (wasJustUsed) return null;
      em.remove(record);
      await this.audit.record(em, caller, {
        action: AuditAction.TOKEN_REUSE,
        outcome: AuditOutcome.FAILURE,
        actorId: record.userId,
        target: encodeId('session', sessionId),
      });
      log.warn({ userId: record.userId, sessionId, address }, 'refresh token reused; session ended');
      return null;
    }
    const user = await em.findOne(User, { id: record.userId, isActive: true });
    const expiresAt = this.#refreshExpiry(record.createdAt);
    if (!user || Math.min(record.expiresAt.getTime(), expiresAt.getTime()) <= Date.now()) return null;
    if (await this.mfa.isMissing(em, user)) {
      em.remove(record);
      return null;
    }
    await this.throttle.refreshOf(user.id);
    const refreshToken = refreshTokenOf(record);
    record.previousTokenHash = hash;
    record.refreshTokenHash = hashToken(refreshToken);
    record.expiresAt = expiresAt;
    record.address = address.slice(0, 45);
    await rememberNetwork(em, user.id, address);
    return this.#session(user, record, refreshToken);
  }

  /**
   * Ends a session; repeating it has no effect.
   * @returns the ID of the user and the number of sessions that remain
   */
  logout(
    em: SqlEntityManager,
    { userId, sessionId }: { userId: string; sessionId: string },
    caller: AuditCaller,
    action = AuditAction.SIGN_OUT,
  ): Promise<LogoutPayload> {
    return em.transactional(async (transaction) => {
      const target = encodeId('session', sessionId);
      const before = { userId: encodeId('user', userId) };
      if ((await transaction.nativeDelete(SessionRecord, { id: sessionId })) > 0)
        await this.audit.record(transaction, caller, { action, target, before });
      const remainingCount = await transaction.count(SessionRecord, { userId, expiresAt: { $gt: new Date() } });
      return { signedOutUserId: encodeId('user', userId), remainingCount };
    });
  }

  /**
   * Changes the password of the session's user, ends all sessions of the account and starts a new one.
   * @throws TooManyAttempts; Overloaded; BadUserInput with every invalid field
   */
  async changePassword(
    em: SqlEntityManager,
    { userId, sessionId }: { userId: string; sessionId: string },
    { currentPassword, newPassword, revokesApiKeys }: PasswordChange,
    from: SessionCaller,
  ): Promise<Session> {
    const user = await em.findOne(User, { id: userId, isActive: true }, { populate: ['passwordHash'] });
    if (!user) throw new Unauthenticated(endReasons.user);
    await this.throttle.passwordChange(sessionId);
    const caller: HashingCaller = { share: userId, isKnown: true, signal: from.signal };
    const isRight = await verifyPassword(currentPassword, user.passwordHash, caller);
    if (!isRight) this.throttle.loginFailed();
    const problem = await this.passwords.problem(newPassword, 'newPassword', user.email);
    const problems = [
      ...(isRight ? [] : [currentIsWrong]),
      ...(problem ? [problem] : []),
      ...(isRight && currentPassword === newPassword
        ? [{ field: 'newPassword', message: 'must differ from the current one' }]
        : []),
    ];
    if (problems.length > 0) throw BadUserInput.ofFields(problems);
    const passwordHash = await hashPassword(newPassword, caller);
    const session = await em.transactional((transaction) =>
      this.#openUnchanged(transaction, user, from, AuditAction.PASSWORD_CHANGE, async (current) => {
        current.passwordHash = passwordHash;
        const endedSessions = await transaction.nativeDelete(SessionRecord, { userId });
        await transaction.nativeDelete(AccountToken, { userId });
        const revokedApiKeys = revokesApiKeys ? await transaction.nativeDelete(ApiKey, { userId }) : 0;
        return { endedSessions, revokedApiKeys };
      }),
    );
    if (!session) throw BadUserInput.ofFields([currentIsWrong]);
    this.throttle.passwordChanged();
    return completed(session);
  }

  /**
   * Ends a session of the viewer; an ADMIN may end any.
   * @returns its ID and the number of sessions that its user has left
   * @throws NotFound, also for a session of another user
   */
  async end(
    em: SqlEntityManager,
    viewer: AuthenticatedViewer,
    id: string,
    caller: AuditCaller,
  ): Promise<EndSessionPayload> {
    const owned = viewer.role === Role.ADMIN ? {} : { userId: viewer.userId };
    const record = await em.findOne(SessionRecord, { id, ...owned });
    if (!record) throw new NotFound('session', encodeId('session', id));
    const ended = { userId: record.userId, sessionId: id };
    const { remainingCount } = await this.logout(em, ended, caller, AuditAction.SESSION_END);
    return { endedSessionId: encodeId('session', id), remainingCount };
  }

  /**
   * Opens a session after the password was verified. Verification is slow: returns null if the password was changed or the
   * account deactivated meanwhile.
   */
  async #openUnchanged(
    em: SqlEntityManager,
    user: Pick<User, 'id' | 'passwordHash'>,
    caller: SessionCaller,
    action: AuditAction,
    change?: (current: User) => Promise<AuditValues>,
  ): Promise<SignInResult | null> {
    const unchanged = { id: user.id, passwordHash: user.passwordHash, isActive: true };
    const current = await em.findOne(User, unchanged, {
      lockMode: LockMode.PESSIMISTIC_WRITE,
      refresh: true,
      populate: ['passwordHash'],
    });
    if (!current) return null;
    if (!change) return this.#open(em, current, caller, action);
    const after = await change(current);
    // The caller has a session, and so has proved the second factor.
    return this.openProved(em, current, caller, { action, after });
  }

  /** Opens a session, unless a second factor must be proved first. */
  async #open(em: SqlEntityManager, user: User, caller: SessionCaller, action: AuditAction): Promise<SignInResult> {
    return (await this.mfa.nextStep(em, user)) ?? this.openProved(em, user, caller, { action });
  }

  /** Opens a session for a user who has proved every factor. */
  async openProved(em: SqlEntityManager, user: User, caller: SessionCaller, event: AuditEvent): Promise<Session> {
    const { address, client } = caller;
    const id = newId();
    const refreshToken = refreshTokenOf({ id });
    const record = em.create(SessionRecord, {
      id,
      userId: user.id,
      refreshTokenHash: hashToken(refreshToken),
      previousTokenHash: null,
      expiresAt: this.#refreshExpiry(new Date()),
      client: nameOf(client),
      address: address.slice(0, 45),
    });
    await em.flush();
    await this.#endOldest(em, user.id);
    await rememberNetwork(em, user.id, address);
    await this.audit.record(em, caller, {
      ...event,
      actorId: user.id,
      credential: { kind: 'session', id },
      account: user.email,
      target: encodeId('user', user.id),
    });
    return this.#session(user, record, refreshToken);
  }

  async #endOldest(em: SqlEntityManager, userId: string): Promise<void> {
    await em.execute(
      `delete from session where user_id = ? and (expires_at < now() or id not in (
         select id from session where user_id = ? order by created_at desc, id desc limit ?))`,
      [userId, userId, maxSessionsPerUser],
    );
  }

  /** The end of an unused session, or of its lifetime if that is sooner. */
  #refreshExpiry(startedAt: Date): Date {
    const { refreshTokenTtlDays, sessionLifetimeDays } = this.settings;
    return new Date(
      Math.min(Date.now() + refreshTokenTtlDays * dayMs, startedAt.getTime() + sessionLifetimeDays * dayMs),
    );
  }

  #session(user: User, record: SessionRecord, refreshToken: string): Session {
    const { token, expiresAt } = this.tokens.sign({
      userId: user.id,
      role: user.role,
      employeeId: user.employeeId,
      sessionId: record.id,
    });
    return {
      accessToken: token,
      accessTokenExpiresAt: expiresAt,
      refreshToken,
      refreshTokenExpiresAt: record.expiresAt,
      user,
    };
  }
}

/** A session, or what has to follow the password. Returned and not thrown, so that the transaction is committed. */
type SignInResult = Session | MfaRequired | MfaSetupRequired;

function completed(result: SignInResult): Session {
  if (result instanceof MfaRequired || result instanceof MfaSetupRequired) throw result;
  return result;
}

const dayMs = 86_400_000;

const nameOf = ({ name, version }: Client): string | null =>
  name === null ? null : [name, version].filter(Boolean).join(' ').slice(0, 200);

const refreshTokenOf = ({ id }: { id: string }): string => `${id}.${randomToken()}`;

/** A caller without a proven identity. */
const anonymous = ({ address, signal }: SessionCaller): HashingCaller => ({
  share: networkOf(address),
  isKnown: false,
  signal,
});

/** The queue was full, or the caller disconnected before the comparison. */
const isNotChecked = (error: unknown): boolean => error instanceof Overloaded || error instanceof RequestCancelled;

const currentIsWrong: FieldProblem = { field: 'currentPassword', message: 'is wrong' };
