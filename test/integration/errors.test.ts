import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { getIntrospectionQuery } from 'graphql';
import { codesOf, startGateway, type AnyData, type TestGateway } from '../support/gateway.js';

const secret = 'vB7pXq2RtYw9ZkLm4NcHsJ8dFgT6aEuQ1o';

let gateway: TestGateway;
let closed: TestGateway;
let production: TestGateway;
beforeAll(async () => {
  [gateway, closed, production] = await Promise.all([
    startGateway(),
    startGateway({ INTROSPECTION: 'false' }),
    startGateway({ NODE_ENV: 'production', DEMO_DATA: 'true', JWT_SECRET: secret }),
  ]);
});
afterAll(() => Promise.all([gateway.close(), closed.close(), production.close()]));

describe('an unexpected error', () => {
  /** The log line with the id from the response. */
  const loggedUnder = (of: TestGateway, errorId: unknown): Record<string, unknown> | undefined =>
    of.logs.find((line) => line.errorId === errorId);

  it('returns only an id, under which the log has the details', async () => {
    await gateway.execute('admin', '{ __typename }');
    await sql`alter table department rename to gone`.execute(gateway.db);
    const response = await gateway
      .execute('admin', '{ departments { name } }')
      .finally(() => sql`alter table gone rename to department`.execute(gateway.db));

    expect(response.data).toBeNull();
    const [error] = response.errors;
    const errorId = error?.extensions.errorId;
    expect(errorId).toMatch(/^[0-9a-f-]{36}$/);
    expect(error).toEqual({
      message: `Internal error. Quote the id ${errorId as string} when you report it.`,
      locations: [{ line: 1, column: 3 }],
      path: ['departments'],
      extensions: { code: 'INTERNAL_SERVER_ERROR', errorId },
    });
    expect(JSON.stringify(response)).not.toMatch(/relation|select|stack|node_modules/i);
    expect(loggedUnder(gateway, errorId)).toMatchObject({
      level: 'error',
      path: ['departments'],
      err: { message: expect.stringContaining('relation "auspex.department" does not exist') as unknown },
    });
  });

  it('of a concurrent update becomes CONFLICT', async () => {
    const { db } = gateway;
    const { id, name } = (await gateway.execute<AnyData>('admin', '{ employees(first: 1) { nodes { id name } } }')).data
      .employees.nodes[0];
    await sql`create function give_up() returns trigger language plpgsql as $$ begin raise exception 'deadlock detected' using errcode = '40P01'; end $$`.execute(
      db,
    );
    await sql`create trigger give_up before update on employee for each row execute function give_up()`.execute(db);
    const document = 'mutation ($id: ID!) { updateEmployee(id: $id, input: { name: "Changed" }) { id } }';
    const response = await gateway
      .execute('admin', document, { id })
      .finally(() => sql`drop function give_up cascade`.execute(db));
    expect(codesOf(response)).toEqual(['CONFLICT']);
    expect(response.errors[0]?.message).toBe('Concurrent update detected; read again and retry.');
    expect(
      (await gateway.execute<AnyData>('admin', 'query ($id: ID!) { employee(id: $id) { name } }', { id })).data.employee
        .name,
    ).toBe(name);
  });

  it('is logged without the rejected row', async () => {
    await sql`alter table user_account add constraint broken check (role <> 'USER') not valid`.execute(gateway.db);
    const document =
      'mutation { register(input: { email: "leaky@example.com", password: "a-long-password-indeed" }) { user { id } } }';
    const response = await gateway
      .execute(null, document)
      .finally(() => sql`alter table user_account drop constraint broken`.execute(gateway.db));
    expect(codesOf(response)).toEqual(['INTERNAL_SERVER_ERROR']);
    const line = JSON.stringify(loggedUnder(gateway, response.errors[0]?.extensions.errorId));
    expect(line).toContain('violates check constraint');
    expect(line).not.toMatch(/leaky@|\$2b\$|a-long-password/);
  });

  it('keeps the rest of the response', async () => {
    await sql`alter table prediction rename to gone`.execute(gateway.db);
    const response = await gateway
      .execute<AnyData>('admin', '{ prediction(id: "prediction_01ke6p4ym5fa684j815fzstyaw") { id } me { email } }')
      .finally(() => sql`alter table gone rename to prediction`.execute(gateway.db));
    expect(response.status).toBe(200);
    expect(response.data).toEqual({ prediction: null, me: { email: 'admin@example.com' } });
    expect(codesOf(response)).toEqual(['INTERNAL_SERVER_ERROR']);
  });

  it('has a different id each time', async () => {
    await sql`alter table department rename to gone`.execute(gateway.db);
    const response = await gateway
      .execute('admin', '{ a: employees(first: 1) { nodes { department { name } } } b: departments { name } }')
      .finally(() => sql`alter table gone rename to department`.execute(gateway.db));
    const again = await gateway.execute('admin', '{ departments { name } }');
    expect(again.errors).toEqual([]);
    const ids = response.errors.map((error) => error.extensions.errorId);
    expect(ids.length).toBeGreaterThan(0);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('logs neither a password nor its hash if storing it fails', async () => {
    await sql`alter table user_account rename column password_hash to gone`.execute(gateway.db);
    const response = await gateway
      .execute(
        null,
        'mutation ($p: String!) { register(input: { email: "new@example.com", password: $p }) { accessToken } }',
        { p: 'a very private passphrase' },
      )
      .finally(() => sql`alter table user_account rename column gone to password_hash`.execute(gateway.db));
    expect(codesOf(response)).toEqual(['INTERNAL_SERVER_ERROR']);
    const logged = JSON.stringify(loggedUnder(gateway, response.errors[0]?.extensions.errorId));
    expect(logged).toContain('password_hash');
    expect(logged).not.toContain('a very private passphrase');
    expect(logged).not.toMatch(/\$2[aby]\$12\$/);
  });

  it('is masked before the operation is known', async () => {
    await sql`alter table api_key rename to gone`.execute(gateway.db);
    const response = await gateway
      .execute({ apiKey: `auspex_${'a'.repeat(43)}` }, '{ me { id } }')
      .finally(() => sql`alter table gone rename to api_key`.execute(gateway.db));
    expect(response.status).toBe(500);
    expect(codesOf(response)).toEqual(['INTERNAL_SERVER_ERROR']);
    expect(JSON.stringify(response)).not.toMatch(/relation|api_key/);
    expect(loggedUnder(gateway, response.errors[0]?.extensions.errorId)).toBeDefined();
  });
});

describe('an error for the caller', () => {
  it.each([
    [
      'BAD_USER_INPUT',
      'admin',
      '{ employees(first: -1) { totalCount } }',
      'Invalid input: first must not be negative.',
    ],
    [
      'NOT_FOUND',
      'admin',
      'mutation { deleteEmployee(id: "employee_00000000000000000000000000") { deletedEmployeeId } }',
      'There is no employee employee_00000000000000000000000000.',
    ],
    ['FORBIDDEN', 'user', '{ users { totalCount } }', 'This needs the role ADMIN; yours is USER.'],
    [
      'UNAUTHENTICATED',
      null,
      '{ me { id } }',
      'Sign in first: send "Authorization: Bearer <accessToken>" or "x-api-key".',
    ],
    ['GRAPHQL_PARSE_FAILED', null, '{ me', 'Syntax Error: Expected Name, found <EOF>.'],
    ['GRAPHQL_VALIDATION_FAILED', null, '{ nothing }', 'Cannot query field "nothing" on type "Query".'],
    [
      'QUERY_TOO_LARGE',
      null,
      '{ employees(first: 100) { nodes { reports(first: 100) { nodes { id } } } } }',
      'The operation may return more objects than 5000 (10201); request smaller pages or fewer rows, or split the operation. The limit is MAX_QUERY_COST.',
    ],
  ] as const)('keeps its message as %s', async (code, caller, document, message) => {
    const { errors } = await production.execute(caller, document);
    expect(errors[0]?.message).toBe(message);
    expect(errors[0]?.extensions.code).toBe(code);
    expect(errors[0]?.extensions).not.toHaveProperty('errorId');
  });

  it('is not logged as an error', () => {
    expect(production.logs.filter((line) => line.level === 'error' || line.level === 'fatal')).toEqual([]);
  });
});

describe('introspection', () => {
  it('is open outside production', async () => {
    const { data, errors } = await gateway.execute<AnyData>(null, getIntrospectionQuery());
    expect(errors).toEqual([]);
    expect(data.__schema.types.length).toBeGreaterThan(20);
  });

  it.each([
    '{ __schema { types { name } } }',
    '{ __type(name: "User") { fields { name } } }',
    '{ a: __type(name: "User") { name } }',
    'query { ...S } fragment S on Query { __schema { queryType { name } } }',
    '{ __typename ... on Query { ... @include(if: true) { __schema { queryType { name } } } } }',
    'query A { __schema { queryType { name } } } query B { __typename }',
  ])('is closed in production and by INTROSPECTION=false, except to an administrator: %s', async (document) => {
    for (const shut of [production, closed]) {
      const operation = document.startsWith('query A') ? { operationName: 'A' } : {};
      const execute = async (caller: 'admin' | 'manager' | 'user' | null): Promise<AnyData> => {
        const authorization: Record<string, string> =
          caller === null ? {} : { authorization: `Bearer ${await shut.tokenOf(caller)}` };
        const response = await fetch(shut.url, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            accept: 'application/graphql-response+json',
            ...authorization,
          },
          body: JSON.stringify({ query: document, ...operation }),
        });
        return { status: response.status, ...((await response.json()) as object) };
      };
      // First the administrator, so that a cached document or response would disclose the schema.
      const open = await execute('admin');
      expect([open.status, open.errors]).toEqual([200, undefined]);
      for (const caller of ['manager', 'user', null] as const) {
        const rejected = await execute(caller);
        expect([rejected.status, rejected.data]).toEqual([400, undefined]);
        expect(rejected.errors).toEqual([
          {
            message: expect.stringMatching(/^Introspection is closed; .*INTROSPECTION=true/) as unknown,
            extensions: { code: 'GRAPHQL_VALIDATION_FAILED', validationErrorCode: 'INTROSPECTION_DISABLED' },
          },
        ]);
      }
    }
  });

  it('does not reject introspection that @skip excludes', async () => {
    const { data, errors } = await production.execute<AnyData>(
      null,
      '{ __typename __schema @skip(if: true) { queryType { name } } }',
    );
    expect([data, errors]).toEqual([{ __typename: 'Query' }, []]);
  });

  it('allows __typename if disabled', async () => {
    const { data, errors } = await production.execute('admin', '{ __typename me { __typename } }');
    expect(errors).toEqual([]);
    expect(data).toEqual({ __typename: 'Query', me: { __typename: 'User' } });
  });
});

describe('a "Did you mean" suggestion', () => {
  const suggestions: [string, string, Record<string, unknown>][] = [
    ['a field', '{ employee(id: 1) { salry } }', {}],
    ['a root field', '{ employes { totalCount } }', {}],
    ['an argument', '{ employees(frst: 1) { totalCount } }', {}],
    ['a type', '{ me { ... on Usr { id } } }', {}],
    ['an enum value', '{ employees(orderBy: { field: SALRY }) { totalCount } }', {}],
    ['a field of an input', '{ employees(filter: { minAg: 1 }) { totalCount } }', {}],
    [
      'an enum value in a variable',
      'query ($o: EmployeeOrder) { employees(orderBy: $o) { totalCount } }',
      { o: { field: 'SALRY' } },
    ],
    [
      'a field of an input in a variable',
      'query ($f: EmployeeFilter) { employees(filter: $f) { totalCount } }',
      { f: { minAg: 1 } },
    ],
    ['a type of a variable', 'query ($f: EmployeeFiltr) { employees(filter: $f) { totalCount } }', {}],
  ];

  it.each(suggestions)('is returned outside production for %s', async (_what, document, variables) => {
    const { status, errors } = await gateway.execute('admin', document, variables);
    expect(status).toBe(400);
    expect(errors.map((error) => error.message).join()).toMatch(/did you mean/i);
  });

  it.each(suggestions)('is not returned in production for %s', async (_what, document, variables) => {
    for (const shut of [production, closed]) {
      const { status, errors } = await shut.execute('admin', document, variables);
      expect(status).toBe(400);
      expect(errors.length).toBeGreaterThan(0);
      expect(JSON.stringify(errors)).not.toMatch(/[Dd]id you mean|SALARY|minAge|salary|"employees"/);
    }
  });
});
