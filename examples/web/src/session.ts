import { useSyncExternalStore } from 'react';
import { ask, codesOf } from './gateway.ts';
import { RefreshSessionDocument, SignInDocument, SignOutDocument, type SessionFieldsFragment } from './generated/graphql.ts';

export type User = SessionFieldsFragment['user'];

export type Session = { phase: 'restoring' } | { phase: 'signedOut'; reason: string | null } | { phase: 'signedIn'; user: User };

/**
 * Where the refresh token lies: it outlives a reload, and ends with the tab. The access token lies in memory alone. A tab that
 * is duplicated takes the same token along, which is good once: the one that comes second has to sign in again.
 */
const storageKey = 'auspex.refreshToken';

/** A token is renewed once this share of its life is over, before a request fails of it. */
const renewAfter = 0.8;

let session: Session = { phase: 'restoring' };
let access: { token: string; renewAtMs: number } | null = null;
let renewal: Promise<string | null> | null = null;
const watchers = new Set<() => void>();

/** The session, for components. */
export const useSession = (): Session => useSyncExternalStore(watchSession, () => session);

/** Calls on each change of the session; gives what ends that. */
export function watchSession(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => void watchers.delete(watcher);
}

/** Whether somebody is signed in. */
export const isSignedIn = (): boolean => session.phase === 'signedIn';

/** @throws CombinedGraphQLErrors where the gateway refuses; TypeError where it cannot be reached */
export async function signIn(email: string, password: string): Promise<void> {
  const { login } = await ask(SignInDocument, { email, password });
  begin(login);
}

/** Ends the session here at once, and at the gateway as soon as that can be reached. */
export async function signOut(): Promise<void> {
  const token = access && Date.now() < access.renewAtMs ? access.token : null;
  const refreshToken = sessionStorage.getItem(storageKey);
  end(null);
  try {
    if (token !== null) await ask(SignOutDocument, {}, token);
    else if (refreshToken !== null) await ask(SignOutDocument, {}, (await ask(RefreshSessionDocument, { refreshToken })).refreshSession.accessToken);
  } catch (error) {
    // Its tokens are forgotten here, and expire there.
    console.warn('The session could not be ended at the gateway.', error);
  }
}

/** Takes up the session of this tab after a reload. */
export async function restoreSession(): Promise<void> {
  if (sessionStorage.getItem(storageKey) === null) {
    end(null);
    return;
  }
  await renewAccessToken().catch((error: unknown) => {
    // The refresh token stays: a reload may find the gateway again.
    if (session.phase === 'restoring') change({ phase: 'signedOut', reason: 'Your session could not be taken up. Reload this page in a moment, or sign in again.' });
    console.warn('The session could not be taken up.', error);
  });
}

/** A token that works, renewed where it is about to expire; null where nobody is signed in. @throws as `renewAccessToken` */
export async function accessToken(): Promise<string | null> {
  if (access && Date.now() < access.renewAtMs) return access.token;
  return renewAccessToken();
}

/**
 * A new token. A refresh token is good once, so all who ask at the same time share one renewal. A session that the gateway
 * has ended is ended here.
 * @param refused the token that the gateway did not take; where another is there by now, that is given
 * @throws CombinedGraphQLErrors, TypeError where it could not be renewed now, but may be later
 */
export async function renewAccessToken(refused?: string | null): Promise<string | null> {
  if (access && refused != null && access.token !== refused) return access.token;
  renewal ??= renew().finally(() => {
    renewal = null;
  });
  return renewal;
}

async function renew(): Promise<string | null> {
  const refreshToken = sessionStorage.getItem(storageKey);
  if (refreshToken === null) return null;
  try {
    const { refreshSession } = await ask(RefreshSessionDocument, { refreshToken });
    // Whoever signed out in the meantime stays signed out.
    if (sessionStorage.getItem(storageKey) !== refreshToken) return null;
    begin(refreshSession);
    return refreshSession.accessToken;
  } catch (error) {
    if (!codesOf(error).includes('UNAUTHENTICATED')) throw error;
    if (sessionStorage.getItem(storageKey) === refreshToken) end('Your session has ended. Sign in again.');
    return null;
  }
}

function begin({ accessToken: token, accessTokenExpiresAt, refreshToken, user }: SessionFieldsFragment): void {
  const lifeMs = Date.parse(accessTokenExpiresAt) - Date.now();
  // A clock that is wrong here cannot tell; then the gateway's refusal renews the token.
  access = { token, renewAtMs: lifeMs > 0 ? Date.now() + lifeMs * renewAfter : Infinity };
  sessionStorage.setItem(storageKey, refreshToken);
  change({ phase: 'signedIn', user });
}

function end(reason: string | null): void {
  access = null;
  sessionStorage.removeItem(storageKey);
  change({ phase: 'signedOut', reason });
}

function change(next: Session): void {
  session = next;
  for (const watcher of [...watchers]) watcher();
}
