import { createHmac, generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import jwt from 'jsonwebtoken';
import { Role } from '../../src/auth/viewer.js';
import { newId } from '../../src/database/base.entity.js';
import { codesOf, startGateway, type Any, type TestGateway } from '../kit/gateway.js';

const secret = 'vT5rQ0xYw8LkZp3BnM6sHd1FgJc9aEuI2o';
const base64url = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

let gateway: TestGateway;
let adminId: string;
beforeAll(async () => {
  gateway = await startGateway({ JWT_SECRET: secret });
  const admin = await gateway.db.selectFrom('user_account').select('id').where('email', '=', 'admin@example.com').executeTakeFirstOrThrow();
  adminId = admin.id;
});
afterAll(() => gateway.close());

/** The claims of a token that is good, to be spoilt one at a time. */
function claims(changed: Record<string, unknown> = {}): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1000);
  const good: Record<string, unknown> = { sub: adminId, typ: 'access', role: Role.ADMIN, sid: newId(), emp: null, iss: 'auspex', aud: 'auspex:graphql', iat: now, exp: now + 600, ...changed };
  return Object.fromEntries(Object.entries(good).filter(([, value]) => value !== undefined));
}

/** A token made by hand, so that any header and any claims are possible. */
function forge(header: Record<string, unknown>, payload: Record<string, unknown>, key = secret, hash = 'sha256'): string {
  const signed = `${base64url(header)}.${base64url(payload)}`;
  return `${signed}.${createHmac(hash, key).update(signed).digest('base64url')}`;
}
const hs256 = { alg: 'HS256', typ: 'JWT' };

const askAs = (authorization: string) => gateway.ask<Any>(null, '{ users(first: 1) { nodes { email } } }', {}, { authorization });

async function expectRefused(authorization: string): Promise<void> {
  const answer = await askAs(authorization);
  expect({ codes: codesOf(answer), status: answer.status, data: answer.data ?? null }).toEqual({ codes: ['UNAUTHENTICATED'], status: 401, data: null });
}

describe('an access token', () => {
  it('is let in where all is right with it', async () => {
    const answer = await askAs(`Bearer ${forge(hs256, claims())}`);
    expect(answer.errors).toEqual([]);
    expect((await askAs(`bearer   ${forge(hs256, claims())}`)).errors).toEqual([]);
  });

  it.each([
    ['another secret', () => forge(hs256, claims(), 'another secret of a fair length')],
    ['an empty secret', () => forge(hs256, claims(), '')],
    ['the algorithm none', () => `${base64url({ alg: 'none', typ: 'JWT' })}.${base64url(claims())}.`],
    ['the algorithm nOnE and a signature', () => forge({ alg: 'nOnE', typ: 'JWT' }, claims())],
    ['HS512 with the right secret', () => forge({ alg: 'HS512', typ: 'JWT' }, claims(), secret, 'sha512')],
    ['HS384 with the right secret', () => forge({ alg: 'HS384', typ: 'JWT' }, claims(), secret, 'sha384')],
    ['the header RS256 over an HMAC', () => forge({ alg: 'RS256', typ: 'JWT' }, claims())],
    ['a real RS256 signature', () => jwt.sign(claims(), generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey, { algorithm: 'RS256' })],
    ['a key of its own in the header', () => forge({ ...hs256, jwk: { kty: 'oct', k: 'YQ' }, kid: '../../dev/null' }, claims(), 'a')],
    ['no signature', () => `${forge(hs256, claims()).split('.').slice(0, 2).join('.')}.`],
    ['two parts', () => forge(hs256, claims()).split('.').slice(0, 2).join('.')],
    ['another issuer', () => forge(hs256, claims({ iss: 'elsewhere' }))],
    ['no issuer', () => forge(hs256, claims({ iss: undefined }))],
    ['another audience', () => forge(hs256, claims({ aud: 'auspex:admin' }))],
    ['no audience', () => forge(hs256, claims({ aud: undefined }))],
    ['another type', () => forge(hs256, claims({ typ: 'refresh' }))],
    ['no type', () => forge(hs256, claims({ typ: undefined }))],
    ['no subject', () => forge(hs256, claims({ sub: undefined }))],
    ['a subject that is no id', () => forge(hs256, claims({ sub: "' or 1=1 --" }))],
    ['no role', () => forge(hs256, claims({ role: undefined }))],
    ['an unknown role', () => forge(hs256, claims({ role: 'ROOT' }))],
    ['a list of roles', () => forge(hs256, claims({ role: ['ADMIN'] }))],
    ['no session', () => forge(hs256, claims({ sid: undefined }))],
    ['no employee claim', () => forge(hs256, claims({ emp: undefined }))],
    ['no expiry', () => forge(hs256, claims({ exp: undefined }))],
    ['an expiry that is text', () => forge(hs256, claims({ exp: '99999999999' }))],
    ['an expiry in the past', () => forge(hs256, claims({ exp: Math.floor(Date.now() / 1000) - 1 }))],
    ['a beginning in the future', () => forge(hs256, claims({ nbf: Math.floor(Date.now() / 1000) + 60 }))],
    ['claims that are a list', () => forge(hs256, [claims()] as unknown as Record<string, unknown>)],
    ['garbage', () => 'garbage'],
    ['garbage in three parts', () => 'a.b.c'],
    ['15 kilobytes of garbage', () => 'x'.repeat(15_000)],
  ])('is refused with %s', async (_name, make) => {
    await expectRefused(`Bearer ${make()}`);
  });

  it('is refused where its payload was changed after signing', async () => {
    const [header = '', , signature = ''] = forge(hs256, claims({ role: Role.USER })).split('.');
    await expectRefused(`Bearer ${header}.${base64url(claims({ role: Role.ADMIN }))}.${signature}`);
  });

  it('is refused where another token with its signature was let in before', async () => {
    const good = forge(hs256, claims());
    expect((await askAs(`Bearer ${good}`)).errors).toEqual([]);
    const [header = '', , signature = ''] = good.split('.');
    await expectRefused(`Bearer ${header}.${base64url(claims({ sub: newId() }))}.${signature}`);
    expect((await askAs(`Bearer ${good}`)).errors).toEqual([]);
  });

  it.each(['', 'Bearer', 'Bearer ', 'Basic YWRtaW46YWRtaW4=', 'Token', 'Bearer a b', 'null', 'undefined'])('is refused as the header %j, with the reason', async (authorization) => {
    const answer = await askAs(authorization);
    expect(codesOf(answer)).toEqual(['UNAUTHENTICATED']);
    expect(answer.errors[0]?.message).toMatch(/Bearer/);
  });

  it('is not read from where other schemes put it', async () => {
    const good = forge(hs256, claims());
    for (const headers of [{ cookie: `token=${good}; accessToken=${good}` }, { 'x-access-token': good }, { 'x-api-key': good }]) {
      expect(codesOf(await gateway.ask(null, '{ me { id } }', {}, headers))).toEqual(['UNAUTHENTICATED']);
    }
    const response = await fetch(`${gateway.url}?query=${encodeURIComponent('{ me { id } }')}&access_token=${good}`, { headers: { 'apollo-require-preflight': '1' } });
    expect(response.status).toBe(401);
  });

  it('of enormous size is turned away before it is read, and the gateway lives on', async () => {
    const response = await fetch(gateway.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${'x'.repeat(200_000)}` },
      body: JSON.stringify({ query: '{ me { id } }' }),
    });
    expect(response.status).toBe(431);
    await response.text();
    expect((await askAs(`Bearer ${forge(hs256, claims())}`)).errors).toEqual([]);
  });

  it('says that it has expired, so that a client knows to refresh', async () => {
    const answer = await askAs(`Bearer ${forge(hs256, claims({ exp: Math.floor(Date.now() / 1000) - 60 }))}`);
    expect(answer.errors[0]?.message).toBe('The access token has expired; refresh the session.');
  });

  it('is refused beside an API key, whichever of them is good', async () => {
    const good = forge(hs256, claims());
    const answer = await gateway.ask(null, '{ me { id } }', {}, { authorization: `Bearer ${good}`, 'x-api-key': 'auspex_nothing' });
    expect(codesOf(answer)).toEqual(['UNAUTHENTICATED']);
    expect(answer.errors[0]?.message).toContain('not both');
  });

  it('that is no good still lets a stranger sign in', async () => {
    const answer = await gateway.ask<Any>(null, 'mutation { login(input: { email: "user@example.com", password: "auspex-demo-2026" }) { user { email } } }', {}, { authorization: 'Bearer garbage' });
    expect(answer.data?.login.user.email).toBe('user@example.com');
  });
});
