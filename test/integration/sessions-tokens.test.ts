import { createHmac, generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import jwt from 'jsonwebtoken';
import { Role } from '../../src/auth/viewer.js';
import { newId } from '../../src/database/base.entity.js';
import { codesOf, startGateway, type AnyData, type TestGateway } from '../support/gateway.js';

const secret = 'vT5rQ0xYw8LkZp3BnM6sHd1FgJc9aEuI2o';
const base64url = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

let gateway: TestGateway;
let adminId: string;
beforeAll(async () => {
  gateway = await startGateway({ JWT_SECRET: secret });
  const admin = await gateway.db
    .selectFrom('user_account')
    .select('id')
    .where('email', '=', 'admin@example.com')
    .executeTakeFirstOrThrow();
  adminId = admin.id;
});
afterAll(() => gateway.close());

/** The claims of a valid token, with changes; `undefined` omits a claim. */
function claims(changed: Record<string, unknown> = {}): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1000);
  const valid: Record<string, unknown> = {
    sub: adminId,
    typ: 'access',
    role: Role.ADMIN,
    sid: newId(),
    emp: null,
    iss: 'auspex',
    aud: 'auspex:graphql',
    iat: now,
    exp: now + 600,
    ...changed,
  };
  return Object.fromEntries(Object.entries(valid).filter(([, value]) => value !== undefined));
}

/** Signs a token by hand, with any header and claims. */
function forge(
  header: Record<string, unknown>,
  payload: Record<string, unknown>,
  key = secret,
  hash = 'sha256',
): string {
  const signed = `${base64url(header)}.${base64url(payload)}`;
  return `${signed}.${createHmac(hash, key).update(signed).digest('base64url')}`;
}
const hs256 = { alg: 'HS256', typ: 'at+jwt' };

const queryAs = (authorization: string) =>
  gateway.execute<AnyData>(null, '{ users(first: 1) { nodes { email } } }', {}, { authorization });

async function expectRejected(authorization: string): Promise<void> {
  const response = await queryAs(authorization);
  expect({ codes: codesOf(response), status: response.status, data: response.data ?? null }).toEqual({
    codes: ['UNAUTHENTICATED'],
    status: 401,
    data: null,
  });
}

describe('an access token', () => {
  it('is accepted if it is valid', async () => {
    const response = await queryAs(`Bearer ${forge(hs256, claims())}`);
    expect(response.errors).toEqual([]);
    expect((await queryAs(`bearer   ${forge(hs256, claims())}`)).errors).toEqual([]);
  });

  it.each([
    ['another secret', () => forge(hs256, claims(), 'another secret of a fair length')],
    ['an empty secret', () => forge(hs256, claims(), '')],
    ['the algorithm none', () => `${base64url({ alg: 'none', typ: 'at+jwt' })}.${base64url(claims())}.`],
    ['the algorithm nOnE and a signature', () => forge({ alg: 'nOnE', typ: 'at+jwt' }, claims())],
    ['HS512 with the right secret', () => forge({ alg: 'HS512', typ: 'at+jwt' }, claims(), secret, 'sha512')],
    ['HS384 with the right secret', () => forge({ alg: 'HS384', typ: 'at+jwt' }, claims(), secret, 'sha384')],
    ['the header RS256 over an HMAC', () => forge({ alg: 'RS256', typ: 'at+jwt' }, claims())],
    [
      'a real RS256 signature',
      () =>
        jwt.sign(claims(), generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey, {
          algorithm: 'RS256',
          header: { alg: 'RS256', typ: 'at+jwt' },
        }),
    ],
    [
      'a key in the header',
      () => forge({ ...hs256, jwk: { kty: 'oct', k: 'YQ' }, kid: '../../dev/null' }, claims(), 'a'),
    ],
    ['no signature', () => `${forge(hs256, claims()).split('.').slice(0, 2).join('.')}.`],
    ['the type of another token', () => forge({ alg: 'HS256', typ: 'JWT' }, claims())],
    ['a critical extension', () => forge({ ...hs256, crit: ['exp'] }, claims())],
    ['a lifetime longer than configured', () => forge(hs256, claims({ exp: Math.floor(Date.now() / 1000) + 86_400 }))],
    ['two parts', () => forge(hs256, claims()).split('.').slice(0, 2).join('.')],
    ['another issuer', () => forge(hs256, claims({ iss: 'elsewhere' }))],
    ['no issuer', () => forge(hs256, claims({ iss: undefined }))],
    ['another audience', () => forge(hs256, claims({ aud: 'auspex:admin' }))],
    ['no audience', () => forge(hs256, claims({ aud: undefined }))],
    ['another type', () => forge(hs256, claims({ typ: 'refresh' }))],
    ['no type', () => forge(hs256, claims({ typ: undefined }))],
    ['no subject', () => forge(hs256, claims({ sub: undefined }))],
    ['a subject that is not an id', () => forge(hs256, claims({ sub: "' or 1=1 --" }))],
    ['no role', () => forge(hs256, claims({ role: undefined }))],
    ['an unknown role', () => forge(hs256, claims({ role: 'ROOT' }))],
    ['a list of roles', () => forge(hs256, claims({ role: ['ADMIN'] }))],
    ['no session', () => forge(hs256, claims({ sid: undefined }))],
    ['no employee claim', () => forge(hs256, claims({ emp: undefined }))],
    ['no expiry', () => forge(hs256, claims({ exp: undefined }))],
    ['an expiry that is text', () => forge(hs256, claims({ exp: '99999999999' }))],
    ['an expiry in the past', () => forge(hs256, claims({ exp: Math.floor(Date.now() / 1000) - 1 }))],
    ['a start (nbf) in the future', () => forge(hs256, claims({ nbf: Math.floor(Date.now() / 1000) + 60 }))],
    ['claims that are a list', () => forge(hs256, [claims()] as unknown as Record<string, unknown>)],
    ['garbage', () => 'garbage'],
    ['garbage in three parts', () => 'a.b.c'],
    ['15 kilobytes of garbage', () => 'x'.repeat(15_000)],
  ])('is rejected with %s', async (_name, make) => {
    await expectRejected(`Bearer ${make()}`);
  });

  it('is rejected if its payload was changed after signing', async () => {
    const [header = '', , signature = ''] = forge(hs256, claims({ role: Role.USER })).split('.');
    await expectRejected(`Bearer ${header}.${base64url(claims({ role: Role.ADMIN }))}.${signature}`);
  });

  it('is rejected with the signature of a token that was accepted before', async () => {
    const valid = forge(hs256, claims());
    expect((await queryAs(`Bearer ${valid}`)).errors).toEqual([]);
    const [header = '', , signature = ''] = valid.split('.');
    await expectRejected(`Bearer ${header}.${base64url(claims({ sub: newId() }))}.${signature}`);
    expect((await queryAs(`Bearer ${valid}`)).errors).toEqual([]);
  });

  it.each(['', 'Bearer', 'Bearer ', 'Basic YWRtaW46YWRtaW4=', 'Token', 'Bearer a b', 'null', 'undefined'])(
    'is rejected as the header %j with the reason',
    async (authorization) => {
      const response = await queryAs(authorization);
      expect(codesOf(response)).toEqual(['UNAUTHENTICATED']);
      expect(response.errors[0]?.message).toMatch(/Bearer/);
    },
  );

  it('is not read from cookies, other headers or the URL', async () => {
    const valid = forge(hs256, claims());
    for (const headers of [
      { cookie: `token=${valid}; accessToken=${valid}` },
      { 'x-access-token': valid },
      { 'x-api-key': valid },
    ]) {
      expect(codesOf(await gateway.execute(null, '{ me { id } }', {}, headers))).toEqual(['UNAUTHENTICATED']);
    }
    const response = await fetch(`${gateway.url}?query=${encodeURIComponent('{ me { id } }')}&access_token=${valid}`, {
      headers: { 'apollo-require-preflight': '1' },
    });
    expect(await response.json()).toMatchObject({
      data: { me: null },
      errors: [{ extensions: { code: 'UNAUTHENTICATED' } }],
    });
  });

  it('of 200 kB is rejected before it is read, and the gateway keeps serving', async () => {
    const response = await fetch(gateway.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${'x'.repeat(200_000)}` },
      body: JSON.stringify({ query: '{ me { id } }' }),
    });
    expect(response.status).toBe(431);
    await response.text();
    expect((await queryAs(`Bearer ${forge(hs256, claims())}`)).errors).toEqual([]);
  });

  it('reports its expiry, so that a client knows to refresh', async () => {
    const response = await queryAs(`Bearer ${forge(hs256, claims({ exp: Math.floor(Date.now() / 1000) - 60 }))}`);
    expect(response.errors[0]?.message).toBe('The access token has expired; refresh the session.');
  });

  it('is rejected beside an API key', async () => {
    const valid = forge(hs256, claims());
    const response = await gateway.execute(
      null,
      '{ me { id } }',
      {},
      { authorization: `Bearer ${valid}`, 'x-api-key': 'auspex_nothing' },
    );
    expect(codesOf(response)).toEqual(['UNAUTHENTICATED']);
    expect(response.errors[0]?.message).toContain('not both');
  });

  it('does not prevent a sign-in if it is invalid', async () => {
    const response = await gateway.execute<AnyData>(
      null,
      'mutation { login(input: { email: "user@example.com", password: "auspex-demo-2026" }) { user { email } } }',
      {},
      { authorization: 'Bearer garbage' },
    );
    expect(response.data?.login.user.email).toBe('user@example.com');
  });
});
