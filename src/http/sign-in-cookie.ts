import type { SigningKeys, TokenKind } from '../auth/signing-keys.js';
import { z } from 'zod';

const pendingSchema = z.object({
  state: z.string(),
  nonce: z.string(),
  codeVerifier: z.string(),
  returnTo: z.string(),
  challenge: z.string(),
});

/** A sign-in that has begun: what the response of the provider must match, and where it returns. */
export type PendingSignIn = z.infer<typeof pendingSchema>;

/** Time to sign in at the provider. */
const lifetimeSeconds = 600;

const kind: TokenKind = { type: 'sign-in+jwt', audience: 'auspex:sign-in', maxLifetimeSeconds: lifetimeSeconds };

/** Binds a sign-in to its browser by a signed cookie, so that no memory of the gateway grows with sign-ins that have begun. */
export class SignInCookie {
  readonly #keys: SigningKeys;
  readonly #name: string;
  readonly #attributes: string;

  /** @param isSecure whether browsers reach the gateway over https: the prefix `__Host-` then keeps other hosts from setting it */
  constructor(keys: SigningKeys, isSecure: boolean) {
    this.#keys = keys;
    this.#name = isSecure ? '__Host-auspex-sign-in' : 'auspex-sign-in';
    // Lax: the provider returns by a navigation from its site.
    this.#attributes = `Path=/; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`;
  }

  /** The `Set-Cookie` header of a sign-in that begins. */
  start(pending: PendingSignIn): string {
    const value = this.#keys.sign(pending, kind, Math.floor(Date.now() / 1000), lifetimeSeconds);
    return `${this.#name}=${value}; Max-Age=${lifetimeSeconds}; ${this.#attributes}`;
  }

  /** The `Set-Cookie` header that removes the cookie. */
  get removal(): string {
    return `${this.#name}=; Max-Age=0; ${this.#attributes}`;
  }

  /** Reads the sign-in from a `Cookie` header; null if there is none, or it has expired or was changed. */
  read(header: string | undefined): PendingSignIn | null {
    const prefix = `${this.#name}=`;
    const cookie = header?.split(';').find((pair) => pair.trimStart().startsWith(prefix));
    if (cookie === undefined) return null;
    try {
      return pendingSchema.parse(this.#keys.verify(cookie.trimStart().slice(prefix.length), kind));
    } catch {
      return null;
    }
  }
}
