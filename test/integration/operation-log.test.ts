import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { codesOf, startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { waitUntil } from '../support/wait-until.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({
    LOG_LEVEL: 'info',
    TRUST_PROXY: '1',
    DATABASE_STATEMENT_TIMEOUT_MS: '300',
    MAX_LOGINS_PER_ACCOUNT: '2',
  });
});
afterAll(() => gateway.close());
beforeEach(() => {
  gateway.logs.length = 0;
});

const linesOf = (msg: string): AnyData[] => gateway.logs.filter((line) => line.msg === msg);

const caller = {
  'apollographql-client-name': 'web',
  'apollographql-client-version': '4.2.0',
  'x-forwarded-for': '203.0.113.7',
};

describe('the log line of an operation', () => {
  it('names the caller, the client program and its address', async () => {
    await gateway.execute('user', 'query Mine { me { id } }', {}, caller);
    expect(linesOf('operation')).toEqual([
      expect.objectContaining({
        level: 'info',
        service: 'auspex',
        operation: 'Mine',
        type: 'query',
        client: 'web',
        clientVersion: '4.2.0',
        address: '203.0.113.7',
      }),
    ]);
  });

  it('has the id of the viewer that user(id:) accepts, and null for an anonymous caller', async () => {
    await gateway.execute('user', '{ me { id } }');
    await gateway.execute(null, '{ __typename }');
    const [{ viewer }, anonymous] = linesOf('operation');
    const { data } = await gateway.execute<AnyData>('admin', 'query ($id: ID!) { user(id: $id) { email } }', {
      id: viewer,
    });
    expect(data).toEqual({ user: { email: 'user@example.com' } });
    expect(anonymous.viewer).toBeNull();
  });

  it('has the codes that the client received if the database fails', async () => {
    const held = Promise.withResolvers<undefined>();
    const locked = Promise.withResolvers<undefined>();
    const transaction = gateway.db.transaction().execute(async (lock) => {
      await sql`lock table employee in access exclusive mode`.execute(lock);
      locked.resolve(undefined);
      await held.promise;
    });
    await locked.promise;
    const response = await gateway.execute('admin', '{ employees(first: 1) { totalCount } }');
    held.resolve(undefined);
    await transaction;
    expect(codesOf(response)).toEqual(['TIMEOUT']);
    expect(linesOf('operation')).toMatchObject([{ errors: ['TIMEOUT'] }]);
  });

  it('is written for an operation that is rejected before its execution', async () => {
    const extensions = { persistedQuery: { version: 1, sha256Hash: 'a'.repeat(64) } };
    const response = await fetch(gateway.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-request-id': 'unknown-document', ...caller },
      body: JSON.stringify({ extensions }),
    });
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'PERSISTED_QUERY_NOT_FOUND' } }] });
    expect(linesOf('operation')).toMatchObject([
      {
        requestId: 'unknown-document',
        viewer: null,
        client: 'web',
        clientVersion: '4.2.0',
        address: '203.0.113.7',
        errors: ['PERSISTED_QUERY_NOT_FOUND'],
      },
    ]);
  });
});

describe('the log line of a stream', () => {
  async function subscribe(query: string): Promise<AbortController> {
    const aborting = new AbortController();
    const { token } = await gateway.signIn('user');
    await fetch(gateway.url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'text/event-stream',
        'content-type': 'application/json',
        ...caller,
      },
      body: JSON.stringify({ query }),
      signal: aborting.signal,
    });
    return aborting;
  }

  const who = {
    viewer: expect.stringMatching(/^user_[0-9a-z]{26}$/) as unknown,
    client: 'web',
    clientVersion: '4.2.0',
    address: '203.0.113.7',
    transport: 'sse',
  };

  it('names the caller when the stream opens and ends', async () => {
    const aborting = await subscribe('subscription Models { modelChanged { name } }');
    expect(linesOf('stream opened')).toMatchObject([{ operation: 'Models', ...who }]);
    aborting.abort();
    await waitUntil(() => linesOf('stream ended').length > 0, 'The end of the stream');
    expect(linesOf('stream ended')).toMatchObject([{ operation: 'Models', ...who }]);
  });

  it('has the codes of a rejected stream', async () => {
    await subscribe('subscription { nothing }');
    expect(linesOf('stream rejected')).toMatchObject([{ ...who, errors: ['GRAPHQL_VALIDATION_FAILED'] }]);
  });
});

describe('a failed sign-in', () => {
  const login = (email: string, password: string) =>
    gateway.execute(
      null,
      'mutation ($input: LoginInput!) { login(input: $input) { accessToken } }',
      { input: { email, password } },
      caller,
    );

  it('is logged with account, address and code, without the password', async () => {
    await login(' User@Example.com', 'a wrong password');
    expect(linesOf('audit')).toEqual([
      expect.objectContaining({
        account: 'user@example.com',
        address: '203.0.113.7',
        client: 'web 4.2.0',
        code: 'UNAUTHENTICATED',
        requestId: linesOf('operation')[0].requestId as string,
      }),
    ]);
    expect(JSON.stringify(gateway.logs)).not.toContain('a wrong password');
  });

  it('is logged if it is throttled', async () => {
    for (let attempt = 0; attempt < 3; attempt += 1) await login('often@example.com', 'a wrong password');
    expect(linesOf('audit').map(({ code }) => code as string)).toEqual([
      'UNAUTHENTICATED',
      'UNAUTHENTICATED',
      'TOO_MANY_REQUESTS',
    ]);
  });

  it('does not log an account that is no e-mail address, because it may be a password', async () => {
    await login('correct horse battery', 'user@example.com');
    expect(linesOf('audit')).toEqual([expect.not.objectContaining({ account: expect.anything() })]);
    expect(JSON.stringify(gateway.logs)).not.toContain('correct horse');
  });

  it('is logged if the current password of a password change is wrong', async () => {
    const { token } = await gateway.signIn('user');
    gateway.logs.length = 0;
    await gateway.execute(
      { token },
      'mutation { changePassword(currentPassword: "a wrong password", newPassword: "another horse battery") { accessToken } }',
    );
    expect(linesOf('audit')).toMatchObject([
      { actor: expect.stringMatching(/^user_/) as unknown, code: 'BAD_USER_INPUT' },
    ]);
    gateway.logs.length = 0;
    await gateway.execute(
      { token },
      'mutation { changePassword(currentPassword: "auspex-demo-2026", newPassword: "short") { accessToken } }',
    );
    expect(linesOf('audit')).toEqual([]);
  });
});
