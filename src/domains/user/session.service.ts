import { LockMode } from '@mikro-orm/core';
import type { SqlEntityManager } from '@mikro-orm/postgresql';
import type { LoginThrottle } from '../../auth/login-throttle.js';
import { hashPassword, isPassword, passwordProblem } from '../../auth/password.js';
import { hashToken, randomToken, type TokenSigner } from '../../auth/token.js';
import { BadUserInput, Forbidden, Unauthenticated } from '../../shared/errors.js';
import { checkFields, email } from '../../shared/validation.js';
import { Role } from '../../auth/viewer.js';
import { SessionRecord } from './session.entity.js';
import { User } from './user.entity.js';
import type { LoginInput, RegisterInput, Session } from './user.types.js';

/** Sessions that a user has at a time; with one more the oldest ends. */
const maxSessionsPerUser = 20;

/** For so long a refresh token that was just used is only refused: two tabs may have sent it at once. Later it is theft. */
const reuseGraceMs = 10_000;

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
    if (value.email !== undefined && (await em.count(User, { email: value.email })) > 0) {
      problems.push({ field: 'email', message: 'already has an account; sign in instead' });
    }
    if (problems.length > 0 || value.email === undefined) throw BadUserInput.ofFields(problems);
    const user = em.create(User, {
      email: value.email,
      passwordHash: await hashPassword(input.password),
      role: Role.USER,
      isActive: true,
      employeeId: null,
    });
    return this.#open(em, user);
  }

  /**
   * Signs in. A wrong password, an unknown address and a switched-off account are answered alike, in text and in time.
   * @throws TooManyAttempts; Unauthenticated
   */
  async login(em: SqlEntityManager, input: LoginInput, address: string): Promise<Session> {
    const account = input.email.trim().toLowerCase().slice(0, 254);
    this.throttle.login(account, address);
    const user = await em.findOne(User, { email: account.replaceAll('\0', '') }, { populate: ['passwordHash'] });
    const isRight = await isPassword(input.password, user?.passwordHash ?? null);
    if (!user || !isRight || !user.isActive) throw new Unauthenticated('The e-mail address or the password is wrong.');
    this.throttle.loginSucceeded(account);
    return this.#open(em, user);
  }

  /**
   * Exchanges a refresh token for a new pair. A token is good once; one that comes again later was stolen, by the one
   * caller or the other, and ends the session.
   * @throws TooManyAttempts; Unauthenticated
   */
  async refresh(em: SqlEntityManager, refreshToken: string, address: string): Promise<Session> {
    this.throttle.refreshFrom(address);
    const hash = hashToken(refreshToken);
    const session = await em.transactional((transaction) => this.#rotate(transaction, hash));
    if (!session) throw new Unauthenticated('The refresh token is not valid, was used already or has expired; sign in again.');
    return session;
  }

  async #rotate(em: SqlEntityManager, hash: string): Promise<Session | null> {
    const record = await em.findOne(SessionRecord, { refreshTokenHash: hash }, { lockMode: LockMode.PESSIMISTIC_WRITE });
    if (!record) {
      await em.nativeDelete(SessionRecord, { previousTokenHash: hash, updatedAt: { $lt: new Date(Date.now() - reuseGraceMs) } });
      return null;
    }
    const user = await em.findOne(User, { id: record.userId, isActive: true });
    if (!user || record.expiresAt.getTime() <= Date.now()) return null;
    this.throttle.refreshOf(user.id);
    const refreshToken = randomToken();
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
    const problem = passwordProblem(newPassword, 'newPassword');
    const problems = [
      ...(isRight ? [] : [{ field: 'currentPassword', message: 'is wrong' }]),
      ...(problem ? [problem] : []),
      ...(isRight && currentPassword === newPassword ? [{ field: 'newPassword', message: 'must differ from the current one' }] : []),
    ];
    if (problems.length > 0) throw BadUserInput.ofFields(problems);
    this.throttle.loginSucceeded(user.email);
    user.passwordHash = await hashPassword(newPassword);
    return em.transactional(async (transaction) => {
      await transaction.nativeDelete(SessionRecord, { userId });
      return this.#open(transaction, user);
    });
  }

  async #open(em: SqlEntityManager, user: User): Promise<Session> {
    const refreshToken = randomToken();
    const record = em.create(SessionRecord, {
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
