import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { Role } from '../../src/auth/viewer.js';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import { useCheapHashes } from '../support/cheap-hashes.js';
import {
  codesOf,
  fieldsOf,
  isEmpty,
  startGateway,
  type AnyData,
  type Caller,
  type TestGateway,
} from '../support/gateway.js';
import { addPerson, type Person } from '../support/people.js';
import { waitUntil } from '../support/wait-until.js';

let gateway: TestGateway;
let adminId: string;
useCheapHashes();
beforeAll(async () => {
  gateway = await startGateway({
    MAX_LOGINS_PER_ADDRESS: '100000',
    MAX_LOGINS_PER_ACCOUNT_TOTAL: '100000',
    TRUST_PROXY: '1',
  });
  adminId = (await run('admin', '{ me { id } }')).me.id;
});
afterAll(() => gateway.close());

const password = 'correct horse battery';
const headers = {
  'apollographql-client-name': 'console',
  'apollographql-client-version': '3.1',
  'x-forwarded-for': '203.0.113.9',
};

async function run(caller: Caller, document: string, variables = {}): Promise<AnyData> {
  const { data, errors } = await gateway.execute<AnyData>(caller, document, variables, headers);
  expect(errors).toEqual([]);
  return data;
}

const EVENTS = `query ($filter: AuditFilter, $first: Int, $after: String, $last: Int, $before: String) {
  auditLog(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
    totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    nodes { id at action outcome code count actorId actor { email } account credentialId address client target before after requestId }
  }
}`;
const read = async (filter: object = {}, page: object = { first: 100 }): Promise<AnyData> =>
  (await run('admin', EVENTS, { filter, ...page })).auditLog;

const count = async (): Promise<number> =>
  Number(
    (
      await gateway.db
        .selectFrom('audit_event')
        .select(sql<string>`count(*)`.as('count'))
        .executeTakeFirstOrThrow()
    ).count,
  );

/** The events that `act` adds, oldest first. */
async function eventsOf(act: () => Promise<unknown>): Promise<AnyData[]> {
  const before = await count();
  await act();
  const added = (await count()) - before;
  return added === 0 ? [] : (await read({}, { first: added })).nodes.reverse();
}

const register = async (email: string): Promise<AnyData> =>
  (
    await run(
      null,
      'mutation ($input: RegisterInput!) { register(input: $input) { accessToken refreshToken user { id } } }',
      { input: { email, password } },
    )
  ).register;

const sessionOf = (refreshToken: string): string => encodeId('session', refreshToken.split('.')[0] ?? '');

describe('an event', () => {
  let person: Person;
  beforeAll(async () => {
    person = await addPerson(gateway);
  });

  it('of a sign-in names account, session, address, client and request', async () => {
    await register('signs-in@example.org');
    gateway.logs.length = 0;
    const events = await eventsOf(() =>
      run(null, 'mutation ($input: LoginInput!) { login(input: $input) { user { id } } }', {
        input: { email: 'signs-in@example.org', password },
      }),
    );
    expect(events).toEqual([
      {
        id: expect.stringMatching(/^auditevent_/),
        at: expect.any(String),
        action: 'SIGN_IN',
        outcome: 'SUCCESS',
        code: null,
        count: 1,
        actorId: expect.stringMatching(/^user_/),
        actor: { email: 'signs-in@example.org' },
        account: 'signs-in@example.org',
        credentialId: expect.stringMatching(/^session_/),
        address: '203.0.113.9',
        client: 'console 3.1',
        target: events[0].actorId,
        before: null,
        after: null,
        requestId: expect.any(String),
      },
    ]);
    expect(gateway.logs.filter(({ msg }) => msg === 'audit')).toEqual([
      expect.objectContaining({
        level: 'info',
        action: 'SIGN_IN',
        outcome: 'SUCCESS',
        actor: events[0].actorId,
        credential: events[0].credentialId,
        requestId: events[0].requestId,
      }),
    ]);
  });

  /** Each administrative change: what it does, and the one event that it leaves. */
  const changes: Record<string, () => Promise<{ document: string; variables?: object; event: object }>> = {
    'a role': () =>
      Promise.resolve({
        document: `mutation { setUserRole(userId: "${person.id}", role: MANAGER) { id } }`,
        event: { action: 'USER_ROLE_CHANGE', target: person.id, before: { role: 'USER' }, after: { role: 'MANAGER' } },
      }),
    'an employee of a user': async () => {
      const [employee] = (await run('admin', '{ employees(last: 1) { nodes { id } } }')).employees.nodes;
      return {
        document: `mutation { setUserEmployee(userId: "${person.id}", employeeId: "${employee.id}") { id } }`,
        event: {
          action: 'USER_EMPLOYEE_CHANGE',
          target: person.id,
          before: { employeeId: null },
          after: { employeeId: employee.id },
        },
      };
    },
    'a deactivation': async () => {
      const other = await addPerson(gateway);
      return {
        document: `mutation { setUserActive(userId: "${other.id}", isActive: false) { id } }`,
        event: {
          action: 'USER_ACTIVATION_CHANGE',
          target: other.id,
          before: { isActive: true },
          after: { isActive: false, endedSessions: 1, revokedApiKeys: 0 },
        },
      };
    },
    'a salary': async () => {
      const [employee] = (await run('admin', '{ employees(first: 1) { nodes { id salary } } }')).employees.nodes;
      const salary = Number(employee.salary) + 1;
      return {
        document: `mutation { updateEmployee(id: "${employee.id}", input: { salary: ${salary} }) { id } }`,
        event: {
          action: 'SALARY_CHANGE',
          target: employee.id,
          before: { salary: employee.salary },
          after: { salary },
        },
      };
    },
    'a promotion': () =>
      Promise.resolve({
        document: 'mutation { promoteModel(name: "iris", version: 1) { name } }',
        event: {
          action: 'MODEL_PROMOTE',
          target: expect.stringMatching(/^deployment_/),
          before: { model: 'iris', version: null, earlierVersions: [] },
          after: { model: 'iris', version: 1, earlierVersions: [] },
        },
      }),
    'a cleared promotion': async () => {
      await run('admin', 'mutation { promoteModel(name: "digits", version: 1) { name } }');
      return {
        document: 'mutation { clearDeployment(model: "digits") { clearedVersion } }',
        event: {
          action: 'MODEL_DEPLOYMENT_CLEAR',
          before: { model: 'digits', version: 1, earlierVersions: [] },
          after: { model: 'digits', version: null, earlierVersions: [] },
        },
      };
    },
    'a published release': () =>
      Promise.resolve({
        document: `mutation { publishDocuments(client: "tv", version: "1", manifest: { me: "{ me { id } }" }) { id } }`,
        event: {
          action: 'DOCUMENTS_PUBLISH',
          target: expect.stringMatching(/^release_/),
          before: null,
          after: { client: 'tv', version: '1', documentCount: 1, digest: expect.stringMatching(/^[0-9a-f]{64}$/) },
        },
      }),
    'a retired release': async () => {
      await run(
        'admin',
        `mutation { publishDocuments(client: "car", version: "1", manifest: { me: "{ me { id } }" }) { id } }`,
      );
      return {
        document: 'mutation { retireDocuments(client: "car", version: "1") { documentCount } }',
        event: { action: 'DOCUMENTS_RETIRE', before: expect.objectContaining({ client: 'car' }), after: null },
      };
    },
    'an API key': () =>
      Promise.resolve({
        document: 'mutation { createApiKey(name: "robot", scopes: ["predict"]) { apiKey { id } } }',
        event: {
          action: 'API_KEY_CREATE',
          target: expect.stringMatching(/^apikey_/),
          before: null,
          after: { userId: adminId, name: 'robot', scopes: ['predict'], expiresAt: expect.any(String) },
        },
      }),
    'a revoked API key': async () => {
      const { apiKey } = (await run('admin', 'mutation { createApiKey(name: "old") { apiKey { id } } }')).createApiKey;
      return {
        document: `mutation { revokeApiKey(id: "${apiKey.id}") { remainingCount } }`,
        event: { action: 'API_KEY_REVOKE', target: apiKey.id, before: expect.objectContaining({ name: 'old' }) },
      };
    },
    'an ended session': async () => {
      const { refreshToken, user } = await register('ended@example.org');
      const target = sessionOf(refreshToken);
      return {
        document: `mutation { endSession(id: "${target}") { remainingCount } }`,
        event: { action: 'SESSION_END', target, before: { userId: user.id } },
      };
    },
  };

  it.each(Object.entries(changes))(
    'of %s is the only one, with the values before and after',
    async (_what, prepare) => {
      const { document, event } = await prepare();
      const events = await eventsOf(() => run('admin', document));
      expect(events).toEqual([
        expect.objectContaining({
          outcome: 'SUCCESS',
          actorId: adminId,
          credentialId: expect.stringMatching(/^session_/),
          address: '203.0.113.9',
          ...event,
        }),
      ]);
    },
  );

  it('of a hire and a dismissal has the salary, which no log line has', async () => {
    const [department] = (await run('admin', '{ departments { id } }')).departments;
    const input = {
      name: 'Sal Ary',
      email: 'sal@example.org',
      age: 30,
      jobTitle: 'Clerk',
      jobLevel: 1,
      hiredOn: '2024-01-01',
      salary: 7_654_321,
      departmentId: department.id,
    };
    gateway.logs.length = 0;
    const events = await eventsOf(async () => {
      const { createEmployee } = await run(
        'admin',
        'mutation ($input: CreateEmployeeInput!) { createEmployee(input: $input) { id } }',
        { input },
      );
      await run('admin', `mutation { deleteEmployee(id: "${createEmployee.id}") { deletedEmployeeId } }`);
    });
    expect(events).toMatchObject([
      { action: 'SALARY_CHANGE', before: null, after: { salary: 7_654_321 } },
      { action: 'SALARY_CHANGE', before: { salary: 7_654_321 }, after: null },
    ]);
    expect(gateway.logs.filter(({ msg }) => msg === 'audit')).toHaveLength(2);
    expect(JSON.stringify(gateway.logs)).not.toContain('7654321');
  });

  it('of a password change counts what ended; of a logout and a reused token it names the session', async () => {
    const opened = await register('session-events@example.org');
    const rename =
      'mutation ($to: String!) { changePassword(currentPassword: "correct horse battery", newPassword: $to) { accessToken refreshToken } }';
    let changed: AnyData;
    const events = await eventsOf(async () => {
      changed = (await run({ token: opened.accessToken }, rename, { to: 'another horse battery' })).changePassword;
      await run({ token: changed.accessToken }, 'mutation { logout { remainingCount } }');
    });
    expect(events).toMatchObject([
      { action: 'PASSWORD_CHANGE', actorId: opened.user.id, after: { endedSessions: 1, revokedApiKeys: 0 } },
      { action: 'SIGN_OUT', actorId: opened.user.id, target: sessionOf(changed.refreshToken) },
    ]);
    const stolen = await register('stolen@example.org');
    const refresh = (token: string) =>
      gateway.execute<AnyData>(null, `mutation { refreshSession(refreshToken: "${token}") { refreshToken } }`);
    const { data } = await refresh(stolen.refreshToken);
    await refresh(data.refreshSession.refreshToken);
    const reuse = await eventsOf(() => refresh(stolen.refreshToken));
    expect(reuse).toMatchObject([
      { action: 'TOKEN_REUSE', outcome: 'FAILURE', actorId: stolen.user.id, target: sessionOf(stolen.refreshToken) },
    ]);
  });

  it('is not left by calls that change nothing, and not by those that fail', async () => {
    const unchanged = [
      `mutation { setUserRole(userId: "${person.id}", role: MANAGER) { id } }`,
      `mutation { setUserActive(userId: "${person.id}", isActive: true) { id } }`,
      'mutation { promoteModel(name: "iris", version: 1) { name } }',
      'mutation { clearDeployment(model: "car-price") { clearedVersion } }',
      `mutation { publishDocuments(client: "tv", version: "1", manifest: { me: "{ me { id } }" }) { id } }`,
    ];
    expect(await eventsOf(() => Promise.all(unchanged.map((document) => run('admin', document))))).toEqual([]);
    const failed = await eventsOf(() =>
      Promise.all([
        gateway.execute('admin', `mutation { setUserRole(userId: "${adminId}", role: USER) { id } }`),
        gateway.execute('admin', 'mutation { promoteModel(name: "iris", version: 99) { name } }'),
        gateway.execute('admin', 'mutation { createApiKey(name: "") { secret } }'),
      ]).then((responses) => expect(responses.flatMap(codesOf)).toHaveLength(3)),
    );
    expect(failed).toEqual([]);
  });

  it('that cannot be stored makes the change fail, which then leaves neither', async () => {
    const other = await addPerson(gateway);
    await sql`alter table audit_event add constraint rejects_everything check (false) not valid`.execute(gateway.db);
    try {
      const events = await eventsOf(async () => {
        const { errors } = await gateway.execute(
          'admin',
          `mutation { setUserRole(userId: "${other.id}", role: ADMIN) { id } }`,
        );
        expect(errors).toHaveLength(1);
      });
      expect(events).toEqual([]);
    } finally {
      await sql`alter table audit_event drop constraint rejects_everything`.execute(gateway.db);
    }
    const { role } = await gateway.db
      .selectFrom('user_account')
      .select('role')
      .where('id', '=', other.uuid)
      .executeTakeFirstOrThrow();
    expect(role).toBe(Role.USER);
  });
});

describe('a failed attempt', () => {
  const login = (at: TestGateway, address: string) =>
    at.execute(
      null,
      'mutation ($input: LoginInput!) { login(input: $input) { accessToken } }',
      { input: { email: 'nobody@example.org', password: 'a wrong password' } },
      { 'x-forwarded-for': address },
    );

  it('to sign in names account, address and code, and never the password', async () => {
    gateway.logs.length = 0;
    await login(gateway, '198.51.100.7');
    await waitUntil(async () => (await read({ action: 'SIGN_IN', outcome: 'FAILURE' })).nodes.length === 1);
    const [event] = (await read({ action: 'SIGN_IN', outcome: 'FAILURE' })).nodes;
    expect(event).toMatchObject({
      code: 'UNAUTHENTICATED',
      account: 'nobody@example.org',
      address: '198.51.100.7',
      actorId: null,
      credentialId: null,
    });
    const [line] = gateway.logs.filter(({ msg }) => msg === 'audit');
    expect(line).toMatchObject({ action: 'SIGN_IN', outcome: 'FAILURE', account: 'nobody@example.org' });
  });

  it('is stored up to a limit per network; the others are one summary', async () => {
    const other = await startGateway({
      DATABASE_URL: gateway.databaseUrl,
      MAX_LOGINS_PER_ACCOUNT: '3',
      TRUST_PROXY: '1',
    });
    const before = await count();
    for (let attempt = 0; attempt < 14; attempt += 1) await login(other, '2001:db8::1');
    await login(other, '192.0.2.1');
    expect(other.logs.filter(({ msg }) => msg === 'audit')).toHaveLength(15);
    await other.close();
    const added = (await read({}, { first: (await count()) - before })).nodes;
    expect(added).toHaveLength(12);
    expect(added.filter((event: AnyData) => event.count > 1)).toMatchObject([
      {
        action: 'SIGN_IN',
        outcome: 'FAILURE',
        count: 4,
        address: '2001:db8:0:0',
        after: { since: expect.any(String) },
      },
    ]);
  });

  it('to use an administrative field names the field, also behind an alias, and changes nothing', async () => {
    const person = await addPerson(gateway);
    const { apiKey, secret } = (await run('admin', 'mutation { createApiKey(name: "key") { secret apiKey { id } } }'))
      .createApiKey;
    const before = await count();
    const attempts: [Caller, string, string][] = [
      ['user', `mutation { me: setUserRole(userId: "${person.id}", role: ADMIN) { id } }`, 'Mutation.setUserRole'],
      ['manager', '{ users(first: 1) { nodes { id } } }', 'Query.users'],
      [{ apiKey: secret }, '{ auditLog(first: 1) { nodes { id } } }', 'Query.auditLog'],
    ];
    for (const [caller, document] of attempts) {
      const response = await gateway.execute(caller, document);
      expect(codesOf(response)).toEqual(['FORBIDDEN']);
      expect(isEmpty(response)).toBe(true);
    }
    await waitUntil(async () => (await count()) === before + 3);
    const { nodes } = await read({ action: 'ACCESS' });
    expect(nodes).toHaveLength(3);
    for (const [, , target] of attempts)
      expect(nodes).toContainEqual(expect.objectContaining({ outcome: 'REJECTED', code: 'FORBIDDEN', target }));
    expect((await read({ target: 'Query.auditLog' })).nodes).toMatchObject([
      { actorId: adminId, credentialId: apiKey.id },
    ]);
  });
});

describe('auditLog', () => {
  it('is read by administrators alone', async () => {
    const { token } = await addPerson(gateway, Role.MANAGER);
    const { secret } = (
      await run(
        'admin',
        'mutation { createApiKey(name: "all", scopes: ["employees:read", "employees:write", "predict", "documents:publish"]) { secret } }',
      )
    ).createApiKey;
    const [event] = (await read({}, { first: 1 })).nodes;
    for (const [caller, code] of [
      [null, 'UNAUTHENTICATED'],
      ['user', 'FORBIDDEN'],
      [{ token }, 'FORBIDDEN'],
      [{ apiKey: secret }, 'FORBIDDEN'],
    ] as [Caller, string][]) {
      for (const document of [
        '{ auditLog(first: 1) { totalCount nodes { id } } }',
        `{ node(id: "${event.id}") { id } }`,
      ]) {
        const response = await gateway.execute(caller, document);
        expect(codesOf(response)).toEqual([code]);
        expect(isEmpty(response)).toBe(true);
      }
    }
    expect((await run('admin', `{ node(id: "${event.id}") { id } }`)).node).toEqual({ id: event.id });
  });

  it('is paged in both directions, newest first, and capped', async () => {
    // Failures are stored after the response.
    let stored = -1;
    await waitUntil(async () => stored === (stored = await count()));
    const all = (await read()).nodes;
    const ids = (nodes: AnyData[]) => nodes.map(({ id }) => id as string);
    expect(all.map(({ at }: AnyData) => at)).toEqual(
      all
        .map(({ at }: AnyData) => at)
        .sort()
        .reverse(),
    );
    const first = await read({}, { first: 2 });
    expect(first.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
    const second = await read({}, { first: 2, after: first.pageInfo.endCursor });
    expect(ids([...first.nodes, ...second.nodes])).toEqual(ids(all.slice(0, 4)));
    const back = await read({}, { last: 2, before: second.pageInfo.startCursor });
    expect(ids(back.nodes)).toEqual(ids(first.nodes));
    expect(ids((await read({}, { last: 3 })).nodes)).toEqual(ids(all.slice(-3)));
    expect((await read({}, { first: 1_000 })).nodes.length).toBeLessThanOrEqual(100);
    expect(first.totalCount).toBe(await count());
  });

  it('is filtered by actor, action, target, outcome and time', async () => {
    const all = (await read()).nodes;
    const [, , third] = all;
    const matches: [object, (event: AnyData) => boolean][] = [
      [{ actorId: adminId }, ({ actorId }) => actorId === adminId],
      [{ action: 'API_KEY_CREATE' }, ({ action }) => action === 'API_KEY_CREATE'],
      [{ target: 'Query.users' }, ({ target }) => target === 'Query.users'],
      [{ outcome: 'REJECTED', action: 'ACCESS' }, ({ action }) => action === 'ACCESS'],
      [{ since: third.at }, ({ at }) => at >= third.at],
      [{ until: third.at }, ({ at }) => at < third.at],
    ];
    for (const [filter, isMatch] of matches) {
      const { nodes, totalCount } = await read(filter);
      expect(nodes).toEqual(all.filter(isMatch));
      expect(nodes.length).toBeGreaterThan(0);
      expect(totalCount).toBe(nodes.length);
    }
    const invalid = await gateway.execute('admin', EVENTS, { filter: { actorId: 'admin' } });
    expect(fieldsOf(invalid)).toEqual(['filter.actorId']);
  });

  it('contains no password, token, API key or hash of one, and no control characters', async () => {
    const { accessToken, refreshToken, user } = (
      await gateway.execute<AnyData>(
        null,
        'mutation ($input: RegisterInput!) { register(input: $input) { accessToken refreshToken user { id } } }',
        { input: { email: 'secrets@example.org', password } },
        { 'apollographql-client-name': 'a\u0085b' },
      )
    ).data.register;
    const created = (
      await run({ token: accessToken }, 'mutation { createApiKey(name: "\\u001b[31mred\\u202e") { secret } }')
    ).createApiKey;
    const { refreshSession } = await run(
      null,
      `mutation { refreshSession(refreshToken: "${refreshToken}") { refreshToken } }`,
    );
    const rows = JSON.stringify(await gateway.db.selectFrom('audit_event').selectAll().execute());
    const sessions = await gateway.db.selectFrom('session').select(['refresh_token_hash', 'client']).execute();
    const hashes = sessions.filter(({ client }) => client !== null).map((session) => session.refresh_token_hash);
    const keys = await gateway.db.selectFrom('api_key').select(['secret_hash', 'prefix']).execute();
    const accounts = await gateway.db.selectFrom('user_account').select('password_hash').execute();
    const secrets = [
      password,
      accessToken,
      refreshToken.slice(-43),
      refreshSession.refreshToken.slice(-43),
      created.secret,
      ...hashes,
      ...keys.flatMap(({ secret_hash: hash, prefix }) => [hash, prefix]),
      ...accounts.map(({ password_hash: hash }) => hash).filter((hash) => hash !== 'none'),
    ];
    expect(secrets.filter((secret) => rows.includes(secret))).toEqual([]);
    const [key] = (await read({ action: 'API_KEY_CREATE', actorId: user.id })).nodes;
    expect(key.after.name).toBe(' [31mred ');
  });
});
