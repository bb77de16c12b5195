import { createHash, createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { Role, SCOPES, type KnownViewer, type Stranger } from './viewer.js';

const algorithm = 'HS256';
const issuer = 'auspex';
const audience = 'auspex:graphql';
const type = 'access';

/** Verified tokens remembered until they expire, so that a busy client is verified once. */
const maxRememberedTokens = 10_000;

const claimsSchema = z.object({
  sub: z.uuid(),
  typ: z.literal(type),
  role: z.enum(Role),
  sid: z.uuid(),
  emp: z.uuid().nullable(),
  exp: z.number(),
});

/** Who an access token is made for. */
export interface TokenOwner {
  userId: string;
  role: Role;
  employeeId: string | null;
  sessionId: string;
}

/** Signs and verifies access tokens: short-lived JWTs (RFC 7519) with one pinned algorithm, issuer, audience and type. */
export class TokenSigner {
  readonly #key: KeyObject;
  readonly #verified = new LRUCache<string, { viewer: KnownViewer; expiresAtMs: number }>({ max: maxRememberedTokens });

  constructor(
    secret: string,
    readonly ttlSeconds: number,
  ) {
    // A key object: jsonwebtoken takes a string through createPublicKey first, which throws, on every call.
    this.#key = createSecretKey(Buffer.from(secret));
  }

  sign({ userId, role, employeeId, sessionId }: TokenOwner): { token: string; expiresAt: Date } {
    const issuedAt = Math.floor(Date.now() / 1000);
    const claims = { typ: type, role, sid: sessionId, emp: employeeId, iat: issuedAt };
    const token = jwt.sign(claims, this.#key, { algorithm, issuer, audience, subject: userId, expiresIn: this.ttlSeconds });
    return { token, expiresAt: new Date((issuedAt + this.ttlSeconds) * 1000) };
  }

  /** Whose token it is, or a stranger with the reason why it is no good. Never throws. */
  verify(token: string): KnownViewer | Stranger {
    const digest = hashToken(token);
    const known = this.#verified.get(digest);
    if (known && known.expiresAtMs > Date.now()) return known.viewer;
    try {
      const claims = claimsSchema.parse(jwt.verify(token, this.#key, { algorithms: [algorithm], issuer, audience }));
      const { sub: userId, role, sid: credentialId, emp: employeeId } = claims;
      const viewer: KnownViewer = { kind: 'session', userId, role, employeeId, credentialId, scopes: SCOPES, expiresAt: new Date(claims.exp * 1000) };
      this.#verified.set(digest, { viewer, expiresAtMs: claims.exp * 1000 });
      return viewer;
    } catch (error) {
      const isExpired = error instanceof jwt.TokenExpiredError;
      return { kind: 'stranger', reason: isExpired ? 'The access token has expired; refresh the session.' : 'The access token is not valid; sign in again.' };
    }
  }
}

/** An opaque token of 256 random bits. */
export const randomToken = (): string => randomBytes(32).toString('base64url');

/** How tokens are stored: SHA-256 in hex. They are random already, so that salt and slowness would add nothing. */
export const hashToken = (token: string): string => createHash('sha256').update(token).digest('hex');
