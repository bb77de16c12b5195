import { useSyncExternalStore } from 'react';
import { codesOf, execute, resultOf } from './gateway.ts';
import {
  RefreshSessionDocument,
  SignInDocument,
  SignOutDocument,
  type SessionFieldsFragment,
} from './generated/graphql.ts';

export type User = SessionFieldsFragment['user'];

export type Session =
  { phase: 'restoring' } | { phase: 'signedOut'; reason: string | null } | { phase: 'signedIn'; user: User };

/**
 * Key of the refresh token in sessionStorage: it survives a reload and ends with the tab. The access token is in memory only.
 * A duplicated tab copies the refresh token, which is valid once, so the second tab to use it has to sign in again.
 */
const storageKey = 'auspex.refreshToken';

/** Tokens are renewed after this fraction of their lifetime, before a request fails. */
const renewAfter = 0.8;

let session: Session = { phase: 'restoring' };
let access: { token: string; renewAtMs: number } | null = null;
let renewal: Promise<string | null> | null = null;
const watchers = new Set<() => void>();

/** The current session. */
export const useSession = (): Session => useSyncExternalStore(watchSession, () => session);

/** Calls `watcher` on each change of the session. @returns a function that unsubscribes it */
export function watchSession(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => void watchers.delete(watcher);
}

export const isSignedIn = (): boolean => session.phase === 'signedIn';

/** @throws CombinedGraphQLErrors if the credentials are rejected; TypeError if the gateway is unreachable */
export async function signIn(email: string, password: string): Promise<void> {
  const { login } = await execute(SignInDocument, { email, password });
  begin(resultOf(login));
}

/** Ends the session locally, then at the gateway. */
export async function signOut(): Promise<void> {
  const token = access && Date.now() < access.renewAtMs ? access.token : null;
  const refreshToken = sessionStorage.getItem(storageKey);
  end(null);
  try {
    if (token !== null) await execute(SignOutDocument, {}, token);
    else if (refreshToken !== null)
      await execute(
        SignOutDocument,
        {},
        resultOf((await execute(RefreshSessionDocument, { refreshToken })).refreshSession).accessToken,
      );
  } catch (error) {
    // The tokens were removed locally, and expire at the gateway.
    console.warn('sign-out at the gateway failed', error);
  }
}

/** Restores the session of this tab after a reload. */
export async function restoreSession(): Promise<void> {
  if (sessionStorage.getItem(storageKey) === null) {
    end(null);
    return;
  }
  await renewAccessToken().catch((error: unknown) => {
    // Keeps the refresh token, so that a later reload can restore the session.
    if (session.phase === 'restoring')
      change({
        phase: 'signedOut',
        reason: 'Your session could not be restored. Reload this page in a moment, or sign in again.',
      });
    console.warn('session restore failed', error);
  });
}

/** A valid access token, renewed if it expires soon; null if signed out. @throws like `renewAccessToken` */
export async function accessToken(): Promise<string | null> {
  if (access && Date.now() < access.renewAtMs) return access.token;
  return renewAccessToken();
}

/**
 * Renews the access token. A refresh token is valid once, so concurrent callers share one renewal. If the gateway has ended the
 * session, it ends here too.
 * @param rejected the token that the gateway rejected; if it was already replaced, the current token is returned
 * @throws CombinedGraphQLErrors, TypeError if the renewal failed but may succeed later
 */
export async function renewAccessToken(rejected?: string | null): Promise<string | null> {
  if (access && rejected != null && access.token !== rejected) return access.token;
  renewal ??= renew().finally(() => {
    renewal = null;
  });
  return renewal;
}

async function renew(): Promise<string | null> {
  const refreshToken = sessionStorage.getItem(storageKey);
  if (refreshToken === null) return null;
  try {
    const refreshSession = resultOf((await execute(RefreshSessionDocument, { refreshToken })).refreshSession);
    // The user signed out in the meantime.
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
  const lifetimeMs = Date.parse(accessTokenExpiresAt) - Date.now();
  // If the local clock is wrong, the token is renewed after the gateway rejects it.
  access = { token, renewAtMs: lifetimeMs > 0 ? Date.now() + lifetimeMs * renewAfter : Infinity };
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
