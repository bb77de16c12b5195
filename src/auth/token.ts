import { createHash, createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { Role, SCOPES, type AuthenticatedViewer, type AnonymousViewer } from './viewer.js';

const algorithm = 'HS256';
const issuer = 'auspex';
const audience = 'auspex:graphql';
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

/** Signs and verifies access tokens: short-lived JWTs (RFC 7519) with one pinned algorithm, issuer, audience and type. */
export class TokenSigner {
  readonly #key: KeyObject;
  readonly #verified = new LRUCache<string, { viewer: AuthenticatedViewer; expiresAtMs: number }>({
    max: maxCachedTokens,
  });

  constructor(
    secret: string,
    readonly ttlSeconds: number,
  ) {
    // A key object: for a string jsonwebtoken first tries createPublicKey, which throws, on every call.
    this.#key = createSecretKey(Buffer.from(secret));
  }

  sign({ userId, role, employeeId, sessionId }: TokenOwner): { token: string; expiresAt: Date } {
    const issuedAt = Math.floor(Date.now() / 1000);
    const claims = { typ: type, role, sid: sessionId, emp: employeeId, iat: issuedAt };
    const token = jwt.sign(claims, this.#key, {
      algorithm,
      issuer,
      audience,
      subject: userId,
      expiresIn: this.ttlSeconds,
    });
    return { token, expiresAt: new Date((issuedAt + this.ttlSeconds) * 1000) };
  }

  /** Verifies an access token. @returns its viewer, or an anonymous one with the reason if the token is invalid. Never throws. */
  verify(token: string): AuthenticatedViewer | AnonymousViewer {
    const digest = hashToken(token);
    const cached = this.#verified.get(digest);
    if (cached && cached.expiresAtMs > Date.now()) return cached.viewer;
    try {
      const claims = claimsSchema.parse(jwt.verify(token, this.#key, { algorithms: [algorithm], issuer, audience }));
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
      const isExpired = error instanceof jwt.TokenExpiredError;
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
export const hashToken = (token: string): string => createHash('sha256').update(token).digest('hex');
