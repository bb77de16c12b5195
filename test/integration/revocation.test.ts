import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { CredentialChanges, endReasons } from '../../src/auth/credential-changes.js';
import { Role } from '../../src/auth/viewer.js';
import { newId } from '../../src/database/base.entity.js';
import { codesOf, startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { addPerson, setRole, type Person } from '../support/people.js';
import { addSession } from '../support/session.js';
import { viewerOf } from '../support/viewers.js';

const password = 'correct horse battery';

let gateway: TestGateway;
let replica: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
  replica = await startGateway({ DATABASE_URL: gateway.databaseUrl });
}, 60_000);
afterAll(async () => {
  await replica.close();
  await gateway.close();
});

const me = async (of: TestGateway, token: string): Promise<string> => {
  const response = await of.execute<AnyData>({ token }, '{ me { id } employees(first: 1) { nodes { id } } }');
  return codesOf(response)[0] ?? 'accepted';
};

/** Milliseconds until the replica rejects the token. */
async function rejectedAfter(token: string): Promise<number> {
  const startedAt = performance.now();
  while ((await me(replica, token)) !== 'UNAUTHENTICATED')
    if (performance.now() - startedAt > 10_000) throw new Error('The replica still accepts the token.');
  return performance.now() - startedAt;
}

const signUp = async (): Promise<{ token: string; email: string }> => {
  const email = `${newId()}@example.com`;
  const { data, errors } = await gateway.execute<AnyData>(
    null,
    'mutation ($input: RegisterInput!) { register(input: $input) { accessToken } }',
    { input: { email, password } },
  );
  expect(errors).toEqual([]);
  return { token: data.register.accessToken, email };
};

describe('an access token', () => {
  const asAdmin = (document: string, variables: object) =>
    gateway.execute<AnyData>('admin', document, variables as Record<string, unknown>);
  const ways: [string, (person: Person) => Promise<{ errors: unknown[] }>][] = [
    ['logout', ({ token }) => gateway.execute({ token }, 'mutation { logout { remainingCount } }')],
    [
      'deactivation',
      ({ id }) => asAdmin('mutation ($id: ID!) { setUserActive(userId: $id, isActive: false) { id } }', { id }),
    ],
    [
      'a new role',
      ({ id }) => asAdmin('mutation ($id: ID!) { setUserRole(userId: $id, role: MANAGER) { id } }', { id }),
    ],
    [
      'deletion by SQL',
      async ({ uuid }) => {
        await gateway.db.deleteFrom('user_account').where('id', '=', uuid).execute();
        return { errors: [] };
      },
    ],
  ];
  it.each(ways)('is rejected by every replica after %s', async (way, end) => {
    const { token: signedUp, email } = await signUp();
    const { id: uuid } = await gateway.db
      .selectFrom('user_account')
      .select('id')
      .where('email', '=', email)
      .executeTakeFirstOrThrow();
    const { data } = await gateway.execute<AnyData>({ token: signedUp }, '{ me { id } }');
    const person: Person = { uuid, id: data.me.id, email, token: signedUp };
    expect(await me(replica, person.token)).toBe('accepted');
    expect((await end(person)).errors).toEqual([]);
    const rejected = rejectedAfter(person.token);
    if (way !== 'deletion by SQL') expect(await me(gateway, person.token)).toBe('UNAUTHENTICATED');
    await rejected;
  });

  it('is rejected after a change of the password, and the new one is accepted', async () => {
    const { token } = await signUp();
    const { data, errors } = await gateway.execute<AnyData>(
      { token },
      'mutation ($old: String!, $new: String!) { changePassword(currentPassword: $old, newPassword: $new) { accessToken } }',
      { old: password, new: `${password} staple` },
    );
    expect(errors).toEqual([]);
    expect(await me(gateway, token)).toBe('UNAUTHENTICATED');
    await rejectedAfter(token);
    for (const one of [gateway, replica]) expect(await me(one, data.changePassword.accessToken)).toBe('accepted');
  });

  it('with an outdated role is accepted again after a refresh', async () => {
    const person = await addPerson(gateway);
    await asAdmin('mutation ($id: ID!) { setUserRole(userId: $id, role: MANAGER) { id } }', { id: person.id });
    expect(await me(gateway, person.token)).toBe('UNAUTHENTICATED');
    const sessionId = await addSession(gateway.db, person.uuid);
    const viewer = { userId: person.uuid, role: Role.MANAGER, employeeId: null, sessionId };
    expect(await me(gateway, gateway.tokens.sign(viewer).token)).toBe('accepted');
  });

  it('that is newer than the known changes is accepted', async () => {
    const person = await addPerson(gateway);
    await setRole(gateway, person, Role.MANAGER);
    await rejectedAfter(person.token);
    // Without triggers, as if the next change had not arrived yet.
    await gateway.db.transaction().execute(async (transaction) => {
      await sql`set local session_replication_role = replica`.execute(transaction);
      await transaction.updateTable('user_account').set({ role: Role.ADMIN }).where('id', '=', person.uuid).execute();
    });
    const sessionId = await addSession(gateway.db, person.uuid);
    const viewer = { userId: person.uuid, role: Role.ADMIN, employeeId: null, sessionId };
    for (const one of [gateway, replica]) expect(await me(one, gateway.tokens.sign(viewer).token)).toBe('accepted');
  });

  it('is checked in the database while the connection for notifications is lost', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { token, email } = await signUp();
      expect(await me(replica, token)).toBe('accepted');
      // Both lose their connections; nobody is notified of what happens in the meantime.
      await sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and query ilike 'listen%credential_change%'`.execute(gateway.db);
      await sql`delete from session using user_account where user_id = user_account.id and email = ${email}`.execute(
        gateway.db,
      );
      expect(await rejectedAfter(token)).toBeLessThan(5_000);
    }
  });
});

describe('known changes of credentials', () => {
  const changedAt = new Date();

  it('contradict a session that ended and claims that changed, and nothing else', () => {
    const changes = new CredentialChanges(60_000);
    const one = viewerOf();
    changes.add([{ kind: 'session', id: newId(), changedAt }]);
    expect(changes.contradictionOf(one)).toBeNull();
    const user = { isActive: true, role: one.role, employeeId: one.employeeId };
    changes.add([{ kind: 'user', id: one.userId, changedAt, user }]);
    expect(changes.contradictionOf(one)).toBeNull();
    changes.add([{ kind: 'user', id: one.userId, changedAt, user: { ...user, role: Role.ADMIN } }]);
    expect(changes.contradictionOf(one)).toEqual({ reason: endReasons.claims, isFinal: false });
    expect(changes.contradictionOf({ ...one, role: Role.ADMIN })).toBeNull();
    changes.add([{ kind: 'user', id: one.userId, changedAt, user: { ...user, isActive: false } }]);
    expect(changes.contradictionOf(one)).toEqual({ reason: endReasons.user, isFinal: false });
    changes.add([{ kind: 'user', id: one.userId, changedAt, user: null }]);
    expect(changes.contradictionOf(one)).toEqual({ reason: endReasons.user, isFinal: true });
    const other = viewerOf();
    changes.add([{ kind: 'session', id: other.credentialId, changedAt }]);
    expect(changes.contradictionOf(other)).toEqual({ reason: endReasons.session, isFinal: true });
  });

  it('are incomplete until they are followed, and after more changes than are stored', () => {
    const changes = new CredentialChanges(60_000, 10);
    expect(changes.isComplete).toBe(false);
    changes.setFollowing(true);
    expect(changes.isComplete).toBe(true);
    const ids = Array.from({ length: 11 }, newId);
    changes.add(ids.slice(0, 10).map((id) => ({ kind: 'session', id, changedAt })));
    expect(changes.isComplete).toBe(true);
    changes.add([{ kind: 'session', id: ids[10] ?? '', changedAt }]);
    expect(changes.isComplete).toBe(false);
  });

  it('are announced once each', () => {
    const changes = new CredentialChanges(60_000);
    const seen: string[] = [];
    const unsubscribe = changes.subscribe(({ id }) => seen.push(id));
    changes.add([{ kind: 'apiKey', id: 'a', changedAt }]);
    changes.add([
      { kind: 'apiKey', id: 'a', changedAt },
      { kind: 'session', id: 'b', changedAt },
    ]);
    unsubscribe();
    changes.add([{ kind: 'session', id: 'c', changedAt }]);
    expect(seen).toEqual(['a', 'b']);
  });
});
