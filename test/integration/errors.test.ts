import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { getIntrospectionQuery } from 'graphql';
import { codesOf, startGateway, type Any, type TestGateway } from '../kit/gateway.js';

const secret = 'vB7pXq2RtYw9ZkLm4NcHsJ8dFgT6aEuQ1o';

let gateway: TestGateway;
let closed: TestGateway;
let production: TestGateway;
beforeAll(async () => {
  [gateway, closed, production] = await Promise.all([
    startGateway(),
    startGateway({ INTROSPECTION: 'false', EXECUTOR: 'jit' }),
    startGateway({ NODE_ENV: 'production', DEMO_DATA: 'true', JWT_SECRET: secret }),
  ]);
});
afterAll(() => Promise.all([gateway.close(), closed.close(), production.close()]));

describe('an error that nobody foresaw', () => {
  /** What was logged under the id that the caller was told. */
  const loggedUnder = (of: TestGateway, errorId: unknown): Record<string, unknown> | undefined => of.logs.find((line) => line.errorId === errorId);

  it('is told as an id alone, and the log has the rest under it', async () => {
    await gateway.ask('admin', '{ __typename }');
    await sql`alter table department rename to gone`.execute(gateway.db);
    const answer = await gateway.ask('admin', '{ departments { name } }').finally(() => sql`alter table gone rename to department`.execute(gateway.db));

    expect(answer.data).toBeNull();
    const [error] = answer.errors;
    const errorId = error?.extensions.errorId;
    expect(errorId).toMatch(/^[0-9a-f-]{36}$/);
    expect(error).toEqual({
      message: `Internal error. Quote the id ${errorId as string} when you report it.`,
      locations: [{ line: 1, column: 3 }],
      path: ['departments'],
      extensions: { code: 'INTERNAL_SERVER_ERROR', errorId },
    });
    expect(JSON.stringify(answer)).not.toMatch(/relation|select|stack|node_modules/i);
    expect(loggedUnder(gateway, errorId)).toMatchObject({ level: 50, path: ['departments'], err: { message: expect.stringContaining('relation "department" does not exist') as unknown } });
  });

  it('is a conflict where PostgreSQL gave the transaction up for another', async () => {
    const { db } = gateway;
    const { id, name } = (await gateway.ask<Any>('admin', '{ employees(first: 1) { nodes { id name } } }')).data.employees.nodes[0];
    await sql`create function give_up() returns trigger language plpgsql as $$ begin raise exception 'deadlock detected' using errcode = '40P01'; end $$`.execute(db);
    await sql`create trigger give_up before update on employee for each row execute function give_up()`.execute(db);
    const document = 'mutation ($id: ID!) { updateEmployee(id: $id, input: { name: "Changed" }) { id } }';
    const answer = await gateway.ask('admin', document, { id }).finally(() => sql`drop function give_up cascade`.execute(db));
    expect(codesOf(answer)).toEqual(['CONFLICT']);
    expect(answer.errors[0]?.message).toContain('repeat the change');
    expect((await gateway.ask<Any>('admin', 'query ($id: ID!) { employee(id: $id) { name } }', { id })).data.employee.name).toBe(name);
  });

  it('is logged without the row that the database complains of', async () => {
    await sql`alter table user_account add constraint broken check (role <> 'USER') not valid`.execute(gateway.db);
    const document = 'mutation { register(input: { email: "leaky@example.com", password: "a-long-password-indeed" }) { user { id } } }';
    const answer = await gateway.ask(null, document).finally(() => sql`alter table user_account drop constraint broken`.execute(gateway.db));
    expect(codesOf(answer)).toEqual(['INTERNAL_SERVER_ERROR']);
    const line = JSON.stringify(loggedUnder(gateway, answer.errors[0]?.extensions.errorId));
    expect(line).toContain('violates check constraint');
    expect(line).not.toMatch(/leaky@|\$2b\$|a-long-password/);
  });

  it('leaves the rest of the answer', async () => {
    await sql`alter table prediction rename to gone`.execute(gateway.db);
    const answer = await gateway
      .ask<Any>('admin', '{ prediction(id: "prediction_01ke6p4ym5fa684j815fzstyaw") { id } me { email } }')
      .finally(() => sql`alter table gone rename to prediction`.execute(gateway.db));
    expect(answer.status).toBe(200);
    expect(answer.data).toEqual({ prediction: null, me: { email: 'admin@example.com' } });
    expect(codesOf(answer)).toEqual(['INTERNAL_SERVER_ERROR']);
  });

  it('gets another id each time', async () => {
    await sql`alter table department rename to gone`.execute(gateway.db);
    const answer = await gateway
      .ask('admin', '{ a: employees(first: 1) { nodes { department { name } } } b: departments { name } }')
      .finally(() => sql`alter table gone rename to department`.execute(gateway.db));
    const again = await gateway.ask('admin', '{ departments { name } }');
    expect(again.errors).toEqual([]);
    const ids = answer.errors.map((error) => error.extensions.errorId);
    expect(ids.length).toBeGreaterThan(0);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('puts neither a password nor its hash into the log, where storing it fails', async () => {
    await sql`alter table user_account rename column password_hash to gone`.execute(gateway.db);
    const answer = await gateway
      .ask(null, 'mutation ($p: String!) { register(input: { email: "new@example.com", password: $p }) { accessToken } }', { p: 'a very private passphrase' })
      .finally(() => sql`alter table user_account rename column gone to password_hash`.execute(gateway.db));
    expect(codesOf(answer)).toEqual(['INTERNAL_SERVER_ERROR']);
    const logged = JSON.stringify(loggedUnder(gateway, answer.errors[0]?.extensions.errorId));
    expect(logged).toContain('password_hash');
    expect(logged).not.toContain('a very private passphrase');
    expect(logged).not.toMatch(/\$2[aby]\$12\$/);
  });

  it('is masked before the operation is known as well', async () => {
    await sql`alter table api_key rename to gone`.execute(gateway.db);
    const answer = await gateway
      .ask({ apiKey: `auspex_${'a'.repeat(43)}` }, '{ me { id } }')
      .finally(() => sql`alter table gone rename to api_key`.execute(gateway.db));
    expect(answer.status).toBe(500);
    expect(codesOf(answer)).toEqual(['INTERNAL_SERVER_ERROR']);
    expect(JSON.stringify(answer)).not.toMatch(/relation|api_key/);
    expect(loggedUnder(gateway, answer.errors[0]?.extensions.errorId)).toBeDefined();
  });
});

describe('an error that is meant for the caller', () => {
  it.each([
    ['BAD_USER_INPUT', 'admin', '{ employees(first: -1) { totalCount } }', 'Invalid input: first must not be negative.'],
    ['NOT_FOUND', 'admin', 'mutation { deleteEmployee(id: "employee_00000000000000000000000000") }', 'There is no employee employee_00000000000000000000000000.'],
    ['FORBIDDEN', 'user', '{ users { totalCount } }', 'This needs the role ADMIN; yours is USER.'],
    ['UNAUTHENTICATED', null, '{ me { id } }', 'Sign in first: send "Authorization: Bearer <accessToken>" or "x-api-key".'],
    ['GRAPHQL_PARSE_FAILED', null, '{ me', 'Syntax Error: Expected Name, found <EOF>.'],
    ['GRAPHQL_VALIDATION_FAILED', null, '{ nothing }', 'Cannot query field "nothing" on type "Query".'],
    ['QUERY_TOO_LARGE', null, '{ employees(first: 100) { nodes { reports(first: 100) { nodes { id } } } } }', 'The operation may give more objects than 5000 (10201); ask for smaller pages, fewer rows, or in several operations.'],
  ] as const)('passes with its message as %s', async (code, asker, document, message) => {
    const { errors } = await production.ask(asker, document);
    expect(errors[0]?.message).toBe(message);
    expect(errors[0]?.extensions.code).toBe(code);
    expect(errors[0]?.extensions).not.toHaveProperty('errorId');
  });

  it('is not logged as a fault', () => {
    expect(production.logs.filter((line) => Number(line.level) >= 50)).toEqual([]);
  });
});

describe('introspection', () => {
  it('is open outside production', async () => {
    const { data, errors } = await gateway.ask<Any>(null, getIntrospectionQuery());
    expect(errors).toEqual([]);
    expect(data.__schema.types.length).toBeGreaterThan(20);
  });

  it.each(['{ __schema { types { name } } }', '{ __type(name: "User") { fields { name } } }', '{ a: __type(name: "User") { name } }', 'query { ...S } fragment S on Query { __schema { queryType { name } } }'])(
    'is closed in production, and where it is switched off: %s',
    async (document) => {
      for (const shut of [production, closed]) {
        const answer = await shut.ask('admin', document);
        expect(answer.status).toBe(400);
        expect(codesOf(answer)).toEqual(['GRAPHQL_VALIDATION_FAILED']);
        expect(answer.data).toBeUndefined();
      }
    },
  );

  it('leaves __typename where it is closed', async () => {
    const { data, errors } = await production.ask('admin', '{ __typename me { __typename } }');
    expect(errors).toEqual([]);
    expect(data).toEqual({ __typename: 'Query', me: { __typename: 'User' } });
  });
});

describe('a guess at what was meant', () => {
  const guesses: [string, string, Record<string, unknown>][] = [
    ['a field', '{ employee(id: 1) { salry } }', {}],
    ['a root field', '{ employes { totalCount } }', {}],
    ['an argument', '{ employees(frst: 1) { totalCount } }', {}],
    ['a type', '{ me { ... on Usr { id } } }', {}],
    ['an enum value', '{ employees(orderBy: { field: SALRY }) { totalCount } }', {}],
    ['a field of an input', '{ employees(filter: { minAg: 1 }) { totalCount } }', {}],
    ['an enum value in a variable', 'query ($o: EmployeeOrder) { employees(orderBy: $o) { totalCount } }', { o: { field: 'SALRY' } }],
    ['a field of an input in a variable', 'query ($f: EmployeeFilter) { employees(filter: $f) { totalCount } }', { f: { minAg: 1 } }],
    ['a type of a variable', 'query ($f: EmployeeFiltr) { employees(filter: $f) { totalCount } }', {}],
  ];

  it.each(guesses)('is told outside production for %s', async (_what, document, variables) => {
    const { status, errors } = await gateway.ask('admin', document, variables);
    expect(status).toBe(400);
    expect(errors.map((error) => error.message).join()).toContain('Did you mean');
  });

  it.each(guesses)('is not told in production for %s', async (_what, document, variables) => {
    for (const shut of [production, closed]) {
      const { status, errors } = await shut.ask('admin', document, variables);
      expect(status).toBe(400);
      expect(errors.length).toBeGreaterThan(0);
      expect(JSON.stringify(errors)).not.toMatch(/Did you mean|SALARY|minAge|salary|"employees"/);
    }
  });
});
