import { LockMode, UniqueConstraintViolationException } from '@mikro-orm/core';
import type { SqlEntityManager } from '@mikro-orm/postgresql';
import type { LoginThrottle } from '../../auth/login-throttle.js';
import { hashPassword, isPassword, passwordProblem } from '../../auth/password.js';
import { hashToken, randomToken, type TokenSigner } from '../../auth/token.js';
import { Role } from '../../auth/viewer.js';
import { newId } from '../../database/base.entity.js';
import { BadUserInput, Forbidden, Unauthenticated, type FieldProblem } from '../../shared/errors.js';
import { checkFields, email } from '../../shared/validation.js';
import { SessionRecord } from './session.entity.js';
import { User } from './user.entity.js';
import type { LoginInput, RegisterInput, Session } from './user.types.js';

/** Sessions that a user has at a time; with one more the oldest ends. */
const maxSessionsPerUser = 20;

/** For so long a refresh token that was just used is only refused: two tabs may have sent it at once. Later it is theft. */
const reuseGraceMs = 10_000;

/** A refresh token: its session's id, by which also a token of long ago is known for what it is, and 256 random bits. */
const refreshTokenForm = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.[\w-]{43}$/;

const emailTaken: FieldProblem = { field: 'email', message: 'already has an account; sign in instead' };

export interface SessionSettings {
  refreshTokenTtlDays: number;
  isRegistrationOpen: boolean;
}

/** Signing up, signing in, staying signed in and signing out. */
export class Sessions {
  constructor(
    readonly tokens: TokenSigner,
    readonly throttle: LoginThrottle,
    readonly settings: SessionSettings,
  ) {}

  /**
   * Makes an account with the role USER and signs it in.
   * @throws Forbidden where registration is closed; TooManyAttempts; BadUserInput with every faulty field
   */
  async register(em: SqlEntityManager, input: RegisterInput, address: string): Promise<Session> {
    if (!this.settings.isRegistrationOpen) throw new Forbidden('Registration is closed; ask an administrator for an account.');
    this.throttle.register(address);
    const { value, problems } = checkFields({ email }, input);
    const problem = passwordProblem(input.password, 'password');
    if (problem) problems.push(problem);
    if (value.email !== undefined && (await em.count(User, { email: value.email })) > 0) problems.push(emailTaken);
    if (problems.length > 0 || value.email === undefined) throw BadUserInput.ofFields(problems);
    const passwordHash = await hashPassword(input.password);
    const user = em.create(User, { email: value.email, passwordHash, role: Role.USER, isActive: true, employeeId: null });
    try {
      return await em.transactional((transaction) => this.#open(transaction, user));
    } catch (error) {
      if (error instanceof UniqueConstraintViolationException) throw BadUserInput.ofFields([emailTaken]);
      throw error;
    }
  }

  /**
   * Signs in. A wrong password, an unknown address and a switched-off account are answered alike, in text and in time.
   * @throws TooManyAttempts; Unauthenticated
   */
  async login(em: SqlEntityManager, input: LoginInput, address: string): Promise<Session> {
    // Counted as it is looked up: another spelling of the same account must not be another count.
    const account = input.email.replaceAll('\0', '').trim().toLowerCase().slice(0, 254);
    this.throttle.login(account, address);
    const user = await em.findOne(User, { email: account }, { populate: ['passwordHash'] });
    const isRight = await isPassword(input.password, user?.passwordHash ?? null);
    const session = user && isRight ? await em.transactional((transaction) => this.#openUnchanged(transaction, user)) : null;
    if (!session) {
      this.throttle.loginFailed();
      throw new Unauthenticated('The e-mail address or the password is wrong.');
    }
    this.throttle.loginSucceeded(account);
    return session;
  }

  /**
   * Exchanges a refresh token for a new pair. A token is good once; one that comes again later was stolen, by the one
   * caller or the other, and ends the session (RFC 9700, 4.14.2).
   * @throws TooManyAttempts; Unauthenticated
   */
  async refresh(em: SqlEntityManager, refreshToken: string, address: string): Promise<Session> {
    this.throttle.refreshFrom(address);
    const sessionId = refreshTokenForm.exec(refreshToken)?.[1];
    const hash = hashToken(refreshToken);
    const session = sessionId === undefined ? null : await em.transactional((transaction) => this.#rotate(transaction, sessionId, hash));
    if (!session) throw new Unauthenticated('The refresh token is not valid, was used already or has expired; sign in again.');
    return session;
  }

  async #rotate(em: SqlEntityManager, sessionId: string, hash: string): Promise<Session | null> {
    const record = await em.findOne(SessionRecord, sessionId, { lockMode: LockMode.PESSIMISTIC_WRITE });
    if (!record) return null;
    if (record.refreshTokenHash !== hash) {
      const wasJustUsed = record.previousTokenHash === hash && record.updatedAt.getTime() > Date.now() - reuseGraceMs;
      if (!wasJustUsed) em.remove(record);
      return null;
    }
    const user = await em.findOne(User, { id: record.userId, isActive: true });
    if (!user || record.expiresAt.getTime() <= Date.now()) return null;
    this.throttle.refreshOf(user.id);
    const refreshToken = refreshTokenOf(record);
    record.previousTokenHash = hash;
    record.refreshTokenHash = hashToken(refreshToken);
    record.expiresAt = this.#refreshExpiry();
    return this.#session(user, record, refreshToken);
  }

  /** Ends a session. Its access token works until it expires; its refresh token no more. */
  async logout(em: SqlEntityManager, sessionId: string): Promise<void> {
    await em.nativeDelete(SessionRecord, { id: sessionId });
  }

  /**
   * Changes the viewer's password, ends every session of the account and opens a new one.
   * @throws TooManyAttempts; BadUserInput with every faulty field
   */
  async changePassword(em: SqlEntityManager, userId: string, currentPassword: string, newPassword: string, address: string): Promise<Session> {
    const user = await em.findOne(User, { id: userId, isActive: true }, { populate: ['passwordHash'] });
    if (!user) throw new Unauthenticated('The account is switched off.');
    this.throttle.login(user.email, address);
    const isRight = await isPassword(currentPassword, user.passwordHash);
    if (!isRight) this.throttle.loginFailed();
    const problem = passwordProblem(newPassword, 'newPassword');
    const problems = [
      ...(isRight ? [] : [currentIsWrong]),
      ...(problem ? [problem] : []),
      ...(isRight && currentPassword === newPassword ? [{ field: 'newPassword', message: 'must differ from the current one' }] : []),
    ];
    if (problems.length > 0) throw BadUserInput.ofFields(problems);
    const passwordHash = await hashPassword(newPassword);
    const session = await em.transactional((transaction) =>
      this.#openUnchanged(transaction, user, async (current) => {
        current.passwordHash = passwordHash;
        await transaction.nativeDelete(SessionRecord, { userId });
      }),
    );
    if (!session) throw BadUserInput.ofFields([currentIsWrong]);
    this.throttle.loginSucceeded(user.email);
    return session;
  }

  /**
   * Opens a session for an account whose password has just been found right; null where the password was changed or the
   * account switched off while it was compared, which takes long enough for that.
   */
  async #openUnchanged(em: SqlEntityManager, user: User, change?: (current: User) => Promise<void>): Promise<Session | null> {
    const unchanged = { id: user.id, passwordHash: user.passwordHash, isActive: true };
    const current = await em.findOne(User, unchanged, { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true, populate: ['passwordHash'] });
    if (!current) return null;
    await change?.(current);
    return this.#open(em, current);
  }

  async #open(em: SqlEntityManager, user: User): Promise<Session> {
    const id = newId();
    const refreshToken = refreshTokenOf({ id });
    const record = em.create(SessionRecord, {
      id,
      userId: user.id,
      refreshTokenHash: hashToken(refreshToken),
      previousTokenHash: null,
      expiresAt: this.#refreshExpiry(),
    });
    await em.flush();
    await this.#endOldest(em, user.id);
    return this.#session(user, record, refreshToken);
  }

  async #endOldest(em: SqlEntityManager, userId: string): Promise<void> {
    await em.execute(
      `delete from session where user_id = ? and (expires_at < now() or id not in (
         select id from session where user_id = ? order by created_at desc, id desc limit ?))`,
      [userId, userId, maxSessionsPerUser],
    );
  }

  #refreshExpiry(): Date {
    return new Date(Date.now() + this.settings.refreshTokenTtlDays * 86_400_000);
  }

  #session(user: User, record: SessionRecord, refreshToken: string): Session {
    const { token, expiresAt } = this.tokens.sign({ userId: user.id, role: user.role, employeeId: user.employeeId, sessionId: record.id });
    return { accessToken: token, accessTokenExpiresAt: expiresAt, refreshToken, refreshTokenExpiresAt: record.expiresAt, user };
  }
}

const refreshTokenOf = ({ id }: { id: string }): string => `${id}.${randomToken()}`;

const currentIsWrong: FieldProblem = { field: 'currentPassword', message: 'is wrong' };
