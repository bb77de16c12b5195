import { hash, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { entryLimit } from '../cache/entry-limit.js';
import { InvalidToken, SigningKeys, type TokenKind } from './signing-keys.js';
import { Role, SCOPES, type AuthenticatedViewer, type AnonymousViewer } from './viewer.js';

const type = 'access';

/** Verified tokens are cached until they expire, so that a client's token is verified once. */
const maxCachedTokens = 10_000;

const claimsSchema = z.object({
  sub: z.uuid(),
  typ: z.literal(type),
  role: z.enum(Role),
  sid: z.uuid(),
  emp: z.uuid().nullable(),
  exp: z.number(),
});

/** What an access token identifies. */
export interface TokenOwner {
  userId: string;
  role: Role;
  employeeId: string | null;
  sessionId: string;
}

/** Signs and verifies access tokens: short-lived JWTs (RFC 7519, RFC 9068). */
export class TokenSigner {
  readonly #keys: SigningKeys;
  readonly #kind: TokenKind;
  readonly #verified = new LRUCache<string, { viewer: AuthenticatedViewer; expiresAtMs: number }>(
    entryLimit(maxCachedTokens),
  );

  /** @param keys a text is a secret of HS256 */
  constructor(
    keys: SigningKeys | string,
    readonly ttlSeconds: number,
  ) {
    this.#keys = typeof keys === 'string' ? new SigningKeys({ secrets: [keys] }) : keys;
    // Changes of credentials are known for this long: a token that lives longer could not be revoked.
    this.#kind = { type: 'at+jwt', audience: 'auspex:graphql', maxLifetimeSeconds: ttlSeconds };
  }

  sign({ userId, role, employeeId, sessionId }: TokenOwner): { token: string; expiresAt: Date } {
    const issuedAt = Math.floor(Date.now() / 1000);
    const claims = { typ: type, role, sid: sessionId, emp: employeeId, sub: userId };
    const token = this.#keys.sign(claims, this.#kind, issuedAt, this.ttlSeconds);
    return { token, expiresAt: new Date((issuedAt + this.ttlSeconds) * 1000) };
  }

  /** Verifies an access token. @returns its viewer, or an anonymous one with the reason if the token is invalid. Never throws. */
  verify(token: string): AuthenticatedViewer | AnonymousViewer {
    const digest = hashToken(token);
    const cached = this.#verified.get(digest);
    if (cached && cached.expiresAtMs > Date.now()) return cached.viewer;
    try {
      const claims = claimsSchema.parse(this.#keys.verify(token, this.#kind));
      const { sub: userId, role, sid: credentialId, emp: employeeId } = claims;
      const viewer: AuthenticatedViewer = {
        kind: 'session',
        userId,
        role,
        employeeId,
        credentialId,
        scopes: SCOPES,
        expiresAt: new Date(claims.exp * 1000),
      };
      this.#verified.set(digest, { viewer, expiresAtMs: claims.exp * 1000 });
      return viewer;
    } catch (error) {
      const isExpired = error instanceof InvalidToken && error.isExpired;
      return {
        kind: 'anonymous',
        reason: isExpired
          ? 'The access token has expired; refresh the session.'
          : 'The access token is not valid; sign in again.',
      };
    }
  }
}

/** An opaque token of 256 random bits. */
export const randomToken = (): string => randomBytes(32).toString('base64url');

/** SHA-256 in hex, for storage. Tokens are random: a salt or a slow hash would add nothing. */
export const hashToken = (token: string): string => hash('sha256', token);
