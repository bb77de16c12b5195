import { LockMode, UniqueConstraintViolationException } from '@mikro-orm/core';
import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { AuditAction, type AuditValues } from '../../audit/audit-event.js';
import { endReasons } from '../../auth/credential-changes.js';
import type { HashingCaller } from '../../auth/hashing-queue.js';
import type { LoginThrottle } from '../../auth/login-throttle.js';
import { networkOf } from '../../auth/network.js';
import type { PasswordPolicy } from '../../auth/password-policy.js';
import { hashPassword, verifyPassword } from '../../auth/password.js';
import { Role } from '../../auth/viewer.js';
import {
  BadUserInput,
  Forbidden,
  MfaRequired,
  MfaSetupRequired,
  Overloaded,
  RequestCancelled,
  Unauthenticated,
  type FieldProblem,
} from '../../errors/app-error.js';
import { validateFields, email } from '../../errors/input-validation.js';
import type { Registration } from './account.service.js';
import { endCredentials } from './end-credentials.js';
import { raiseHashCost } from './hash-cost.js';
import type { Mfa } from './mfa/mfa.service.js';
import type { SessionCaller, Sessions } from './session.service.js';
import { isKnownNetwork } from './sign-in-network.entity.js';
import { User } from './user.entity.js';
import type { LoginInput, RegisterInput, Session } from './user.types.js';

const emailTaken: FieldProblem = { field: 'email', message: 'already has an account; sign in instead' };

/** What a sign-in uses of the gateway. */
interface SignInServices {
  sessions: Pick<Sessions, 'open'>;
  throttle: LoginThrottle;
  passwords: PasswordPolicy;
  mfa: Mfa;
  settings: { registration: Registration };
}

/** A new password, and the proof of the current one. */
interface PasswordChange {
  currentPassword: string;
  newPassword: string;
  revokesApiKeys: boolean;
}

/** Registration, sign-in and password changes: what a user proves before a session opens. */
export class SignIn {
  readonly #services: SignInServices;

  constructor(services: SignInServices) {
    this.#services = services;
  }

  /**
   * Creates an account with the role USER and signs it in.
   * @throws Forbidden if registration is closed; TooManyAttempts; Overloaded; BadUserInput with every invalid field;
   * MfaSetupRequired after the account was created
   */
  async register(em: SqlEntityManager, input: RegisterInput, caller: SessionCaller): Promise<Session> {
    const { address } = caller;
    const { registration } = this.#services.settings;
    if (registration === 'closed')
      throw new Forbidden('Registration is closed; contact an administrator for an account.');
    if (registration === 'email')
      throw new Forbidden('Registration needs a confirmed e-mail address; send requestRegistration.');
    await this.#services.throttle.register(address);
    const { value, problems } = validateFields({ email }, input);
    const problem = await this.#services.passwords.problem(input.password, 'password', value.email ?? '');
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
    await this.#services.throttle.login({ account, address, isKnownNetwork: isKnown });
    const user = await em.findOne(User, { email: account }, { populate: ['passwordHash'] });
    const caller = { ...anonymous(from), isKnown: await isKnown() };
    const isRight = await verifyPassword(input.password, user?.passwordHash ?? null, caller).catch(
      async (error: unknown) => {
        if (isNotChecked(error)) await this.#services.throttle.loginNotChecked(account, address);
        throw error;
      },
    );
    const session = user && isRight ? await this.#signIn(em, user, input.password, from, caller) : null;
    if (!session) {
      this.#services.throttle.loginFailed();
      throw new Unauthenticated('The e-mail address or the password is wrong.');
    }
    await this.#services.throttle.loginSucceeded(account, address);
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
      this.#open(transaction, await this.#services.mfa.lock(transaction, userId), caller, AuditAction.PROVIDER_SIGN_IN),
    );
    return completed(result);
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
    await this.#services.throttle.passwordChange(sessionId);
    const caller: HashingCaller = { share: userId, isKnown: true, signal: from.signal };
    const isRight = await verifyPassword(currentPassword, user.passwordHash, caller);
    if (!isRight) this.#services.throttle.loginFailed();
    const problem = await this.#services.passwords.problem(newPassword, 'newPassword', user.email);
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
      this.#openUnchanged(transaction, user, from, AuditAction.PASSWORD_CHANGE, (current) => {
        current.passwordHash = passwordHash;
        return endCredentials(transaction, userId, { revokesApiKeys });
      }),
    );
    if (!session) throw BadUserInput.ofFields([currentIsWrong]);
    this.#services.throttle.passwordChanged();
    return completed(session);
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
    return this.#services.sessions.open(em, current, caller, { action, after });
  }

  /** Opens a session, unless a second factor must be proved first. */
  async #open(em: SqlEntityManager, user: User, caller: SessionCaller, action: AuditAction): Promise<SignInResult> {
    return (await this.#services.mfa.nextStep(em, user)) ?? this.#services.sessions.open(em, user, caller, { action });
  }
}

/** A session, or what has to follow the password. Returned and not thrown, so that the transaction is committed. */
type SignInResult = Session | MfaRequired | MfaSetupRequired;

function completed(result: SignInResult): Session {
  if (result instanceof MfaRequired || result instanceof MfaSetupRequired) throw result;
  return result;
}

/** A caller without a proven identity. */
const anonymous = ({ address, signal }: SessionCaller): HashingCaller => ({
  share: networkOf(address),
  isKnown: false,
  signal,
});

/** The queue was full, or the caller disconnected before the comparison. */
const isNotChecked = (error: unknown): boolean => error instanceof Overloaded || error instanceof RequestCancelled;

const currentIsWrong: FieldProblem = { field: 'currentPassword', message: 'is wrong' };
