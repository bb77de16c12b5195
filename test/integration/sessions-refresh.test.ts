import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hashToken, randomToken, TokenSigner } from '../../src/auth/token.js';
import { Role } from '../../src/auth/viewer.js';
import { newId } from '../../src/database/base.entity.js';
import { encodeId } from '../../src/graphql/id.js';
import { codesOf, startGateway, type Answer, type Any, type TestGateway } from '../kit/gateway.js';
import { meeting } from '../kit/people.js';

const REFRESH = 'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken refreshToken refreshTokenExpiresAt user { id email role } } }';
const secret = 'vT5rQ0xYw8LkZp3BnM6sHd1FgJc9aEuI2o';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ JWT_SECRET: secret, TRUST_PROXY: '1', MAX_REFRESHES_PER_ACCOUNT: '5', MAX_REFRESHES_PER_ADDRESS: '8' });
});
afterAll(() => gateway.close());

let made = 0;
const newAddress = () => `10.1.${Math.floor(++made / 250)}.${made % 250}`;
const minutes = (count: number) => new Date(Date.now() + count * 60_000);

interface OpenSession {
  userId: string;
  sessionId: string;
  accessToken: string;
  refreshToken: string;
}

/** A session as a sign-in opens it, without the password. */
async function openSession({ isActive = true, expiresAt = minutes(60) } = {}): Promise<OpenSession> {
  const [userId, sessionId] = [newId(), newId()];
  const times = { created_at: new Date(), updated_at: new Date() };
  const email = `person${++made}@example.org`;
  await gateway.db
    .insertInto('user_account')
    .values({ id: userId, email, password_hash: 'none', role: Role.USER, is_active: isActive, employee_id: null, ...times })
    .execute();
  const refreshToken = `${sessionId}.${randomToken()}`;
  await gateway.db
    .insertInto('session')
    .values({ id: sessionId, user_id: userId, refresh_token_hash: hashToken(refreshToken), previous_token_hash: null, expires_at: expiresAt, ...times })
    .execute();
  const { token: accessToken } = new TokenSigner(secret, 900).sign({ userId, role: Role.USER, employeeId: null, sessionId });
  return { userId, sessionId, accessToken, refreshToken };
}

const refresh = (token: string, address = newAddress(), headers: Record<string, string> = {}): Promise<Answer<Any>> =>
  gateway.ask<Any>(null, REFRESH, { token }, { 'x-forwarded-for': address, ...headers });

const rowOf = (sessionId: string) => gateway.db.selectFrom('session').selectAll().where('id', '=', sessionId).executeTakeFirst();

/** Refreshes and gives the next refresh token. */
async function next(token: string): Promise<string> {
  const { data, errors } = await refresh(token);
  expect(errors).toEqual([]);
  return data.refreshSession.refreshToken;
}

/** Lets the grace after the last rotation pass. */
const letGracePass = (sessionId: string) => gateway.db.updateTable('session').set({ updated_at: minutes(-1) }).where('id', '=', sessionId).execute();

async function expectRefused(token: string): Promise<void> {
  const answer = await refresh(token);
  expect(answer.status).toBe(401);
  expect(codesOf(answer)).toEqual(['UNAUTHENTICATED']);
  expect(answer.data ?? null).toBeNull();
}

describe('refreshSession', () => {
  it('gives a new pair that works, for the same session, and a later end', async () => {
    const session = await openSession();
    const { data, errors } = await refresh(session.refreshToken);
    expect(errors).toEqual([]);
    const { accessToken, refreshToken, refreshTokenExpiresAt, user } = data.refreshSession;
    expect(user.id).toBe(encodeId('user', session.userId));
    expect(refreshToken).not.toBe(session.refreshToken);
    expect(Date.parse(refreshTokenExpiresAt)).toBeGreaterThan(minutes(60 * 24 * 29).getTime());
    expect((await gateway.ask<Any>({ token: accessToken }, '{ me { id } }')).data.me.id).toBe(user.id);
    expect((await rowOf(session.sessionId))?.refresh_token_hash).toBe(hashToken(refreshToken));
    await next(refreshToken);
  });

  it('gives the role that the user has by now', async () => {
    const session = await openSession();
    await gateway.db.updateTable('user_account').set({ role: Role.ADMIN }).where('id', '=', session.userId).execute();
    const { data } = await refresh(session.refreshToken);
    const users = await gateway.ask({ token: data.refreshSession.accessToken }, '{ users(first: 1) { nodes { id } } }');
    expect(users.errors).toEqual([]);
  });

  it('only refuses a token that was used just now: two tabs may have sent it', async () => {
    const session = await openSession();
    const second = await next(session.refreshToken);
    const before = await rowOf(session.sessionId);
    await expectRefused(session.refreshToken);
    expect(await rowOf(session.sessionId)).toEqual(before);
    await next(second);
  });

  it('ends the session where a used token comes again later', async () => {
    const session = await openSession();
    const second = await next(session.refreshToken);
    await letGracePass(session.sessionId);
    await expectRefused(session.refreshToken);
    expect(await rowOf(session.sessionId)).toBeUndefined();
    await expectRefused(second);
  });

  it('ends the session where the owner’s token comes after a thief has used it and rotated on', async () => {
    const session = await openSession();
    let thiefs = await next(session.refreshToken);
    thiefs = await next(await next(thiefs));
    await expectRefused(session.refreshToken);
    expect(await rowOf(session.sessionId)).toBeUndefined();
    await expectRefused(thiefs);
  });

  it('lets exactly one of two that come at once win, and the session lives on', async () => {
    const session = await openSession();
    const answers = await meeting(gateway, 'session', session.sessionId, 2, () => [refresh(session.refreshToken), refresh(session.refreshToken)]);
    const winners = answers.filter(({ errors }) => errors.length === 0);
    expect(winners).toHaveLength(1);
    expect(answers.flatMap(codesOf)).toEqual(['UNAUTHENTICATED']);
    await next(winners[0]?.data.refreshSession.refreshToken);
  });

  it('refuses a session that has expired, and does not prolong it', async () => {
    const session = await openSession({ expiresAt: minutes(-1) });
    const before = await rowOf(session.sessionId);
    await expectRefused(session.refreshToken);
    expect(await rowOf(session.sessionId)).toEqual(before);
  });

  it('refuses a user who is switched off', async () => {
    const session = await openSession({ isActive: false });
    const before = await rowOf(session.sessionId);
    await expectRefused(session.refreshToken);
    expect(await rowOf(session.sessionId)).toEqual(before);
  });

  it('refuses what is no refresh token of a session, and touches no session', async () => {
    const [session, other] = [await openSession(), await openSession()];
    const before = await gateway.db.selectFrom('session').selectAll().orderBy('id').execute();
    const random = randomToken();
    const garbage = ['', ' ', 'null', random, `${newId()}.${random}`, session.accessToken, `${session.refreshToken} `, session.refreshToken.toUpperCase(), `${session.sessionId}.`, 'x'.repeat(100_000), `'; delete from session; --`, `\0${session.refreshToken}`, before[0]?.refresh_token_hash ?? ''];
    for (const token of garbage) await expectRefused(token);
    expect(await gateway.db.selectFrom('session').selectAll().orderBy('id').execute()).toEqual(before);
    await next(session.refreshToken);
    await next(other.refreshToken);
  });

  it('works beside an access token that has expired or is no good', async () => {
    const session = await openSession();
    const { token: expired } = new TokenSigner(secret, -60).sign({ userId: session.userId, role: Role.USER, employeeId: null, sessionId: session.sessionId });
    const first = await refresh(session.refreshToken, newAddress(), { authorization: `Bearer ${expired}` });
    expect(first.errors).toEqual([]);
    const second = await refresh(first.data.refreshSession.refreshToken, newAddress(), { authorization: 'nonsense' });
    expect(second.errors).toEqual([]);
  });
});

describe('the throttle of refreshing', () => {
  it('lets an account refresh up to the limit; the refused call leaves the token good', async () => {
    const session = await openSession();
    let token = session.refreshToken;
    for (let count = 1; count <= 5; count++) token = await next(token);
    const before = await rowOf(session.sessionId);
    const refused = await refresh(token);
    expect(refused.status).toBe(429);
    expect(codesOf(refused)).toEqual(['TOO_MANY_REQUESTS']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(800);
    expect(await rowOf(session.sessionId)).toEqual(before);
  });

  it('lets an address try up to the limit; another address goes on', async () => {
    const address = newAddress();
    for (let count = 1; count <= 8; count++) expect((await refresh(randomToken(), address)).status).toBe(401);
    const session = await openSession();
    const before = await rowOf(session.sessionId);
    const refused = await refresh(session.refreshToken, address);
    expect(refused.status).toBe(429);
    expect(codesOf(refused)).toEqual(['TOO_MANY_REQUESTS']);
    expect(await rowOf(session.sessionId)).toEqual(before);
    await next(session.refreshToken);
  });

  it('counts each attempt in one operation', async () => {
    const address = newAddress();
    const guesses = Array.from({ length: 12 }, (_, at) => `a${at}: refreshSession(refreshToken: "guess ${at}") { accessToken }`).join(' ');
    let last: Answer<unknown> | undefined;
    for (let round = 1; round <= 9; round++) last = await gateway.ask(null, `mutation { ${guesses} }`, {}, { 'x-forwarded-for': address });
    expect(new Set(last ? codesOf(last) : [])).toEqual(new Set(['TOO_MANY_REQUESTS']));
  });
});

describe('logout', () => {
  const LOGOUT = 'mutation { logout }';

  it('ends this session’s refreshing at once, and no other session', async () => {
    const [session, other] = [await openSession(), await openSession()];
    const answer = await gateway.ask<Any>({ token: session.accessToken }, LOGOUT);
    expect(answer.data).toEqual({ logout: true });
    expect(await rowOf(session.sessionId)).toBeUndefined();
    await expectRefused(session.refreshToken);
    await next(other.refreshToken);
  });

  it('leaves another session of the same user open', async () => {
    const session = await openSession();
    const elsewhere = { id: newId(), token: '' };
    elsewhere.token = `${elsewhere.id}.${randomToken()}`;
    await gateway.db
      .insertInto('session')
      .values({ id: elsewhere.id, user_id: session.userId, refresh_token_hash: hashToken(elsewhere.token), previous_token_hash: null, expires_at: minutes(9), created_at: new Date(), updated_at: new Date() })
      .execute();
    await gateway.ask({ token: session.accessToken }, LOGOUT);
    await next(elsewhere.token);
  });

  it('lets the access token live out its minutes, and can be repeated', async () => {
    const session = await openSession();
    await gateway.ask({ token: session.accessToken }, LOGOUT);
    expect((await gateway.ask<Any>({ token: session.accessToken }, '{ me { id } }')).data.me.id).toBe(encodeId('user', session.userId));
    expect((await gateway.ask<Any>({ token: session.accessToken }, LOGOUT)).data).toEqual({ logout: true });
  });

  it('refuses a stranger, and ends nothing', async () => {
    const count = async () => (await gateway.db.selectFrom('session').select('id').execute()).length;
    await openSession();
    const before = await count();
    const answer = await gateway.ask(null, LOGOUT);
    expect(codesOf(answer)).toEqual(['UNAUTHENTICATED']);
    expect(answer.status).toBe(401);
    expect(await count()).toBe(before);
  });
});
