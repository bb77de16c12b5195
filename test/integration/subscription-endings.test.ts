import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Client } from 'graphql-ws';
import { TokenSigner } from '../../src/auth/token.js';
import { Role } from '../../src/auth/viewer.js';
import { newId } from '../../src/database/base.entity.js';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import { startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { addPerson, type Person } from '../support/people.js';
import { listen, openEvents, rawSocket, socketClient, type ReceivedEvents } from '../support/streams.js';
import { waitUntil } from '../support/wait-until.js';

/** Adds a user with a session and an access token of this lifetime. */
async function signedIn(
  gateway: TestGateway,
  role = Role.USER,
  ttlSeconds?: number,
): Promise<Person & { sessionId: string }> {
  const person = await addPerson(gateway, role);
  const sessionId = newId();
  const times = { created_at: new Date(), updated_at: new Date() };
  await gateway.db
    .insertInto('session')
    .values({
      id: sessionId,
      user_id: person.uuid,
      refresh_token_hash: newId(),
      previous_token_hash: null,
      authenticated_at: new Date(),
      expires_at: new Date(Date.now() + 86_400_000),
      ...times,
    })
    .execute();
  const signer = ttlSeconds === undefined ? gateway.tokens : new TokenSigner(gateway.secret, ttlSeconds);
  return { ...person, sessionId, token: signer.sign({ userId: person.uuid, role, employeeId: null, sessionId }).token };
}

const document = 'subscription Models { modelChanged { kind } }';

/** Opens one stream over each transport. */
async function both(
  gateway: TestGateway,
  credentials: Record<string, string>,
): Promise<{ socket: ReceivedEvents; closed: Promise<AnyData>; events: ReceivedEvents; client: Client }> {
  const opened = () => gateway.logs.filter(({ msg }) => msg === 'stream opened').length;
  const before = opened();
  let close: (event: AnyData) => void = () => undefined;
  const closed = new Promise<AnyData>((resolve) => (close = resolve));
  const client = socketClient(gateway.url, credentials, { on: { closed: close } });
  const socket = listen(client, document);
  const { received: events, rejection } = await openEvents(gateway.url, {
    headers: credentials,
    body: { query: document },
  });
  expect(rejection).toBeNull();
  await waitUntil(() => opened() === before + 2, 'Both streams');
  return { socket, closed, events, client };
}

async function expectEnd(
  streams: { closed: Promise<AnyData>; events: ReceivedEvents },
  message: string,
): Promise<void> {
  const { code, reason } = await streams.closed;
  expect({ code, reason }).toEqual({ code: 4403, reason: message });
  expect(await streams.events.ended).toBe('complete');
  expect(streams.events.results).toEqual([{ errors: [{ message, extensions: { code: 'UNAUTHENTICATED' } }] }]);
}

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ MAX_LOGINS_PER_ACCOUNT: '1000' });
});
afterAll(() => gateway.close());

describe('a stream ends', () => {
  it('when its access token expires', async () => {
    const { token } = await signedIn(gateway, Role.USER, 2);
    await expectEnd(
      await both(gateway, { authorization: `Bearer ${token}` }),
      'The access token has expired; refresh the session.',
    );
  });

  it('immediately when its session is signed out, but not those of other sessions', async () => {
    const [one, other] = [await signedIn(gateway), await signedIn(gateway)];
    const [streams, others] = [
      await both(gateway, { authorization: `Bearer ${one.token}` }),
      await both(gateway, { authorization: `Bearer ${other.token}` }),
    ];
    await gateway.execute({ token: one.token }, 'mutation { logout { signedOutUserId } }');
    await expectEnd(streams, 'The session has ended; sign in again.');
    expect(await Promise.race([others.events.ended, others.closed, Promise.resolve('open')])).toBe('open');
    others.events.stop();
    await others.client.dispose();
  });

  it('within seconds when its session is deleted without a notification', async () => {
    const person = await signedIn(gateway);
    const streams = await both(gateway, { authorization: `Bearer ${person.token}` });
    await gateway.db.deleteFrom('session').where('id', '=', person.sessionId).execute();
    await expectEnd(streams, 'The session has ended; sign in again.');
  });

  it('when the password is changed', async () => {
    const { token } = await gateway.signIn('user');
    const streams = await both(gateway, { authorization: `Bearer ${token}` });
    const change =
      'mutation ($new: String!) { changePassword(currentPassword: "auspex-demo-2026", newPassword: $new) { accessToken } }';
    expect((await gateway.execute({ token }, change, { new: 'staple of the barn' })).errors).toEqual([]);
    await expectEnd(streams, 'The session has ended; sign in again.');
  });

  it('when the user is deactivated', async () => {
    const person = await signedIn(gateway);
    const streams = await both(gateway, { authorization: `Bearer ${person.token}` });
    expect(
      (
        await gateway.execute('admin', 'mutation ($id: ID!) { setUserActive(userId: $id, isActive: false) { id } }', {
          id: person.id,
        })
      ).errors,
    ).toEqual([]);
    await expectEnd(streams, 'The account is switched off.');
  });

  it.each([
    ['role', 'setUserRole(userId: $id, role: MANAGER)'],
    ['employee', 'setUserEmployee(userId: $id, employeeId: $employee)'],
  ])('when the %s of the user changes', async (_what, mutation) => {
    const person = await signedIn(gateway);
    const free = await gateway.db
      .selectFrom('employee')
      .select('id')
      .where(
        'id',
        'not in',
        gateway.db.selectFrom('user_account').select('employee_id').where('employee_id', 'is not', null),
      )
      .executeTakeFirstOrThrow();
    const streams = await both(gateway, { authorization: `Bearer ${person.token}` });
    const variables = { id: person.id, employee: encodeId('employee', free.id) };
    expect(
      (
        await gateway.execute(
          'admin',
          `mutation ($id: ID!${mutation.includes('$employee') ? ', $employee: ID' : ''}) { ${mutation} { id } }`,
          variables,
        )
      ).errors,
    ).toEqual([]);
    await expectEnd(streams, 'Your role or employee has changed; refresh the session.');
  });

  it('when its API key is revoked', async () => {
    const person = await signedIn(gateway);
    const { data } = await gateway.execute<AnyData>(
      { token: person.token },
      'mutation { createApiKey(name: "stream") { secret apiKey { id } } }',
    );
    const { secret, apiKey } = data.createApiKey;
    const streams = await both(gateway, { 'x-api-key': secret });
    await gateway.execute(
      { token: person.token },
      'mutation ($id: ID!) { revokeApiKey(id: $id) { revokedApiKeyId } }',
      { id: apiKey.id },
    );
    await expectEnd(streams, 'The API key has expired or was revoked.');
  });

  it('when its API key expires', async () => {
    const person = await signedIn(gateway);
    const { data } = await gateway.execute<AnyData>(
      { token: person.token },
      'mutation ($at: DateTime) { createApiKey(name: "stream", expiresAt: $at) { secret } }',
      { at: new Date(Date.now() + 2000) },
    );
    await expectEnd(await both(gateway, { 'x-api-key': data.createApiKey.secret }), 'The API key has expired.');
  });

  it('and leaks no stream, watch or listener', async () => {
    const { token } = await signedIn(gateway);
    const ended = () => gateway.logs.filter(({ msg }) => msg === 'stream ended').length;
    const before = ended();
    const { socket, send, messages } = await rawSocket(gateway.url);
    send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } });
    await waitUntil(() => messages.length === 1, 'The acknowledgement');
    const rounds = 20;
    for (let round = 0; round < rounds; round += 1) {
      for (let at = 0; at < 50; at += 1)
        send({
          id: `${round}-${at}`,
          type: 'subscribe',
          payload: { query: at % 2 ? document : 'subscription { employeeChanged { kind } }' },
        });
      for (let at = 0; at < 50; at += 1) send({ id: `${round}-${at}`, type: 'complete' });
      await waitUntil(() => ended() >= before + 50 * (round + 1), 'The round');
    }
    expect(ended() - before).toBe(1000);
    const metrics = await (await fetch(gateway.metricsUrl ?? '')).text();
    expect(metrics).toContain('auspex_subscriptions_open{transport="websocket"} 0');
    expect(metrics).toMatch(/auspex_subscriptions_ended_total\{reason="client_disconnected"\} \d{4}/);
    socket.terminate();
  });
});

describe('a stream is rejected', () => {
  it('with a token of an ended session, over both transports', async () => {
    const person = await signedIn(gateway);
    await gateway.execute({ token: person.token }, 'mutation { logout { signedOutUserId } }');
    const { status, rejection } = await openEvents(gateway.url, {
      headers: { authorization: `Bearer ${person.token}` },
      body: { query: document },
    });
    expect([status, rejection.errors[0]]).toMatchObject([
      401,
      { message: 'The session has ended; sign in again.', extensions: { code: 'UNAUTHENTICATED' } },
    ]);
    const { closed, send } = await rawSocket(gateway.url);
    send({ type: 'connection_init', payload: { authorization: `Bearer ${person.token}` } });
    expect(await closed).toEqual({ code: 4403, reason: 'The session has ended; sign in again.' });
  });
});
