import { createHmac, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Role } from '../../src/auth/viewer.js';
import { codesOf, startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { serviceClientId, startIdentityProvider, type TestProvider } from '../support/identity-provider.js';
import { addPerson, setRole, type Person } from '../support/people.js';
import { openEvents } from '../support/streams.js';

const audience = 'https://auspex.example.com/api';
const link = 'mutation ($id: ID!, $subject: String) { setUserIdentity(userId: $id, subject: $subject) { id } }';

const read = (
  gateway: TestGateway,
  token: string,
  document = '{ employees(first: 1) { nodes { name } } me { id role } }',
) => gateway.execute<AnyData>({ token }, document);

describe('access tokens of a certified provider', () => {
  let provider: TestProvider;
  let gateway: TestGateway;
  let service: Person;
  beforeAll(async () => {
    provider = await startIdentityProvider('http://127.0.0.1:9', audience);
    gateway = await startGateway({ OIDC_ISSUER: provider.issuer, OIDC_API_AUDIENCE: audience });
    service = await addPerson(gateway, Role.MANAGER);
  });
  afterAll(async () => {
    await gateway.close();
    await provider.stop();
  });

  it('are accepted once an administrator has linked the subject to an account', async () => {
    const token = await provider.serviceToken();
    expect(codesOf(await read(gateway, token))).toEqual(['UNAUTHENTICATED']);
    expect((await gateway.execute('admin', link, { id: service.id, subject: serviceClientId })).errors).toEqual([]);
    expect((await read(gateway, token)).data?.me).toEqual({ id: service.id, role: 'MANAGER' });
  });

  it('have the scopes that the provider granted, and manage no accounts', async () => {
    const token = await provider.serviceToken();
    const lacking = await read(gateway, token, '{ predictions(first: 1) { nodes { id } } }');
    expect([codesOf(lacking), lacking.errors[0]?.message]).toEqual([
      ['FORBIDDEN'],
      'This access token lacks the scope predict.',
    ]);
    const granted = await provider.serviceToken({ scope: 'employees:read predict' });
    expect((await read(gateway, granted, '{ predictions(first: 1) { nodes { id } } }')).errors).toEqual([]);
    for (const mutation of [
      'logout { remainingCount }',
      'createApiKey(name: "x", scopes: ["predict"]) { secret }',
      'deleteEmployee(id: "employee_00000000000000000000000000") { remainingCount }',
    ])
      expect(codesOf(await read(gateway, granted, `mutation { ${mutation} }`))).toEqual(['FORBIDDEN']);
    expect(codesOf(await read(gateway, granted, '{ apiKeys { id } }'))).toEqual(['FORBIDDEN']);
  });

  it('follow the role, the activity and the link of the account at once', async () => {
    const token = await provider.serviceToken();
    await setRole(gateway, service, Role.USER);
    expect((await read(gateway, token)).data?.me.role).toBe('USER');
    const active =
      'mutation ($id: ID!, $isActive: Boolean!) { setUserActive(userId: $id, isActive: $isActive) { id } }';
    await gateway.execute('admin', active, { id: service.id, isActive: false });
    expect(codesOf(await read(gateway, token))).toEqual(['UNAUTHENTICATED']);
    await gateway.execute('admin', active, { id: service.id, isActive: true });
    expect((await read(gateway, token)).errors).toEqual([]);
    await gateway.execute('admin', link, { id: service.id, subject: null });
    expect(codesOf(await read(gateway, token))).toEqual(['UNAUTHENTICATED']);
    await gateway.execute('admin', link, { id: service.id, subject: serviceClientId });
  });

  it('open streams, which end with the account', async () => {
    const token = await provider.serviceToken();
    const { received, rejection } = await openEvents(gateway.url, {
      headers: { authorization: `Bearer ${token}` },
      body: { query: 'subscription { employeeChanged { kind } }' },
    });
    expect(rejection).toBeNull();
    const active =
      'mutation ($id: ID!, $isActive: Boolean!) { setUserActive(userId: $id, isActive: $isActive) { id } }';
    await gateway.execute('admin', active, { id: service.id, isActive: false });
    expect(await received.ended).toBe('complete');
    expect(received.results).toEqual([
      { errors: [{ message: 'The account is switched off.', extensions: { code: 'UNAUTHENTICATED' } }] },
    ]);
    await gateway.execute('admin', active, { id: service.id, isActive: true });
  });

  it('of another audience are rejected', async () => {
    const token = await provider.serviceToken({ audience: 'https://other.example.com' });
    expect(codesOf(await read(gateway, token, '{ me { id } }'))).toEqual(['UNAUTHENTICATED']);
  });

  it('are not logged', async () => {
    const token = await provider.serviceToken();
    await read(gateway, token);
    expect(JSON.stringify(gateway.logs)).not.toContain(token.split('.')[2]);
  });
});

describe('an issuer with any keys', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ed25519 = generateKeyPairSync('ed25519');
  const jwk = ({ publicKey }: { publicKey: KeyObject }, kid: string) => ({
    ...publicKey.export({ format: 'jwk' }),
    kid,
    use: 'sig',
  });

  let issuer: string;
  let server: Server;
  let keys: object[] = [jwk(rsa, 'one')];
  let keyReads = 0;
  let mode: 'up' | 'failing' | 'hanging' | 'huge' = 'up';
  let gateway: TestGateway;
  beforeAll(async () => {
    server = createServer((request, response) => {
      response.setHeader('content-type', 'application/json');
      if (request.url !== '/keys') {
        response.end(JSON.stringify({ issuer, jwks_uri: `${issuer}/keys` }));
        return;
      }
      keyReads += 1;
      if (mode === 'up') response.end(JSON.stringify({ keys }));
      if (mode === 'huge') response.end(JSON.stringify({ keys, padding: 'x'.repeat(300_000) }));
      if (mode === 'failing') response.writeHead(503).end('{}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    gateway = await startGateway({ OIDC_ISSUER: issuer, OIDC_API_AUDIENCE: audience });
    const person = await addPerson(gateway);
    await gateway.execute('admin', link, { id: person.id, subject: 'service' });
  });
  afterAll(async () => {
    await gateway.close();
    server.closeAllConnections();
    server.close();
  });

  const now = (): number => Math.floor(Date.now() / 1000);
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = (changed: object = {}): object => ({
    iss: issuer,
    sub: 'service',
    aud: audience,
    iat: now(),
    exp: now() + 600,
    ...changed,
  });
  const forge = (header: object, payload: object, signed: (text: Buffer) => Buffer): string => {
    const text = `${part(header)}.${part(payload)}`;
    return `${text}.${signed(Buffer.from(text)).toString('base64url')}`;
  };
  const rs256 =
    ({ privateKey }: { privateKey: KeyObject }, hash = 'sha256') =>
    (text: Buffer): Buffer =>
      sign(hash, text, privateKey);
  const header = { alg: 'RS256', typ: 'at+jwt', kid: 'one' };
  const me = async (token: string) => codesOf(await read(gateway, token, '{ me { id } }'));

  it('is trusted for tokens of its keys', async () => {
    for (const typ of ['at+jwt', 'application/at+jwt', 'JWT', undefined])
      expect(await me(forge({ ...header, typ }, claims(), rs256(rsa)))).toEqual([]);
    expect(await me(forge(header, claims({ aud: ['other', audience] }), rs256(rsa)))).toEqual([]);
  });

  const spki = rsa.publicKey.export({ type: 'spki', format: 'pem' });
  it.each<[string, () => string]>([
    ['another key under its ID', () => forge(header, claims(), rs256(other))],
    ['no signature', () => `${part({ ...header, alg: 'none' })}.${part(claims())}.`],
    [
      'an HMAC with the public key',
      () => forge({ ...header, alg: 'HS256' }, claims(), (text) => createHmac('sha256', spki).update(text).digest()),
    ],
    ['an algorithm that is not listed', () => forge({ ...header, alg: 'RS512' }, claims(), rs256(rsa, 'sha512'))],
    ['a critical extension', () => forge({ ...header, crit: ['x'], x: 1 }, claims(), rs256(rsa))],
    ['the type of a logout token', () => forge({ ...header, typ: 'logout+jwt' }, claims(), rs256(rsa))],
    ['another audience', () => forge(header, claims({ aud: 'auspex' }), rs256(rsa))],
    ['no audience', () => forge(header, claims({ aud: undefined }), rs256(rsa))],
    ['no subject', () => forge(header, claims({ sub: undefined }), rs256(rsa))],
    ['an empty subject', () => forge(header, claims({ sub: '' }), rs256(rsa))],
    ['a subject that is not linked', () => forge(header, claims({ sub: 'nobody' }), rs256(rsa))],
    ['no expiry', () => forge(header, claims({ exp: undefined }), rs256(rsa))],
    ['no time of issue', () => forge(header, claims({ iat: undefined }), rs256(rsa))],
    ['a lifetime over the maximum', () => forge(header, claims({ exp: now() + 7200 }), rs256(rsa))],
    [
      'a time of issue in the future',
      () => forge(header, claims({ iat: now() + 3600, exp: now() + 3660 }), rs256(rsa)),
    ],
    ['an expiry in the past', () => forge(header, claims({ iat: now() - 60, exp: now() - 1 }), rs256(rsa))],
    ['a start in the future', () => forge(header, claims({ nbf: now() + 600 }), rs256(rsa))],
    ['the issuer of the gateway', () => forge(header, claims({ iss: 'auspex' }), rs256(rsa))],
    ['another issuer', () => forge(header, claims({ iss: `${issuer}/` }), rs256(rsa))],
    ['a key in the header', () => forge({ ...header, kid: 'mine', jwk: jwk(other, 'mine') }, claims(), rs256(other))],
  ])('is not trusted for a token with %s', async (_name, make) => {
    expect(await me(make())).toEqual(['UNAUTHENTICATED']);
  });

  it('is not read again for each unknown key', async () => {
    const before = keyReads;
    const tokens = Array.from({ length: 30 }, (_none, index) =>
      forge({ ...header, kid: `unknown-${index}` }, claims(), rs256(other)),
    );
    for (const codes of await Promise.all(tokens.map(me))) expect(codes).toEqual(['UNAUTHENTICATED']);
    expect(keyReads - before).toBeLessThanOrEqual(1);
  });

  it('may be down once its keys are known', async () => {
    mode = 'hanging';
    expect(await me(forge(header, claims(), rs256(rsa)))).toEqual([]);
    expect(await me(forge({ ...header, kid: 'new' }, claims(), rs256(other)))).toEqual(['UNAUTHENTICATED']);
    expect(await me(await gateway.tokenOf('user'))).toEqual([]);
    mode = 'up';
  });

  it.each(['failing', 'hanging', 'huge'] as const)(
    'does not stall a gateway while its keys are unknown and it is %s',
    async (state) => {
      mode = state;
      const fresh = await startGateway({ OIDC_ISSUER: issuer, OIDC_API_AUDIENCE: audience });
      try {
        const before = keyReads;
        const token = forge(header, claims(), rs256(rsa));
        const rejected = Promise.all(Array.from({ length: 10 }, () => read(fresh, token, '{ me { id } }')));
        expect((await read(fresh, await fresh.tokenOf('user'))).errors).toEqual([]);
        for (const response of await rejected) {
          expect(codesOf(response)).toEqual(['UNAUTHENTICATED']);
          expect(response.errors[0]?.message).toContain('cannot be read now');
        }
        expect(codesOf(await read(fresh, token, '{ me { id } }'))).toEqual(['UNAUTHENTICATED']);
        expect(keyReads - before).toBe(1);
      } finally {
        mode = 'up';
        await fresh.close();
      }
    },
  );

  it('may rotate its keys', async () => {
    keys = [jwk(ed25519, 'two'), jwk(rsa, 'one')];
    const fresh = await startGateway({ OIDC_ISSUER: issuer, OIDC_API_AUDIENCE: audience });
    try {
      const person = await addPerson(fresh);
      await fresh.execute('admin', link, { id: person.id, subject: 'service' });
      const eddsa = forge({ alg: 'EdDSA', typ: 'at+jwt', kid: 'two' }, claims(), (text) =>
        sign(null, text, ed25519.privateKey),
      );
      for (const token of [eddsa, forge(header, claims(), rs256(rsa))])
        expect((await read(fresh, token, '{ me { id } }')).data?.me.id).toBe(person.id);
    } finally {
      await fresh.close();
    }
  });
});
