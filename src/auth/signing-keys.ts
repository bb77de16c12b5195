import {
  createHash,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  sign,
  verify,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto';
import jwt from 'jsonwebtoken';
import { z } from 'zod';

/** What a token is for. Tokens of one kind are rejected as another, by type and audience (RFC 8725, 3.9 and 3.11). */
export interface TokenKind {
  /** The header `typ`. */
  type: string;
  audience: string;
  /** Longest lifetime of an accepted token. */
  maxLifetimeSeconds: number;
}

/** A key pair of the configuration. Without the private key it only verifies. */
export interface AsymmetricKey {
  privateKey: KeyObject | null;
  publicKey: KeyObject;
}

export interface KeyMaterial {
  /** Keys of HS256, the newest first. */
  secrets?: readonly string[];
  /** Key pairs of RS256 (RSA) and EdDSA (Ed25519). If there are any, the first one signs. */
  pairs?: readonly AsymmetricKey[];
}

/** A public key as services that verify tokens read it (RFC 7517). */
export type PublicJwk = JsonWebKey & { kid: string; alg: string; use: 'sig' };

/** A token is not valid, or no longer. */
export class InvalidToken extends Error {
  constructor(readonly isExpired = false) {
    super(isExpired ? 'The token has expired.' : 'The token is not valid.');
    this.name = 'InvalidToken';
  }
}

interface Key {
  alg: 'HS256' | 'RS256' | 'EdDSA';
  /** Undefined for secrets: an identifier would be a hash of the secret. */
  kid: string | undefined;
  signing: KeyObject | null;
  verifying: KeyObject;
}

/** The issuer of every token that the gateway signs. */
const issuer = 'auspex';

/** The clocks of replicas may differ by this much. */
const clockSkewSeconds = 60;

const maxTokenLength = 8192;

/** Strict: a header that changes how a token is read, such as `crit`, `jwk` or `b64`, makes it invalid (RFC 8725, 3.10). */
const headerSchema = z.strictObject({ alg: z.string(), typ: z.string(), kid: z.string().optional() });

const registeredClaims = z.looseObject({
  iss: z.literal(issuer),
  aud: z.string(),
  iat: z.int(),
  exp: z.int(),
  nbf: z.int().optional(),
});

/**
 * The keys that sign and verify the gateway's tokens. The first one signs and all verify, so that a key is replaced without
 * signing users out. Each key has one algorithm, and a token is verified only by keys of its algorithm and ID.
 */
export class SigningKeys {
  readonly #keys: readonly Key[];
  readonly #signing: Key & { signing: KeyObject };

  /** @throws Error without a key that signs */
  constructor({ secrets = [], pairs = [] }: KeyMaterial) {
    this.#keys = [...pairs.map(keyOfPair), ...secrets.map(keyOfSecret)];
    const [first] = this.#keys;
    if (!first?.signing) throw new Error('The first signing key must be a private key or a secret.');
    this.#signing = { ...first, signing: first.signing };
  }

  /** Public keys, for services that verify tokens themselves. Secrets have none. */
  get publicKeys(): PublicJwk[] {
    return this.#keys.flatMap(({ alg, kid, verifying }) =>
      kid === undefined ? [] : [{ ...verifying.export({ format: 'jwk' }), kid, alg, use: 'sig' }],
    );
  }

  /** Signs claims as a token of the kind. @param issuedAt seconds since 1970 */
  sign(claims: object, { type, audience }: TokenKind, issuedAt: number, lifetimeSeconds: number): string {
    const { alg, kid, signing } = this.#signing;
    const header = { alg, typ: type, ...(kid === undefined ? {} : { kid }) };
    const payload = { ...claims, iss: issuer, aud: audience, iat: issuedAt, exp: issuedAt + lifetimeSeconds };
    if (alg !== 'EdDSA') return jwt.sign(payload, signing, { algorithm: alg, header });
    // jsonwebtoken does not support Ed25519 (RFC 8037).
    const signed = `${encoded(header)}.${encoded(payload)}`;
    return `${signed}.${sign(null, Buffer.from(signed), signing).toString('base64url')}`;
  }

  /**
   * Verifies a token of the kind: its header, signature, issuer, audience and times.
   * @returns all claims
   * @throws InvalidToken
   */
  verify(token: string, kind: TokenKind): Record<string, unknown> {
    const [header, payload, signature, ...rest] = token.length > maxTokenLength ? [] : token.split('.');
    if (!header || !payload || !signature || rest.length > 0) throw new InvalidToken();
    const { alg, typ, kid } = parsed(headerSchema, header);
    if (typ !== kind.type) throw new InvalidToken();
    const candidates = this.#keys.filter((key) => key.alg === alg && key.kid === kid);
    if (!candidates.some((key) => isSignedBy(key, { token, signed: `${header}.${payload}`, signature })))
      throw new InvalidToken();
    const claims = parsed(registeredClaims, payload);
    checkTimes(claims, kind);
    if (claims.aud !== kind.audience) throw new InvalidToken();
    return claims;
  }
}

function checkTimes(
  { iat, exp, nbf = 0 }: { iat: number; exp: number; nbf?: number | undefined },
  { maxLifetimeSeconds }: TokenKind,
): void {
  const now = Date.now() / 1000;
  if (exp - iat > maxLifetimeSeconds || iat > now + clockSkewSeconds || nbf > now) throw new InvalidToken();
  if (exp <= now) throw new InvalidToken(true);
}

const keyOfSecret = (secret: string): Key => {
  // A key object: for a string jsonwebtoken first tries createPublicKey, which throws, on every call.
  const key = createSecretKey(Buffer.from(secret));
  return { alg: 'HS256', kid: undefined, signing: key, verifying: key };
};

const keyOfPair = ({ privateKey, publicKey }: AsymmetricKey): Key => ({
  alg: publicKey.asymmetricKeyType === 'ed25519' ? 'EdDSA' : 'RS256',
  kid: thumbprintOf(publicKey),
  signing: privateKey,
  verifying: publicKey,
});

/** The thumbprint of a public key (RFC 7638), so that a key has the same ID in every replica. */
function thumbprintOf(key: KeyObject): string {
  const { crv, e, kty, n, x } = key.export({ format: 'jwk' });
  const members = kty === 'RSA' ? { e, kty, n } : { crv, kty, x };
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url');
}

interface SignedText {
  token: string;
  signed: string;
  signature: string;
}

function isSignedBy({ alg, verifying }: Key, { token, signed, signature }: SignedText): boolean {
  if (alg === 'EdDSA')
    return (
      /^[\w-]{86}$/.test(signature) && verify(null, Buffer.from(signed), verifying, Buffer.from(signature, 'base64url'))
    );
  try {
    // The times are checked for every algorithm in one place.
    jwt.verify(token, verifying, { algorithms: [alg], ignoreExpiration: true, ignoreNotBefore: true });
    return true;
  } catch {
    return false;
  }
}

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Parses a part of a token. @throws InvalidToken */
function parsed<Value>(schema: z.ZodType<Value>, part: string): Value {
  try {
    return schema.parse(JSON.parse(Buffer.from(part, 'base64url').toString()));
  } catch {
    throw new InvalidToken();
  }
}

/** Why keys cannot be used; never a part of their text. */
export class KeyTextError extends Error {}

const maxPairs = 10;
const minRsaBits = 2048;
const pemBlock = /-----BEGIN ([A-Z ]{1,40})-----[\w+/=\s]{1,20000}-----END \1-----/g;

/**
 * Reads keys in PEM form, one after another: private keys, or public keys that only verify.
 * @throws KeyTextError
 */
export function parseKeyPairs(text: string): AsymmetricKey[] {
  const blocks = text.match(pemBlock) ?? [];
  if (blocks.length === 0 || blocks.length > maxPairs || text.replaceAll(pemBlock, '').trim() !== '')
    throw new KeyTextError(
      `must be 1 to ${maxPairs} keys in PEM form; create one with: openssl genpkey -algorithm ed25519`,
    );
  const pairs = blocks.map(keyPairOf);
  if (pairs[0]?.privateKey === null) throw new KeyTextError('must start with a private key, which signs');
  return pairs;
}

function keyPairOf(pem: string, index: number): AsymmetricKey {
  const name = `key ${index + 1}`;
  const isPublic = pem.startsWith('-----BEGIN PUBLIC KEY');
  const pair = readPem(pem, isPublic);
  if (pair === null) throw new KeyTextError(`contains ${name}, which cannot be read; use unencrypted PKCS #8 or SPKI`);
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = pair.publicKey;
  if (type !== 'ed25519' && type !== 'rsa') throw new KeyTextError(`contains ${name}, which must be Ed25519 or RSA`);
  if (type === 'rsa' && (details?.modulusLength ?? 0) < minRsaBits)
    throw new KeyTextError(`contains ${name}, an RSA key of less than ${minRsaBits} bits`);
  return pair;
}

function readPem(pem: string, isPublic: boolean): AsymmetricKey | null {
  try {
    return isPublic
      ? { privateKey: null, publicKey: createPublicKey(pem) }
      : { privateKey: createPrivateKey(pem), publicKey: createPublicKey(pem) };
  } catch {
    return null;
  }
}
