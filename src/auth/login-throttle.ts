import type { RateCounters } from '../redis/rate-counters.js';
import { TooManyAttempts } from '../errors/app-error.js';
import { networkOf } from './network.js';

/** Attempts that are allowed within `windowSeconds`. */
export interface ThrottleLimits {
  windowSeconds: number;
  /** Of one account from one network. */
  loginsPerAccount: number;
  /** Of one account from all networks where it has never signed in. */
  loginsPerAccountTotal: number;
  loginsPerAddress: number;
  refreshesPerAccount: number;
  refreshesPerAddress: number;
  registrationsPerAddress: number;
  /** Messages to one e-mail address. */
  mailsPerAccount: number;
  mailsPerAddress: number;
}

/** A sign-in attempt. */
export interface LoginAttempt {
  account: string;
  address: string;
  /** Whether the account has signed in from the network of the address before. */
  isKnownNetwork: () => Promise<boolean>;
}

/**
 * Limits sign-in attempts, refreshes and registrations in a fixed window. An attempt is counted before it is checked, so that
 * concurrent attempts, or several in one request, cannot exceed the limit. Callers without the password cannot block its owner:
 * a network where the account has signed in before is limited by its own attempts only, and a session by its own.
 */
export class LoginThrottle {
  /** Sign-in attempts since the process started, by outcome. */
  readonly attempts = { succeeded: 0, failed: 0, throttled: 0 };

  constructor(
    readonly limits: ThrottleLimits,
    private readonly counters: RateCounters,
  ) {}

  /**
   * Counts a sign-in attempt: for the account and network together, for the address, and for the account. An address past its
   * limit does not use up the attempts of accounts.
   * @throws TooManyAttempts past a limit
   */
  login({ account, address, isKnownNetwork }: LoginAttempt): Promise<void> {
    return this.#throttled(async () => {
      const { loginsPerAccount, loginsPerAddress, loginsPerAccountTotal } = this.limits;
      await this.#count(accountAndNetwork(account, address), loginsPerAccount);
      try {
        await this.#count(`login address ${networkOf(address)}`, loginsPerAddress);
        await this.#count(accountInTotal(account), loginsPerAccountTotal);
      } catch (error) {
        if (!(await isKnownNetwork())) throw error;
      }
    });
  }

  /** Records a wrong password or an unknown account. */
  loginFailed(): void {
    this.attempts.failed += 1;
  }

  /** Records a correct password. It resets the count of the account and network, not the one of the address. */
  loginSucceeded(account: string, address: string): Promise<void> {
    this.attempts.succeeded += 1;
    return this.counters.clear(accountAndNetwork(account, address));
  }

  /** Returns an attempt whose password was not checked to the account, not to the address. */
  async loginNotChecked(account: string, address: string): Promise<void> {
    const keys = [accountAndNetwork(account, address), accountInTotal(account)];
    await Promise.all(keys.map((key) => this.counters.add(key, this.#windowMs, -1)));
  }

  /**
   * Counts a check of the current password in a session. Sign-in attempts do not count here: nobody else can block a session.
   * @throws TooManyAttempts past the limit
   */
  passwordChange(sessionId: string): Promise<void> {
    return this.#throttled(() => this.#count(`password change ${sessionId}`, this.limits.loginsPerAccount));
  }

  /**
   * Counts an attempt at the second step of a sign-in. An attacker who has the password must not guess many codes: all networks
   * where the account has never signed in share one limit.
   * @throws TooManyAttempts past a limit
   */
  mfaCode({ account, address, isKnownNetwork }: LoginAttempt): Promise<void> {
    return this.#throttled(async () => {
      await this.#count(mfaFromNetwork(account, address), this.limits.loginsPerAccount);
      if (!(await isKnownNetwork())) await this.#count(`mfa account ${account}`, this.limits.loginsPerAccount);
    });
  }

  /** Resets the count of codes of the account and network. */
  mfaCodeAccepted(account: string, address: string): Promise<void> {
    return this.counters.clear(mfaFromNetwork(account, address));
  }

  /** Records a correct current password. */
  passwordChanged(): void {
    this.attempts.succeeded += 1;
  }

  /** Counts a refresh before its token is looked up. @throws TooManyAttempts past the limit of the address */
  refreshFrom(address: string): Promise<void> {
    return this.#count(`refresh address ${networkOf(address)}`, this.limits.refreshesPerAddress);
  }

  /** Counts a refresh once its account is known. @throws TooManyAttempts past the limit of the account */
  refreshOf(userId: string): Promise<void> {
    return this.#count(`refresh account ${userId}`, this.limits.refreshesPerAccount);
  }

  /** Counts a registration. @throws TooManyAttempts past the limit of the address */
  register(address: string): Promise<void> {
    return this.#count(`register address ${networkOf(address)}`, this.limits.registrationsPerAddress);
  }

  /** Counts a request for mail, whether or not a message is sent. @throws TooManyAttempts past a limit */
  async mail(account: string, address: string): Promise<void> {
    await this.#count(`mail address ${networkOf(address)}`, this.limits.mailsPerAddress);
    await this.#count(`mail account ${account}`, this.limits.mailsPerAccount);
  }

  /** Counts a use of a mailed link before its token is looked up. @throws TooManyAttempts past the limit of the address */
  linkUse(address: string): Promise<void> {
    return this.#count(`link address ${networkOf(address)}`, this.limits.loginsPerAddress);
  }

  get #windowMs(): number {
    return this.limits.windowSeconds * 1000;
  }

  async #throttled(count: () => Promise<void>): Promise<void> {
    try {
      await count();
    } catch (error) {
      this.attempts.throttled += 1;
      throw error;
    }
  }

  async #count(key: string, limit: number): Promise<void> {
    const { count, resetInMs } = await this.counters.add(key, this.#windowMs);
    if (count <= limit) return;
    const retryAfterSeconds = Math.max(1, Math.ceil(resetInMs / 1000));
    throw new TooManyAttempts(`Too many attempts; try again in ${retryAfterSeconds} seconds.`, retryAfterSeconds);
  }
}

const accountAndNetwork = (account: string, address: string): string =>
  `login account ${account} from ${networkOf(address)}`;

const mfaFromNetwork = (account: string, address: string): string =>
  `mfa account ${account} from ${networkOf(address)}`;

const accountInTotal = (account: string): string => `login account ${account}`;
