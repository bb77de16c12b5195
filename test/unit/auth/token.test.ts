import { createHash, createHmac } from 'node:crypto';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import jwt from 'jsonwebtoken';
import { hashToken, randomToken, TokenSigner } from '../../../src/auth/token.js';
import { Role, SCOPES } from '../../../src/auth/viewer.js';

const secret = 'vT5rQ0xYw8LkZp3BnM6sHd1FgJc9aEuI2o';
const owner = {
  userId: '0195b1c2-0000-7000-8000-000000000001',
  role: Role.MANAGER,
  employeeId: '0195b1c2-0000-7000-8000-000000000002',
  sessionId: '0195b1c2-0000-7000-8000-000000000003',
};
const invalid = { kind: 'anonymous', reason: 'The access token is not valid; sign in again.' };
const expired = { kind: 'anonymous', reason: 'The access token has expired; refresh the session.' };
const viewer = {
  kind: 'session',
  userId: owner.userId,
  role: Role.MANAGER,
  employeeId: owner.employeeId,
  credentialId: owner.sessionId,
  scopes: SCOPES,
  expiresAt: expect.any(Date),
};

/** Signs a valid token by hand, with changed claims; `undefined` omits a claim. */
function forge(changed: Record<string, unknown> = {}, header: Record<string, unknown> = {}, hash = 'sha256'): string {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    sub: owner.userId,
    typ: 'access',
    role: owner.role,
    sid: owner.sessionId,
    emp: owner.employeeId,
    iss: 'auspex',
    aud: 'auspex:graphql',
    iat: now,
    exp: now + 900,
    ...changed,
  };
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256', typ: 'at+jwt', ...header })}.${part(claims)}`;
  return `${signed}.${createHmac(hash, secret).update(signed).digest('base64url')}`;
}

afterEach(() => {
  jest.restoreAllMocks();
});

describe('TokenSigner', () => {
  it('verifies a signed token and returns its viewer with every scope', () => {
    const signer = new TokenSigner(secret, 900);
    expect(signer.verify(signer.sign(owner).token)).toEqual(viewer);
    expect(signer.verify(signer.sign({ ...owner, employeeId: null }).token)).toEqual({ ...viewer, employeeId: null });
  });

  it('returns the expiry that the token contains', () => {
    const { token, expiresAt } = new TokenSigner(secret, 900).sign(owner);
    const claims = jwt.decode(token) as jwt.JwtPayload;
    expect((claims.exp ?? 0) * 1000).toBe(expiresAt.getTime());
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(900);
    expect(new TokenSigner(secret, 900).verify(token)).toMatchObject({ expiresAt });
  });

  it('signs no claims beyond identity and type', () => {
    const { token } = new TokenSigner(secret, 900).sign(owner);
    expect(jwt.decode(token, { complete: true })?.header).toEqual({ alg: 'HS256', typ: 'at+jwt' });
    expect(Object.keys(jwt.decode(token) as object).sort()).toEqual([
      'aud',
      'emp',
      'exp',
      'iat',
      'iss',
      'role',
      'sid',
      'sub',
      'typ',
    ]);
  });

  it('accepts a valid token signed by hand, which the tests of invalid ones rely on', () => {
    expect(new TokenSigner(secret, 900).verify(forge())).toEqual(viewer);
  });

  it('accepts a token of another signer only if it has the same secret', () => {
    const { token } = new TokenSigner(secret, 900).sign(owner);
    expect(new TokenSigner(secret, 900).verify(token)).toEqual(viewer);
    expect(new TokenSigner(`${secret}x`, 900).verify(token)).toEqual(invalid);
  });

  it.each(['sub', 'typ', 'role', 'sid', 'emp', 'iss', 'aud', 'iat', 'exp'])('rejects a token without %s', (claim) => {
    expect(new TokenSigner(secret, 900).verify(forge({ [claim]: undefined }))).toEqual(invalid);
  });

  it.each([
    ['sub', 'nobody'],
    ['sub', 5],
    ['typ', 'refresh'],
    ['role', 'ROOT'],
    ['role', 'admin'],
    ['sid', ''],
    ['emp', ''],
    ['emp', 'all'],
    ['iss', 'Auspex'],
    ['aud', 'auspex'],
    ['aud', []],
    ['exp', '9999999999'],
    ['exp', null],
    ['nbf', 9_999_999_999],
    ['nbf', 'soon'],
  ])('rejects a token whose %s is %j', (claim, value) => {
    expect(new TokenSigner(secret, 900).verify(forge({ [claim]: value }))).toEqual(invalid);
  });

  it.each(['none', 'None', 'HS384', 'HS512', 'RS256', 'ES256', 'PS256', '', null, ['HS256']])(
    'rejects the algorithm %j',
    (alg) => {
      expect(new TokenSigner(secret, 900).verify(forge({}, { alg }))).toEqual(invalid);
    },
  );

  it.each(['384', '512'])('rejects HS%s despite a valid signature', (bits) => {
    expect(new TokenSigner(secret, 900).verify(forge({}, { alg: `HS${bits}` }, `sha${bits}`))).toEqual(invalid);
  });

  it.each(['', '.', '..', 'a', 'a.b', 'a.b.c', 'e30.e30.', '{}', 'null', '\0', 'x'.repeat(1_000_000)])(
    'never throws on malformed text',
    (token) => {
      expect(new TokenSigner(secret, 900).verify(token)).toEqual(invalid);
    },
  );

  it('rejects an expired token that it has verified before', () => {
    const signer = new TokenSigner(secret, 900);
    const start = Date.now();
    const { token, expiresAt } = signer.sign(owner);
    expect(signer.verify(token)).toEqual(viewer);
    const now = jest.spyOn(Date, 'now').mockReturnValue(expiresAt.getTime() - 1);
    expect(signer.verify(token)).toEqual(viewer);
    now.mockReturnValue(expiresAt.getTime());
    expect(signer.verify(token)).toEqual(expired);
    now.mockReturnValue(start);
    expect(signer.verify(token)).toEqual(viewer);
  });

  it('caches a verified token, but not for a text that differs in one character', () => {
    const verify = jest.spyOn(jwt, 'verify');
    const signer = new TokenSigner(secret, 900);
    const { token } = signer.sign(owner);
    for (let call = 0; call < 3; call++) expect(signer.verify(token)).toEqual(viewer);
    expect(verify).toHaveBeenCalledTimes(1);
    expect(signer.verify(`${token.slice(0, -2)}AA`)).toEqual(invalid);
    expect(verify).toHaveBeenCalledTimes(2);
  });

  it('does not cache an invalid token', () => {
    const verify = jest.spyOn(jwt, 'verify');
    const signer = new TokenSigner(secret, 900);
    for (let call = 0; call < 3; call++) signer.verify(`${forge().slice(0, -2)}AA`);
    expect(verify).toHaveBeenCalledTimes(3);
  });
});

describe('opaque tokens', () => {
  it('have 256 random bits and are stored as their SHA-256', () => {
    const tokens = Array.from({ length: 1000 }, randomToken);
    expect(new Set(tokens).size).toBe(1000);
    for (const token of tokens) expect(Buffer.from(token, 'base64url')).toHaveLength(32);
    expect(hashToken('a')).toBe(createHash('sha256').update('a').digest('hex'));
  });
});
