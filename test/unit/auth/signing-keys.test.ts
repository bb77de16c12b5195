import { createHmac, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { calculateJwkThumbprint, createLocalJWKSet, jwtVerify } from 'jose';
import { InvalidToken, KeyTextError, parseKeyPairs, SigningKeys } from '../../../src/auth/signing-keys.js';

const secret = 'vT5rQ0xYw8LkZp3BnM6sHd1FgJc9aEuI2o';
const previousSecret = 'Zk7mQ2xYw8LkZp3BnM6sHd1FgJc9aEuX4p';
const kind = { type: 'at+jwt', audience: 'auspex:graphql', maxLifetimeSeconds: 900 };
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ed25519 = generateKeyPairSync('ed25519');
const other = generateKeyPairSync('ed25519');
const pairs = { rsa, ed25519 };

const privatePem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const publicPem = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }).toString();
const now = (): number => Math.floor(Date.now() / 1000);
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

const claims = (changed: object = {}): object => ({
  sub: 'someone',
  iss: 'auspex',
  aud: 'auspex:graphql',
  iat: now(),
  exp: now() + 900,
  ...changed,
});

/** Signs by hand, with any header. */
function forge(header: object, payload: object, signed: (text: Buffer) => Buffer): string {
  const text = `${part(header)}.${part(payload)}`;
  return `${text}.${signed(Buffer.from(text)).toString('base64url')}`;
}

const hmac =
  (key: string | Buffer) =>
  (text: Buffer): Buffer =>
    createHmac('sha256', key).update(text).digest();
const rs256 = (text: Buffer): Buffer => sign('sha256', text, rsa.privateKey);
const eddsa = (text: Buffer): Buffer => sign(null, text, ed25519.privateKey);

const kidOf = (keys: SigningKeys, index = 0): string => keys.publicKeys[index]?.kid ?? '';
const sub = (keys: SigningKeys, token: string): unknown => keys.verify(token, kind).sub;

describe.each([
  ['rsa', 'RS256', rs256],
  ['ed25519', 'EdDSA', eddsa],
] as const)('a key pair of %s', (name, alg, signed) => {
  const keys = new SigningKeys({ pairs: [pairs[name]] });
  const header = { alg, typ: 'at+jwt', kid: kidOf(keys) };

  it('signs tokens that another library verifies with the published key', async () => {
    const token = keys.sign({ sub: 'someone' }, kind, now(), 900);
    const verified = await jwtVerify(token, createLocalJWKSet({ keys: keys.publicKeys }), {
      algorithms: [alg],
      issuer: 'auspex',
      audience: 'auspex:graphql',
      typ: 'at+jwt',
    });
    expect(verified.protectedHeader).toEqual({ alg, typ: 'at+jwt', kid: kidOf(keys) });
    expect(verified.payload.sub).toBe('someone');
  });

  it('has its thumbprint as the ID and publishes no private part', async () => {
    const [key] = keys.publicKeys;
    expect(key?.kid).toBe(await calculateJwkThumbprint(key ?? {}));
    expect(Object.keys(key ?? {})).toEqual(expect.arrayContaining(['kty', 'alg', 'use']));
    for (const secretPart of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) expect(key).not.toHaveProperty(secretPart);
  });

  it('verifies a token that was signed by hand, which the tests of forged ones rely on', () => {
    expect(sub(keys, forge(header, claims(), signed))).toBe('someone');
  });

  it.each([
    ['no ID', { kid: undefined }],
    ['an unknown ID', { kid: 'another' }],
    ['the algorithm none', { alg: 'none' }],
    ['the other algorithm', { alg: alg === 'RS256' ? 'EdDSA' : 'RS256' }],
    ['another hash', { alg: 'RS512' }],
    ['no type', { typ: undefined }],
    ['another type', { typ: 'JWT' }],
    ['a critical extension', { crit: ['exp'] }],
    ['an empty list of critical extensions', { crit: [] }],
    ['an unencoded payload', { b64: false, crit: ['b64'] }],
    ['a key in the header', { jwk: other.publicKey.export({ format: 'jwk' }) }],
    ['the address of a key', { jku: 'http://127.0.0.1:9/keys' }],
  ])('rejects a header with %s', (_name, changed) => {
    expect(() => keys.verify(forge({ ...header, ...changed }, claims(), signed), kind)).toThrow(InvalidToken);
  });

  it.each([
    ['PEM', (key: KeyObject) => publicPem(key)],
    ['DER', (key: KeyObject) => key.export({ type: 'spki', format: 'der' })],
    ['JWK', (key: KeyObject) => JSON.stringify(key.export({ format: 'jwk' }))],
  ])('rejects an HMAC with the public key in %s', (_name, exported) => {
    const both = new SigningKeys({ secrets: [secret], pairs: [pairs[name]] });
    const key = exported(pairs[name].publicKey);
    for (const forgedAlg of ['HS256', alg])
      for (const kid of [kidOf(keys), undefined])
        expect(() => both.verify(forge({ ...header, alg: forgedAlg, kid }, claims(), hmac(key)), kind)).toThrow(
          InvalidToken,
        );
  });

  it('rejects a signature of another key, a changed one and none', () => {
    const forged = forge(header, claims(), (text) =>
      sign(
        name === 'rsa' ? 'sha256' : null,
        text,
        name === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey : other.privateKey,
      ),
    );
    const valid = forge(header, claims(), signed);
    const [head = '', , signature = ''] = valid.split('.');
    for (const token of [
      forged,
      `${valid.slice(0, -4)}AAAA`,
      `${valid}AA`,
      `${head}.${part(claims({ sub: 'another' }))}.${signature}`,
      `${head}.${valid.split('.')[1]}.`,
      `${head}.${valid.split('.')[1]}`,
    ])
      expect(() => keys.verify(token, kind)).toThrow(InvalidToken);
  });

  it.each([
    ['a lifetime over the maximum', { exp: now() + 901 + 900 }],
    ['no expiry', { exp: undefined }],
    ['no time of issue', { iat: undefined }],
    ['a time of issue in the future', { iat: now() + 3600, exp: now() + 4000 }],
    ['a start in the future', { nbf: now() + 3600 }],
    ['a time that is text', { exp: String(now() + 900) }],
    ['another issuer', { iss: 'https://elsewhere.example.com' }],
    ['another audience', { aud: 'auspex:sign-in' }],
    ['several audiences', { aud: ['auspex:graphql', 'other'] }],
  ])('rejects %s', (_name, changed) => {
    expect(() => keys.verify(forge(header, claims(changed), signed), kind)).toThrow(InvalidToken);
  });

  it('rejects a token of another kind', () => {
    const another = { ...kind, type: 'another+jwt' };
    const elsewhere = { ...kind, audience: 'auspex:elsewhere' };
    for (const one of [another, elsewhere])
      expect(() => keys.verify(keys.sign({}, one, now(), 60), kind)).toThrow(InvalidToken);
  });

  it('reports an expired token as expired', () => {
    const expired = forge(header, claims({ iat: now() - 60, exp: now() - 1 }), signed);
    expect(() => keys.verify(expired, kind)).toThrow(expect.objectContaining({ isExpired: true }));
  });
});

describe('rotation', () => {
  const before = new SigningKeys({ pairs: [rsa] });
  const announced = new SigningKeys({ pairs: [rsa, { privateKey: null, publicKey: ed25519.publicKey }] });
  const after = new SigningKeys({ pairs: [ed25519, { privateKey: null, publicKey: rsa.publicKey }] });
  const done = new SigningKeys({ pairs: [ed25519] });
  const tokenOf = (keys: SigningKeys): string => keys.sign({ sub: 'someone' }, kind, now(), 900);

  it('signs with the first key, and verifies by all', () => {
    expect(sub(announced, tokenOf(before))).toBe('someone');
    expect(sub(announced, tokenOf(after))).toBe('someone');
    expect(sub(after, tokenOf(announced))).toBe('someone');
    expect(announced.publicKeys.map(({ alg }) => alg)).toEqual(['RS256', 'EdDSA']);
  });

  it('rejects the tokens of a key that was removed', () => {
    expect(() => done.verify(tokenOf(before), kind)).toThrow(InvalidToken);
    expect(sub(done, tokenOf(after))).toBe('someone');
  });

  it('accepts the previous secret, and signs with the current one', () => {
    const old = new SigningKeys({ secrets: [previousSecret] });
    const rotated = new SigningKeys({ secrets: [secret, previousSecret] });
    expect(sub(rotated, tokenOf(old))).toBe('someone');
    expect(sub(new SigningKeys({ secrets: [secret] }), tokenOf(rotated))).toBe('someone');
    expect(() => old.verify(tokenOf(rotated), kind)).toThrow(InvalidToken);
    expect(rotated.publicKeys).toEqual([]);
  });

  it('continues to accept tokens of the secret once key pairs sign', () => {
    const both = new SigningKeys({ secrets: [secret], pairs: [ed25519] });
    expect(sub(both, tokenOf(new SigningKeys({ secrets: [secret] })))).toBe('someone');
    expect(JSON.parse(Buffer.from(tokenOf(both).split('.')[0] ?? '', 'base64url').toString())).toMatchObject({
      alg: 'EdDSA',
    });
  });
});

describe('keys in PEM form', () => {
  it('are read one after another, with text around them removed', () => {
    const text = `${privatePem(ed25519.privateKey)}\n${privatePem(rsa.privateKey)}${publicPem(other.publicKey)}`;
    expect(
      parseKeyPairs(text).map(({ privateKey, publicKey }) => [privateKey !== null, publicKey.asymmetricKeyType]),
    ).toEqual([
      [true, 'ed25519'],
      [true, 'rsa'],
      [false, 'ed25519'],
    ]);
  });

  const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey;
  const curve = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const damaged = privatePem(ed25519.privateKey).replace(/\n[\w+/=]{20}/, '\nAAAAAAAAAAAAAAAAAAAA');
  it.each([
    ['no key', 'canary-4711', 'openssl genpkey'],
    ['text beside the key', `${privatePem(ed25519.privateKey)} canary-4711`, 'openssl genpkey'],
    ['a public key first', publicPem(rsa.publicKey), 'must start with a private key'],
    ['an RSA key that is too short', privatePem(small), 'less than 2048 bits'],
    ['another type of key', privatePem(curve), 'must be Ed25519 or RSA'],
    ['a damaged key', damaged, 'cannot be read'],
    ['eleven keys', privatePem(ed25519.privateKey).repeat(11), '1 to 10 keys'],
  ])('are rejected with %s, without their text', (_name, text, problem) => {
    const read = (): unknown => parseKeyPairs(text);
    expect(read).toThrow(KeyTextError);
    expect(read).toThrow(problem);
    expect(read).not.toThrow(/canary|[\w+/]{30}/);
  });
});
