import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { TokenSigner } from '../../src/auth/token.js';
import { codesOf, startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { problemsOf } from '../support/config.js';

const pem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const ed25519 = generateKeyPairSync('ed25519');
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ JWT_PRIVATE_KEYS: pem(ed25519.privateKey) + pem(rsa.privateKey) });
});
afterAll(() => gateway.close());

const keySetUrl = (): URL => new URL('/.well-known/jwks.json', gateway.url);
const me = (token: string) => gateway.execute<AnyData>({ token }, '{ me { email } }');

describe('a gateway with key pairs', () => {
  it('signs with the first key, which its key set publishes', async () => {
    const { token } = await gateway.signIn('user');
    expect((await me(token)).data?.me.email).toBe('user@example.com');
    const { payload } = await jwtVerify(token, createRemoteJWKSet(keySetUrl()), {
      issuer: 'auspex',
      audience: 'auspex:graphql',
    });
    expect(payload.role).toBe('USER');
    expect(decodeProtectedHeader(token).alg).toBe('EdDSA');
    const response = await fetch(keySetUrl());
    expect(response.headers.get('cache-control')).toBe('public, max-age=300');
    const { keys } = (await response.json()) as { keys: Record<string, unknown>[] };
    expect(keys.map(({ alg, use }) => [alg, use])).toEqual([
      ['EdDSA', 'sig'],
      ['RS256', 'sig'],
    ]);
    expect(JSON.stringify(keys)).not.toMatch(/"(?:d|p|q|k)":/);
  });

  it('accepts tokens of the secret until it is removed, and rejects an HMAC with a public key', async () => {
    const ofSecret = await gateway.tokenOf('user');
    expect(decodeProtectedHeader(ofSecret).alg).toBe('HS256');
    expect((await me(ofSecret)).errors).toEqual([]);
    const payload = ofSecret.split('.')[1] ?? '';
    for (const { publicKey } of [ed25519, rsa]) {
      const spki = publicKey.export({ type: 'spki', format: 'pem' });
      const { kid } = decodeProtectedHeader((await gateway.signIn('user')).token);
      for (const header of [{ alg: 'HS256' }, { alg: 'HS256', kid }, { alg: 'EdDSA', kid }, { alg: 'none', kid }]) {
        const signed = `${Buffer.from(JSON.stringify({ ...header, typ: 'at+jwt' })).toString('base64url')}.${payload}`;
        const forged = `${signed}.${createHmac('sha256', spki).update(signed).digest('base64url')}`;
        expect(codesOf(await me(forged))).toEqual(['UNAUTHENTICATED']);
      }
    }
  });

  it('logs no part of a key', () => {
    const logged = JSON.stringify(gateway.logs);
    for (const { privateKey } of [ed25519, rsa]) expect(logged).not.toContain(pem(privateKey).split('\n')[1]);
  });
});

describe('a gateway with a secret', () => {
  it('accepts tokens of the previous secret and publishes no key set', async () => {
    const previous = 'Zk7mQ2xYw8LkZp3BnM6sHd1FgJc9aEuX4p';
    const other = await startGateway({ JWT_PREVIOUS_SECRET: previous });
    try {
      const user = await other.db
        .selectFrom('user_account')
        .selectAll()
        .where('email', '=', 'user@example.com')
        .executeTakeFirstOrThrow();
      const owner = { userId: user.id, role: user.role, employeeId: user.employee_id, sessionId: user.id };
      const email = '{ me { email } }';
      expect(
        (await other.execute<AnyData>({ token: new TokenSigner(previous, 900).sign(owner).token }, email)).errors,
      ).toEqual([]);
      const unknown = new TokenSigner(`${previous}x`, 900).sign(owner).token;
      expect(codesOf(await other.execute({ token: unknown }, email))).toEqual(['UNAUTHENTICATED']);
      expect((await fetch(new URL('/.well-known/jwks.json', other.url))).status).toBe(404);
    } finally {
      await other.close();
    }
  });
});

describe('the configuration of keys', () => {
  const production = { NODE_ENV: 'production', DATABASE_URL: 'postgresql://u:p@db.example.com/auspex' };

  it('accepts key pairs instead of a secret in production', () => {
    expect(problemsOf({ ...production, JWT_PRIVATE_KEYS: pem(rsa.privateKey) })).toEqual([]);
    expect(problemsOf(production)).toHaveLength(1);
  });

  it('rejects weak and damaged keys without their text', () => {
    const problems = problemsOf({ JWT_PREVIOUS_SECRET: 'changeme-canary', JWT_PRIVATE_KEYS: 'canary' });
    expect(problems.map((problem) => problem.split(' ')[0]).sort()).toEqual([
      'JWT_PREVIOUS_SECRET',
      'JWT_PRIVATE_KEYS',
    ]);
    expect(problems.join(' ')).not.toContain('canary');
  });
});
