import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hashToken, randomToken, TokenSigner } from '../../src/auth/token.js';
import { Role } from '../../src/auth/viewer.js';
import { newId } from '../../src/database/base.entity.js';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import { useCheapHashes } from '../support/cheap-hashes.js';
import {
  codesOf,
  isEmpty,
  startGateway,
  type GraphQLResponse,
  type AnyData,
  type TestGateway,
} from '../support/gateway.js';
import { contendForRow } from '../support/people.js';

const REFRESH =
  'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken refreshToken refreshTokenExpiresAt user { id email role } } }';
const secret = 'vT5rQ0xYw8LkZp3BnM6sHd1FgJc9aEuI2o';

let gateway: TestGateway;
useCheapHashes();
beforeAll(async () => {
  gateway = await startGateway({
    JWT_SECRET: secret,
    TRUST_PROXY: '1',
    MAX_REFRESHES_PER_ACCOUNT: '5',
    MAX_REFRESHES_PER_ADDRESS: '8',
  });
});
afterAll(() => gateway.close());

let counter = 0;
const newAddress = () => `10.1.${Math.floor(++counter / 250)}.${counter % 250}`;
const minutes = (count: number) => new Date(Date.now() + count * 60_000);

interface OpenSession {
  userId: string;
  sessionId: string;
  accessToken: string;
  refreshToken: string;
}

/** Inserts an account and an open session. */
async function openSession({ isActive = true, expiresAt = minutes(60) } = {}): Promise<OpenSession> {
  const [userId, sessionId] = [newId(), newId()];
  const times = { created_at: new Date(), updated_at: new Date() };
  const email = `person${++counter}@example.org`;
  await gateway.db
    .insertInto('user_account')
    .values({
      id: userId,
      email,
      password_hash: 'none',
      role: Role.USER,
      is_active: isActive,
      employee_id: null,
      ...times,
    })
    .execute();
  const refreshToken = `${sessionId}.${randomToken()}`;
  await gateway.db
    .insertInto('session')
    .values({
      id: sessionId,
      user_id: userId,
      refresh_token_hash: hashToken(refreshToken),
      previous_token_hash: null,
      authenticated_at: new Date(),
      expires_at: expiresAt,
      ...times,
    })
    .execute();
  const { token: accessToken } = new TokenSigner(secret, 900).sign({
    userId,
    role: Role.USER,
    employeeId: null,
    sessionId,
  });
  return { userId, sessionId, accessToken, refreshToken };
}

const refresh = (
  token: string,
  address = newAddress(),
  headers: Record<string, string> = {},
): Promise<GraphQLResponse<AnyData>> =>
  gateway.execute<AnyData>(null, REFRESH, { token }, { 'x-forwarded-for': address, ...headers });

const rowOf = (sessionId: string) =>
  gateway.db.selectFrom('session').selectAll().where('id', '=', sessionId).executeTakeFirst();

/** Refreshes. @returns the next refresh token. */
async function next(token: string): Promise<string> {
  const { data, errors } = await refresh(token);
  expect(errors).toEqual([]);
  return data.refreshSession.refreshToken;
}

/** Moves the last rotation out of the grace period. */
const endGracePeriod = (sessionId: string) =>
  gateway.db
    .updateTable('session')
    .set({ updated_at: minutes(-1) })
    .where('id', '=', sessionId)
    .execute();

async function expectRejected(token: string): Promise<void> {
  const response = await refresh(token);
  expect(codesOf(response)).toEqual(['UNAUTHENTICATED']);
  expect(isEmpty(response)).toBe(true);
}

describe('refreshSession', () => {
  it('returns a new token pair for the same session with a later expiry', async () => {
    const session = await openSession();
    const { data, errors } = await refresh(session.refreshToken);
    expect(errors).toEqual([]);
    const { accessToken, refreshToken, refreshTokenExpiresAt, user } = data.refreshSession;
    expect(user.id).toBe(encodeId('user', session.userId));
    expect(refreshToken).not.toBe(session.refreshToken);
    expect(Date.parse(refreshTokenExpiresAt)).toBeGreaterThan(minutes(60 * 24 * 13).getTime());
    expect((await gateway.execute<AnyData>({ token: accessToken }, '{ me { id } }')).data.me.id).toBe(user.id);
    expect((await rowOf(session.sessionId))?.refresh_token_hash).toBe(hashToken(refreshToken));
    await next(refreshToken);
  });

  it('returns a token with the current role', async () => {
    const session = await openSession();
    await gateway.db.updateTable('user_account').set({ role: Role.ADMIN }).where('id', '=', session.userId).execute();
    const { data } = await refresh(session.refreshToken);
    const users = await gateway.execute(
      { token: data.refreshSession.accessToken },
      '{ users(first: 1) { nodes { id } } }',
    );
    expect(users.errors).toEqual([]);
  });

  it('rejects a token used a moment ago but keeps the session: two tabs may have sent it', async () => {
    const session = await openSession();
    const second = await next(session.refreshToken);
    const before = await rowOf(session.sessionId);
    await expectRejected(session.refreshToken);
    expect(await rowOf(session.sessionId)).toEqual(before);
    await next(second);
  });

  it('ends the session if a used token is sent after the grace period', async () => {
    const session = await openSession();
    const second = await next(session.refreshToken);
    await endGracePeriod(session.sessionId);
    await expectRejected(session.refreshToken);
    expect(await rowOf(session.sessionId)).toBeUndefined();
    await expectRejected(second);
  });

  it('ends the session if the owner sends a token that a thief has used and rotated', async () => {
    const session = await openSession();
    let stolen = await next(session.refreshToken);
    stolen = await next(await next(stolen));
    await expectRejected(session.refreshToken);
    expect(await rowOf(session.sessionId)).toBeUndefined();
    await expectRejected(stolen);
  });

  it('accepts exactly one of two concurrent refreshes and keeps the session', async () => {
    const session = await openSession();
    const responses = await contendForRow(gateway, 'session', session.sessionId, 2, () => [
      refresh(session.refreshToken),
      refresh(session.refreshToken),
    ]);
    const winners = responses.filter(({ errors }) => errors.length === 0);
    expect(winners).toHaveLength(1);
    expect(responses.flatMap(codesOf)).toEqual(['UNAUTHENTICATED']);
    await next(winners[0]?.data.refreshSession.refreshToken);
  });

  it('rejects an expired session and does not extend it', async () => {
    const session = await openSession({ expiresAt: minutes(-1) });
    const before = await rowOf(session.sessionId);
    await expectRejected(session.refreshToken);
    expect(await rowOf(session.sessionId)).toEqual(before);
  });

  it('rejects an inactive user', async () => {
    const session = await openSession({ isActive: false });
    const before = await rowOf(session.sessionId);
    await expectRejected(session.refreshToken);
    expect(await rowOf(session.sessionId)).toEqual(before);
  });

  it('rejects malformed and unknown tokens and changes no session', async () => {
    const [session, other] = [await openSession(), await openSession()];
    const before = await gateway.db.selectFrom('session').selectAll().orderBy('id').execute();
    const random = randomToken();
    const garbage = [
      '',
      ' ',
      'null',
      random,
      `${newId()}.${random}`,
      session.accessToken,
      `${session.refreshToken} `,
      session.refreshToken.toUpperCase(),
      `${session.sessionId}.`,
      'x'.repeat(100_000),
      `'; delete from session; --`,
      `\0${session.refreshToken}`,
      before[0]?.refresh_token_hash ?? '',
    ];
    for (const token of garbage) await expectRejected(token);
    expect(await gateway.db.selectFrom('session').selectAll().orderBy('id').execute()).toEqual(before);
    await next(session.refreshToken);
    await next(other.refreshToken);
  });

  it('works beside an expired or invalid access token', async () => {
    const session = await openSession();
    const { token: expired } = new TokenSigner(secret, -60).sign({
      userId: session.userId,
      role: Role.USER,
      employeeId: null,
      sessionId: session.sessionId,
    });
    const first = await refresh(session.refreshToken, newAddress(), { authorization: `Bearer ${expired}` });
    expect(first.errors).toEqual([]);
    const second = await refresh(first.data.refreshSession.refreshToken, newAddress(), { authorization: 'nonsense' });
    expect(second.errors).toEqual([]);
  });
});

describe('the refresh limit', () => {
  it('limits refreshes per account; a rejected call does not use up the token', async () => {
    const session = await openSession();
    let token = session.refreshToken;
    for (let count = 1; count <= 5; count++) token = await next(token);
    const before = await rowOf(session.sessionId);
    const rejected = await refresh(token);
    expect(codesOf(rejected)).toEqual(['TOO_MANY_REQUESTS']);
    expect(Number(rejected.headers.get('retry-after'))).toBeGreaterThan(800);
    expect(await rowOf(session.sessionId)).toEqual(before);
  });

  it('limits refreshes per address, without affecting other addresses', async () => {
    const address = newAddress();
    for (let count = 1; count <= 8; count++)
      expect(codesOf(await refresh(randomToken(), address))).toEqual(['UNAUTHENTICATED']);
    const session = await openSession();
    const before = await rowOf(session.sessionId);
    const rejected = await refresh(session.refreshToken, address);
    expect(codesOf(rejected)).toEqual(['TOO_MANY_REQUESTS']);
    expect(await rowOf(session.sessionId)).toEqual(before);
    await next(session.refreshToken);
  });

  it('counts each attempt in one operation', async () => {
    const address = newAddress();
    const guesses = Array.from(
      { length: 12 },
      (_, at) => `a${at}: refreshSession(refreshToken: "guess ${at}") { accessToken }`,
    ).join(' ');
    let last: GraphQLResponse<unknown> | undefined;
    for (let round = 1; round <= 9; round++)
      last = await gateway.execute(null, `mutation { ${guesses} }`, {}, { 'x-forwarded-for': address });
    expect(new Set(last ? codesOf(last) : [])).toEqual(new Set(['TOO_MANY_REQUESTS']));
  });
});

describe('logout', () => {
  const LOGOUT = 'mutation { logout { signedOutUserId remainingCount } }';

  it('ends the session at once, and no other session', async () => {
    const [session, other] = [await openSession(), await openSession()];
    const remaining = async () =>
      (
        await gateway.db
          .selectFrom('session')
          .select('id')
          .where('user_id', '=', session.userId)
          .where('expires_at', '>', new Date())
          .execute()
      ).length;
    const before = await remaining();
    const response = await gateway.execute<AnyData>({ token: session.accessToken }, LOGOUT);
    expect(response.data).toEqual({
      logout: { signedOutUserId: encodeId('user', session.userId), remainingCount: before - 1 },
    });
    expect(await rowOf(session.sessionId)).toBeUndefined();
    await expectRejected(session.refreshToken);
    await next(other.refreshToken);
  });

  it('keeps other sessions of the user', async () => {
    const session = await openSession();
    const elsewhere = { id: newId(), token: '' };
    elsewhere.token = `${elsewhere.id}.${randomToken()}`;
    await gateway.db
      .insertInto('session')
      .values({
        id: elsewhere.id,
        user_id: session.userId,
        refresh_token_hash: hashToken(elsewhere.token),
        previous_token_hash: null,
        authenticated_at: new Date(),
        expires_at: minutes(9),
        created_at: new Date(),
        updated_at: new Date(),
      })
      .execute();
    await gateway.execute({ token: session.accessToken }, LOGOUT);
    await next(elsewhere.token);
  });

  it('ends the access token immediately', async () => {
    const session = await openSession();
    await gateway.execute({ token: session.accessToken }, LOGOUT);
    for (const document of ['{ me { id } }', LOGOUT, '{ employees(first: 1) { nodes { id } } }']) {
      const response = await gateway.execute<AnyData>({ token: session.accessToken }, document);
      expect(codesOf(response)).toEqual(['UNAUTHENTICATED']);
      expect(response.errors[0]?.message).toBe('The session has ended; sign in again.');
    }
  });

  it('rejects an anonymous caller and ends no session', async () => {
    const count = async () => (await gateway.db.selectFrom('session').select('id').execute()).length;
    await openSession();
    const before = await count();
    const response = await gateway.execute(null, LOGOUT);
    expect(codesOf(response)).toEqual(['UNAUTHENTICATED']);
    expect(await count()).toBe(before);
  });
});
