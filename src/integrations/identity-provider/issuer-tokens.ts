import { createLocalJWKSet, decodeJwt, errors, jwtVerify, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { boundedFetch } from './bounded-fetch.js';
import { providerTimeoutSeconds, type ProviderMetadata } from './provider-metadata.js';
import { ProviderUnavailable, SharedFetch } from './shared-fetch.js';
import { isSubject } from './subject.js';

export interface IssuerTokenOptions {
  metadata: ProviderMetadata;
  audience: string;
  /** Signature algorithms that are accepted: asymmetric ones only. */
  algorithms: string[];
  maxLifetimeSeconds: number;
}

/** What an access token of the issuer identifies. */
export interface IssuerTokenClaims {
  issuer: string;
  subject: string;
  scopes: readonly string[];
  expiresAt: Date;
}

/** Why a token is not accepted. */
export type IssuerTokenProblem = 'invalid' | 'expired' | 'unavailable';

/** Access tokens by RFC 9068; many providers write `JWT` or nothing. Others, such as logout tokens, are rejected. */
const types = new Set(['at+jwt', 'application/at+jwt', 'jwt', undefined]);

const maxTokenLength = 16_384;
const clockSkewSeconds = 60;

/** Unknown keys cause at most one read of the key set within this time. */
const keyCooldownMs = 30_000;

/** Verifies access tokens of the identity provider (RFC 9068), by its published keys. */
export class IssuerTokens {
  readonly #keys: SharedFetch<JWTVerifyGetKey>;

  constructor(private readonly options: IssuerTokenOptions) {
    const { logFailure } = options.metadata;
    this.#keys = new SharedFetch(() => this.#readKeys(), { cooldownMs: keyCooldownMs, onFailure: logFailure });
  }

  /** Whether a token claims to be of the issuer. It may be forged. */
  claims(token: string): boolean {
    if (token.length > maxTokenLength) return false;
    try {
      return decodeJwt(token).iss === this.options.metadata.issuer;
    } catch {
      return false;
    }
  }

  /** Verifies a token. Never throws, and waits for the provider only if its keys are not known. */
  async verify(token: string): Promise<IssuerTokenClaims | { problem: IssuerTokenProblem }> {
    try {
      return await this.#verified(token, await this.#keys.value());
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) return { problem: problemOf(error) };
    }
    try {
      return await this.#verified(token, await this.#keys.newer());
    } catch (error) {
      return { problem: problemOf(error) };
    }
  }

  async #verified(token: string, keys: JWTVerifyGetKey): Promise<IssuerTokenClaims | { problem: IssuerTokenProblem }> {
    const { metadata, audience, algorithms, maxLifetimeSeconds } = this.options;
    const { payload, protectedHeader } = await jwtVerify(token, keys, {
      issuer: metadata.issuer,
      audience,
      algorithms,
      clockTolerance: clockSkewSeconds,
      requiredClaims: ['sub', 'iat', 'exp'],
    });
    const { sub = '', iat = 0, exp = 0 } = payload;
    const isTooLong = exp - iat > maxLifetimeSeconds || iat > Date.now() / 1000 + clockSkewSeconds;
    const isOtherType = !types.has(protectedHeader.typ?.toLowerCase());
    if (isTooLong || isOtherType || !isSubject(sub)) return { problem: 'invalid' };
    if (exp <= Date.now() / 1000) return { problem: 'expired' };
    const scopes = [payload.scope, payload.scp].flatMap(scopesIn);
    return { issuer: metadata.issuer, subject: sub, scopes, expiresAt: new Date(exp * 1000) };
  }

  async #readKeys(): Promise<JWTVerifyGetKey> {
    const { metadata } = this.options;
    const { jwks_uri: url } = await metadata.read();
    const isSafe = url?.startsWith('https:') === true || metadata.issuer.startsWith('http:');
    if (url === undefined || !isSafe) throw new Error('the provider publishes no keys over https');
    const signal = AbortSignal.timeout(providerTimeoutSeconds * 1000);
    const response = await boundedFetch(url, { headers: { accept: 'application/json' }, redirect: 'manual', signal });
    if (response.status !== 200) throw new Error(`the provider responded with ${response.status}`);
    return createLocalJWKSet((await response.json()) as JSONWebKeySet);
  }
}

/** Scopes as RFC 8693 and as Microsoft Entra ID write them. */
const scopesIn = (value: unknown): string[] => {
  if (typeof value === 'string') return value.split(' ', 100);
  return Array.isArray(value) ? value.filter((scope) => typeof scope === 'string').slice(0, 100) : [];
};

function problemOf(error: unknown): IssuerTokenProblem {
  if (error instanceof errors.JWTExpired) return 'expired';
  return error instanceof ProviderUnavailable ? 'unavailable' : 'invalid';
}
