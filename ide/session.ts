import { execute, GatewayError, problemOf } from './gateway.js';
import {
  apiKeyOwnerQuery,
  beginMfaSetupMutation,
  codeMutation,
  confirmMfaSetupMutation,
  refreshMutation,
  signInMutation,
  signOutMutation,
  verifyMfaMutation,
} from './operations.js';

/** The caller of operations. */
export type Identity =
  /** `notice` explains why a session ended or did not start; `step` is what the sign-in still requires. */
  | { kind: 'anonymous'; notice: string | null; step: SecondStep | null }
  | { kind: 'user'; person: Person; tokens: Tokens }
  | { kind: 'apiKey'; person: Person; apiKey: string };

/** What a sign-in requires between the password and the session. Not stored, because it contains secrets. */
export type SecondStep =
  | { kind: 'code'; challenge: string }
  | { kind: 'setup'; challenge: string; secret: string; uri: string }
  /** The codes are shown once. The session starts when the user has saved them. */
  | { kind: 'recoveryCodes'; recoveryCodes: string[]; session: SessionResult };

interface Person {
  email: string;
  role: string;
}

interface Tokens {
  accessToken: string;
  accessTokenExpiresAt: string;
  refreshToken: string;
}

type SessionResult = Tokens & { user: Person };

interface SetupResult {
  recoveryCodes: string[];
  session: SessionResult;
}

/** In sessionStorage, so that tabs do not share it: a refresh token is valid once. */
const storageKey = 'auspex:identity';
/** Access tokens are renewed this long before they expire, or after half of a shorter lifetime. */
const refreshAheadMs = 60_000;
/** A token that expires within this time is renewed before it is sent. */
const minRemainingMs = 5_000;

/** The current identity and its request headers; renews the access token before it expires. */
export class Sessions {
  #identity: Identity = stored();
  #listeners = new Set<() => void>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #refresh: Promise<void> | null = null;

  constructor() {
    this.#schedule();
  }

  /** For useSyncExternalStore. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly current = (): Identity => this.#identity;

  /** Starts the session, or the second step. @throws GatewayError if the credentials are wrong or were tried too often */
  async signIn(email: string, password: string): Promise<void> {
    const signedIn = execute<{ login: SessionResult }>(signInMutation, { input: { email, password } }, {});
    this.#change(await signedIn.then(({ login }) => userOf(login), secondStepOf));
  }

  /**
   * Completes a sign-in with the identity provider, or starts the second step.
   * @throws GatewayError if the code is invalid
   */
  async signInWithCode(code: string, verifier: string): Promise<void> {
    const signedIn = execute<{ signInWithCode: SessionResult }>(codeMutation, { code, verifier }, {});
    this.#change(await signedIn.then(({ signInWithCode }) => userOf(signInWithCode), secondStepOf));
  }

  /** Completes the second step by a code. @throws GatewayError if the code is wrong or the challenge has expired */
  async verifyMfa(challenge: string, code: string): Promise<void> {
    const { verifyMfa } = await execute<{ verifyMfa: SessionResult }>(verifyMfaMutation, { challenge, code }, {});
    this.#change(userOf(verifyMfa));
  }

  /** Sets up MFA, then shows the recovery codes. @throws GatewayError if the code is wrong or the challenge has expired */
  async confirmMfaSetup(challenge: string, code: string): Promise<void> {
    const { confirmMfaSetup } = await execute<{ confirmMfaSetup: SetupResult }>(
      confirmMfaSetupMutation,
      { challenge, code },
      {},
    );
    this.#change(anonymous({ step: { kind: 'recoveryCodes', ...confirmMfaSetup } }));
  }

  /** Starts the session of a completed setup. */
  start(session: SessionResult): void {
    this.#change(userOf(session));
  }

  /** Leaves the second step. */
  cancelSecondStep(): void {
    this.#change(anonymous());
  }

  /** Shows the error of a sign-in that begins with the page to an anonymous user as the notice. */
  async atStart(signIn: Promise<void>): Promise<void> {
    await signIn.catch((error: unknown) => this.notify(problemOf(error)));
  }

  /** Shows a notice to an anonymous user. */
  notify(notice: string): void {
    if (this.#identity.kind === 'anonymous') this.#change(anonymous({ notice }));
  }

  /** @throws GatewayError if the key is invalid */
  async signInWithApiKey(apiKey: string): Promise<void> {
    const { me } = await execute<{ me: Person }>(apiKeyOwnerQuery, {}, { 'x-api-key': apiKey });
    this.#change({ kind: 'apiKey', person: me, apiKey });
  }

  /** Removes the credentials, then ends the session at the gateway. */
  async signOut(): Promise<void> {
    const headers = credentialsOf(this.#identity);
    const isSession = this.#identity.kind === 'user';
    this.#change(anonymous());
    // An expired session needs no sign-out.
    if (isSession) await execute(signOutMutation, {}, headers).catch(() => null);
  }

  /** Current request headers, with a renewed token if necessary. */
  async headers(): Promise<Record<string, string>> {
    if (this.#identity.kind === 'user' && millisecondsLeft(this.#identity.tokens) < minRemainingMs) await this.#renew();
    return credentialsOf(this.#identity);
  }

  #change(identity: Identity): void {
    this.#identity = identity;
    store(identity);
    this.#schedule();
    for (const listener of this.#listeners) listener();
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#identity.kind !== 'user') return;
    const left = millisecondsLeft(this.#identity.tokens);
    this.#timer = setTimeout(() => void this.#renew(), Math.max(left - refreshAheadMs, left / 2, 0));
  }

  /** Renews the tokens; concurrent callers share one renewal. */
  #renew(): Promise<void> {
    this.#refresh ??= this.#requestTokens().finally(() => (this.#refresh = null));
    return this.#refresh;
  }

  async #requestTokens(): Promise<void> {
    const before = this.#identity;
    if (before.kind !== 'user') return;
    const after = await execute<{ refreshSession: SessionResult }>(
      refreshMutation,
      { refreshToken: before.tokens.refreshToken },
      {},
    ).then(
      ({ refreshSession }) => userOf(refreshSession),
      // Only UNAUTHENTICATED ends the session; after any other error the next operation tries again.
      (error: unknown) => (error instanceof GatewayError && error.code === 'UNAUTHENTICATED' ? expiredSession : null),
    );
    // The user may have signed out or switched accounts in the meantime.
    if (after !== null && this.#identity === before) this.#change(after);
  }
}

/** Authentication headers of an identity. */
export function credentialsOf(identity: Identity): Record<string, string> {
  switch (identity.kind) {
    case 'anonymous':
      return {};
    case 'user':
      return { authorization: `Bearer ${identity.tokens.accessToken}` };
    case 'apiKey':
      return { 'x-api-key': identity.apiKey };
  }
}

/** Stable while a session lasts, also when its tokens are renewed. */
export const identityKey = (identity: Identity): string =>
  identity.kind === 'anonymous' ? 'anonymous' : `${identity.kind} ${identity.person.email} ${identity.person.role}`;

/** A user without credentials, or in the middle of a sign-in. */
export type Anonymous = Extract<Identity, { kind: 'anonymous' }>;

const anonymous = (state: Partial<Anonymous> = {}): Anonymous => ({
  kind: 'anonymous',
  notice: null,
  step: null,
  ...state,
});

const expiredSession = anonymous({ notice: 'Your session has ended. Sign in again.' });

/** Reads the second step from the error of the first one. @throws the error if it requires none */
async function secondStepOf(error: unknown): Promise<Identity> {
  if (!(error instanceof GatewayError) || error.challenge === null) throw error;
  const { code, challenge } = error;
  if (code === 'MFA_REQUIRED') return anonymous({ step: { kind: 'code', challenge } });
  if (code !== 'MFA_SETUP_REQUIRED') throw error;
  const { beginMfaSetup } = await execute<{ beginMfaSetup: { secret: string; uri: string } }>(
    beginMfaSetupMutation,
    { challenge },
    {},
  );
  return anonymous({ step: { kind: 'setup', challenge, ...beginMfaSetup } });
}

const userOf = ({ user, ...tokens }: SessionResult): Identity => ({ kind: 'user', person: user, tokens });

const millisecondsLeft = ({ accessTokenExpiresAt }: Tokens): number => Date.parse(accessTokenExpiresAt) - Date.now();

function stored(): Identity {
  const text = sessionStorage.getItem(storageKey);
  return text === null ? anonymous() : (JSON.parse(text) as Identity);
}

function store(identity: Identity): void {
  if (identity.kind === 'anonymous') sessionStorage.removeItem(storageKey);
  else sessionStorage.setItem(storageKey, JSON.stringify(identity));
}
