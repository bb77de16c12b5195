/** The identity provider of the gateway; null if it has none. Set by the gateway. */
export const provider = JSON.parse(document.documentElement.dataset.provider ?? 'null') as { name: string } | null;

/** In sessionStorage, so that only this tab can exchange the code. */
const verifierKey = 'auspex:sign-in-verifier';

/** Leaves the page for the identity provider, which returns to it with a code in the fragment. */
export async function startProviderSignIn(): Promise<void> {
  const verifier = base64url(crypto.getRandomValues(new Uint8Array(32)));
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier));
  sessionStorage.setItem(verifierKey, verifier);
  const start = new URL('sign-in/start', document.baseURI);
  start.search = new URLSearchParams({
    return_to: location.origin + location.pathname,
    challenge: base64url(new Uint8Array(digest)),
  }).toString();
  location.assign(start);
}

/** Returns the verifier of the sign-in that this tab started, once; null if it started none. */
export function takeVerifier(): string | null {
  const verifier = sessionStorage.getItem(verifierKey);
  sessionStorage.removeItem(verifierKey);
  return verifier;
}

const base64url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');

/** What the user can do about a sign-in that the gateway rejected. */
export const signInProblem = (code: string): string => problems[code] ?? 'The sign-in was rejected. Try again.';

const problems: Record<string, string> = {
  declined: 'The sign-in was cancelled.',
  provider_unavailable: 'The identity provider is unavailable. Try again in a minute.',
  overloaded: 'The gateway is overloaded. Try again in a minute.',
  email_not_verified: 'Your e-mail address is not verified at the identity provider. Verify it there, then try again.',
  account_exists: 'An account with your e-mail address exists. An administrator can link it to the identity provider.',
  account_missing: 'You have no account here. Contact an administrator.',
  account_inactive: 'Your account is switched off. Contact an administrator.',
};
