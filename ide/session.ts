import { ask, Refusal } from './gateway.js';
import { refreshMutation, signInMutation, signOutMutation, whoseKeyQuery } from './operations.js';

/** Whom the operations are sent for. */
export type Identity =
  /** `notice` says why a session has ended. */
  | { kind: 'nobody'; notice: string | null }
  | { kind: 'user'; person: Person; tokens: Tokens }
  | { kind: 'apiKey'; person: Person; apiKey: string };

export interface Person {
  email: string;
  role: string;
}

interface Tokens {
  accessToken: string;
  accessTokenExpiresAt: string;
  refreshToken: string;
}

type SessionAnswer = Tokens & { user: Person };

/** Kept until the browser's tab is closed, and by no other tab: each refresh token is good once. */
const storageKey = 'auspex:identity';
/** An access token is exchanged so long before it expires; one that lives shorter, at half of its life. */
const refreshAheadMs = 60_000;
/** A token with less than this left may expire on the way. */
const travelMs = 5_000;

/** Who is signed in, and the headers that say so; the access token is exchanged before it expires. */
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

  /** @throws Refusal where address and password do not match, or were tried too often */
  async signIn(email: string, password: string): Promise<void> {
    const { login } = await ask<{ login: SessionAnswer }>(signInMutation, { input: { email, password } }, {});
    this.#become(userOf(login));
  }

  /** @throws Refusal where the key is not good */
  async takeApiKey(apiKey: string): Promise<void> {
    const { me } = await ask<{ me: Person }>(whoseKeyQuery, {}, { 'x-api-key': apiKey });
    this.#become({ kind: 'apiKey', person: me, apiKey });
  }

  /** Forgets who is signed in, and ends the session at the gateway. */
  async signOut(): Promise<void> {
    const headers = credentialsOf(this.#identity);
    const isSession = this.#identity.kind === 'user';
    this.#become({ kind: 'nobody', notice: null });
    // One that has expired is over anyway; the page has forgotten it in any case.
    if (isSession) await ask(signOutMutation, {}, headers).catch(() => null);
  }

  /** The headers for an operation that is sent now. */
  async headers(): Promise<Record<string, string>> {
    if (this.#identity.kind === 'user' && millisecondsLeft(this.#identity.tokens) < travelMs) await this.#refreshed();
    return credentialsOf(this.#identity);
  }

  #become(identity: Identity): void {
    this.#identity = identity;
    store(identity);
    this.#schedule();
    for (const listener of this.#listeners) listener();
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#identity.kind !== 'user') return;
    const left = millisecondsLeft(this.#identity.tokens);
    this.#timer = setTimeout(() => void this.#refreshed(), Math.max(left - refreshAheadMs, left / 2, 0));
  }

  /** Exchanges the tokens, once for all who wait for it. */
  #refreshed(): Promise<void> {
    this.#refresh ??= this.#exchange().finally(() => (this.#refresh = null));
    return this.#refresh;
  }

  async #exchange(): Promise<void> {
    const before = this.#identity;
    if (before.kind !== 'user') return;
    const after = await ask<{ refreshSession: SessionAnswer }>(refreshMutation, { refreshToken: before.tokens.refreshToken }, {}).then(
      ({ refreshSession }) => userOf(refreshSession),
      // A gateway that does not answer may do so at the next operation; one that refuses has ended the session.
      (error: unknown) => (error instanceof Refusal && error.code === 'UNAUTHENTICATED' ? ended : null),
    );
    // Meanwhile somebody may have signed out, or in as someone else.
    if (after !== null && this.#identity === before) this.#become(after);
  }
}

/** The headers that tell the gateway who it is. */
export function credentialsOf(identity: Identity): Record<string, string> {
  switch (identity.kind) {
    case 'nobody':
      return {};
    case 'user':
      return { authorization: `Bearer ${identity.tokens.accessToken}` };
    case 'apiKey':
      return { 'x-api-key': identity.apiKey };
  }
}

/** Stays the same while a session goes on, whatever its tokens are. */
export const identityKey = (identity: Identity): string => (identity.kind === 'nobody' ? 'nobody' : `${identity.kind} ${identity.person.email} ${identity.person.role}`);

const ended: Identity = { kind: 'nobody', notice: 'Your session has ended. Sign in again.' };

const userOf = ({ user, ...tokens }: SessionAnswer): Identity => ({ kind: 'user', person: user, tokens });

const millisecondsLeft = ({ accessTokenExpiresAt }: Tokens): number => Date.parse(accessTokenExpiresAt) - Date.now();

function stored(): Identity {
  const text = sessionStorage.getItem(storageKey);
  return text === null ? { kind: 'nobody', notice: null } : (JSON.parse(text) as Identity);
}

function store(identity: Identity): void {
  if (identity.kind === 'nobody') sessionStorage.removeItem(storageKey);
  else sessionStorage.setItem(storageKey, JSON.stringify(identity));
}
