import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { AuditAction } from '../../../audit/audit-event.js';
import type { ChallengeKind } from '../../../auth/sign-in-challenge.js';
import type { LoginThrottle } from '../../../auth/login-throttle.js';
import { BadUserInput, Unauthenticated } from '../../../errors/app-error.js';
import type { SessionCaller, Sessions } from '../session.service.js';
import { isKnownNetwork } from '../sign-in-network.entity.js';
import { User } from '../user.entity.js';
import type { Session } from '../user.types.js';
import { codeIsWrong, type Mfa } from './mfa.service.js';
import type { ConfirmMfaSetupPayload, MfaSetup } from './mfa.types.js';

/** The second step of a sign-in, after `login` has returned a challenge. */
export class MfaSignIn {
  constructor(
    readonly mfa: Mfa,
    readonly sessions: Pick<Sessions, 'open'>,
    readonly throttle: LoginThrottle,
  ) {}

  /**
   * Opens a session by a code.
   * @throws Unauthenticated if the challenge is not valid; TooManyAttempts; BadUserInput if the code is not valid
   */
  async verify(em: SqlEntityManager, challenge: string, code: string, from: SessionCaller): Promise<Session> {
    const user = await this.#challenged(em, 'code', challenge);
    await this.#count(em, user, from);
    const session = await em.transactional(async (transaction) => {
      const current = await this.#lock(transaction, 'code', challenge);
      const secondFactor = await this.mfa.accept(transaction, current.id, code);
      if (secondFactor === null) return null;
      return this.sessions.open(transaction, current, from, {
        action: AuditAction.SIGN_IN,
        after: { secondFactor },
      });
    });
    if (!session) {
      this.throttle.loginFailed();
      throw BadUserInput.ofFields([codeIsWrong]);
    }
    await this.throttle.mfaCodeAccepted(user.id, from.address);
    return session;
  }

  /** Begins the setup that the role requires. @throws Unauthenticated if the challenge is not valid */
  async begin(em: SqlEntityManager, challenge: string): Promise<MfaSetup> {
    const { id } = await this.#challenged(em, 'setup', challenge);
    return this.mfa.begin(em, id);
  }

  /**
   * Completes the setup that the role requires, and opens a session.
   * @throws Unauthenticated if the challenge is not valid; TooManyAttempts; Conflict; BadUserInput if the code is not valid
   */
  async confirm(
    em: SqlEntityManager,
    challenge: string,
    code: string,
    from: SessionCaller,
  ): Promise<ConfirmMfaSetupPayload> {
    const user = await this.#challenged(em, 'setup', challenge);
    await this.#count(em, user, from);
    const confirmed = await em.transactional(async (transaction) => {
      const current = await this.#lock(transaction, 'setup', challenge);
      const recoveryCodes = await this.mfa.confirm(transaction, current.id, code, { sessionId: null, caller: from });
      const session = await this.sessions.open(transaction, current, from, { action: AuditAction.SIGN_IN });
      return { recoveryCodes, session };
    });
    await this.throttle.mfaCodeAccepted(user.id, from.address);
    return confirmed;
  }

  /** The account of a challenge. A setup is valid only for an account without MFA. */
  async #challenged(em: SqlEntityManager, kind: ChallengeKind, challenge: string): Promise<User> {
    const { userId, isOf } = this.mfa.challenges.verify(kind, challenge) ?? invalid();
    const user = await em.findOne(User, { id: userId, isActive: true }, { populate: ['passwordHash'] });
    if (!user || !isOf(user) || (await this.mfa.isEnabled(em, userId)) !== (kind === 'code')) invalid();
    return user;
  }

  /** Checks the challenge again under the lock of the account, so that a changed password makes it invalid. */
  async #lock(em: SqlEntityManager, kind: ChallengeKind, challenge: string): Promise<User> {
    const { userId } = this.mfa.challenges.verify(kind, challenge) ?? invalid();
    await this.mfa.lock(em, userId);
    return this.#challenged(em, kind, challenge);
  }

  #count(em: SqlEntityManager, { id, email }: User, { address }: SessionCaller): Promise<void> {
    return this.throttle.mfaCode({ account: id, address, isKnownNetwork: () => isKnownNetwork(em, email, address) });
  }
}

function invalid(): never {
  throw new Unauthenticated('The sign-in has expired; sign in again with e-mail address and password.');
}
