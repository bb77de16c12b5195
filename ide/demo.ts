/** Accounts of the demo data, with their published password. */
export interface Demo {
  accounts: { email: string; role: string }[];
  password: string;
}

/** Set by the gateway; null if there are no demo accounts. */
export const demo = JSON.parse(document.documentElement.dataset.demo ?? 'null') as Demo | null;

/** What the URL requests, as the landing page links to it: `#sign-in=user@example.com&operation=Models`. */
export interface Arrival {
  /** The demo account to sign in with. */
  email: string | null;
  /** The operation name of the example to open. */
  operation: string | null;
  /** Whether to start a sign-in with the identity provider. */
  startsProviderSignIn: boolean;
  /** The code of a sign-in that has returned from the identity provider. */
  signInCode: string | null;
  /** Why such a sign-in was rejected. */
  signInError: string | null;
}

/** Reads the request in the URL and removes it, so that a reload or a sign-out does not repeat it. */
export function takeArrival(): Arrival {
  const requested = new URLSearchParams(location.hash.slice(1));
  if (location.hash !== '') history.replaceState(null, '', location.pathname + location.search);
  const email = requested.get('sign-in');
  const isDemo = demo?.accounts.some((account) => account.email === email) === true;
  return {
    email: isDemo ? email : null,
    operation: requested.get('operation'),
    startsProviderSignIn: requested.get('sign-in-with') === 'provider',
    signInCode: requested.get('sign_in_code'),
    signInError: requested.get('sign_in_error'),
  };
}
