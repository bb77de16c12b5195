import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getIntrospectionQuery } from 'graphql';
import {
  codesOf,
  startGateway,
  type GraphQLResponse,
  type AnyData,
  type TestGateway,
  type Variables,
} from '../support/gateway.js';
import { statementsOf } from '../support/statements.js';

const small = { depth: 5, aliases: 3, tokens: 90, rootFields: 3, cost: 50 };
const maxBodyBytes = 4096;

let gateway: TestGateway;
let tight: TestGateway;
beforeAll(async () => {
  [gateway, tight] = await Promise.all([
    startGateway(),
    startGateway({
      MAX_QUERY_DEPTH: String(small.depth),
      MAX_QUERY_ALIASES: String(small.aliases),
      MAX_QUERY_TOKENS: String(small.tokens),
      MAX_ROOT_FIELDS: String(small.rootFields),
      MAX_QUERY_COST: String(small.cost),
      MAX_BODY_BYTES: String(maxBodyBytes),
    }),
  ]);
  await Promise.all([
    gateway.tokenOf('admin'),
    gateway.execute('admin', '{ __typename }'),
    tight.execute('admin', '{ __typename }'),
  ]);
});
afterAll(() => Promise.all([gateway.close(), tight.close()]));

/** Asserts that the operation is rejected for the named limit, with its numbers, before anything is executed. */
async function rejects(
  at: TestGateway,
  limit: string,
  document: string,
  variables: Variables = {},
): Promise<GraphQLResponse<AnyData>> {
  // Flushes recorded predictions, because the statements of both gateways are counted.
  await Promise.all([gateway, tight].map((one) => one.execute('admin', '{ predictions(first: 1) { nodes { id } } }')));
  const responses: GraphQLResponse<AnyData>[] = [];
  const statements = await statementsOf(async () =>
    responses.push(await at.execute<AnyData>('admin', document, variables)),
  );
  const [response] = responses;
  if (!response) throw new Error('There was no response.');
  expect(codesOf(response)).toEqual(['QUERY_TOO_LARGE']);
  expect(response.status).toBe(400);
  expect(response.data).toBeUndefined();
  expect(response.errors[0]?.extensions).not.toHaveProperty('http');
  if (limit !== 'tokens') expect(response.errors[0]?.extensions).toMatchObject({ limit });
  expect(statements).toEqual([]);
  return response;
}

/** Asserts that the operation succeeds. @returns its data */
async function accepts(at: TestGateway, document: string, variables: Variables = {}): Promise<AnyData> {
  const response = await at.execute<AnyData>('admin', document, variables);
  expect(response.errors).toEqual([]);
  expect(response.status).toBe(200);
  return response.data;
}

/** Asserts that the operation is not rejected as too large; other errors are ignored. */
async function isNotTooLarge(document: string, variables: Variables = {}): Promise<void> {
  const response = await gateway.execute('admin', document, variables);
  expect(codesOf(response)).not.toContain('QUERY_TOO_LARGE');
}

describe('the body size', () => {
  const bodyOf = (bytes: number): string => {
    const empty = JSON.stringify({ query: '{ __typename }', pad: '' });
    return JSON.stringify({ query: '{ __typename }', pad: 'x'.repeat(bytes - empty.length) });
  };
  const send = (body: string | ReadableStream): Promise<Response> =>
    fetch(tight.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      ...(typeof body === 'string' ? {} : { duplex: 'half' }),
    });

  it('may equal the limit', async () => {
    const response = await send(bodyOf(maxBodyBytes));
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ data: { __typename: 'Query' } });
  });

  it('is rejected with a GraphQL error one byte past the limit', async () => {
    const response = await send(bodyOf(maxBodyBytes + 1));
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({
      errors: [
        { message: expect.stringContaining('4096 bytes') as unknown, extensions: { code: 'PAYLOAD_TOO_LARGE' } },
      ],
    });
  });

  it('is counted while streaming without Content-Length', async () => {
    const stream = new Blob([bodyOf(maxBodyBytes + 1)]).stream();
    expect((await send(stream)).status).toBe(413);
  });

  it('is limited to 1 MiB by default', async () => {
    const post = (bytes: number): Promise<Response> =>
      fetch(gateway.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: bodyOf(bytes) });
    expect((await post(1_048_576)).status).toBe(200);
    expect((await post(1_048_577)).status).toBe(413);
  });
});

describe('the depth', () => {
  it('may equal the limit and not exceed it', async () => {
    await accepts(tight, '{ employees(first: 1) { nodes { manager { manager { name } } } } }');
    const rejected = await rejects(
      tight,
      'depth',
      '{ employees(first: 1) { nodes { manager { manager { manager { name } } } } } }',
    );
    expect(rejected.errors[0]).toMatchObject({
      message: expect.stringContaining('deeper than 5 (6)') as unknown,
      extensions: { maximum: small.depth },
    });
  });

  it('counts through nested named and inline fragments', async () => {
    const chain =
      'fragment Up on Employee { manager { ...Further } } fragment Further on Employee { ... on Employee { manager { ... { ...Name } } } } fragment Name on Employee { name }';
    await accepts(tight, `{ employees(first: 1) { nodes { ...Up } } } ${chain}`);
    await rejects(tight, 'depth', `{ employees(first: 1) { nodes { manager { ...Up } } } } ${chain}`);
  });

  it('counts __typename as a field', async () => {
    await accepts(tight, '{ employees(first: 1) { nodes { manager { manager { __typename } } } } }');
    await rejects(
      tight,
      'depth',
      '{ employees(first: 1) { nodes { manager { manager { manager { __typename } } } } } }',
    );
  });

  it('is limited to 12 by default', async () => {
    const nested = (levels: number): string =>
      `{ employees(first: 1) { nodes { ${'manager { '.repeat(levels - 3)}name${' }'.repeat(levels - 3)} } } }`;
    await accepts(gateway, nested(12));
    await rejects(gateway, 'depth', nested(13));
  });
});

describe('aliases', () => {
  const aliased = (count: number): string =>
    Array.from({ length: count }, (_none, position) => `a${position}: name`).join(' ');

  it('may reach the limit and not exceed it', async () => {
    await accepts(tight, `{ models { ${aliased(3)} } }`);
    await rejects(tight, 'aliases', `{ models { ${aliased(4)} } }`);
  });

  it('count at each spread of their fragment', async () => {
    await accepts(tight, '{ one: models { ...Names } } fragment Names on Model { a: name b: name }');
    await rejects(
      tight,
      'aliases',
      '{ models { ...Names current { __typename } versions { __typename } } model(name: "iris") { ...Names } } fragment Names on Model { a: name b: name }',
    );
  });

  it('count on excluded fields too, since validation visits these', async () => {
    await rejects(
      tight,
      'aliases',
      '{ models { a: name @include(if: false) b: name @skip(if: true) c: name d: name @skip(if: false) } }',
    );
  });

  it('count inside introspection', async () => {
    await rejects(
      tight,
      'aliases',
      '{ __schema { a: types { name } b: types { name } c: types { name } d: types { name } } }',
    );
  });

  it('are limited to 20 by default', async () => {
    await accepts(gateway, `{ models { ${aliased(20)} } }`);
    await rejects(gateway, 'aliases', `{ models { ${aliased(21)} } }`);
  });
});

describe('tokens', () => {
  /** `{`, the fields, and `}`. */
  const tokens = (count: number): string => `{ me { ${'id '.repeat(count - 5)} } }`;

  it('may reach the limit and not exceed it', async () => {
    await accepts(tight, tokens(small.tokens));
    const rejected = await rejects(tight, 'tokens', tokens(small.tokens + 1));
    expect(rejected.errors[0]?.message).toContain('90 tokens');
  });

  it('are limited to 2000 by default', async () => {
    const literal = (count: number): string =>
      `{ predict(model: "iris", inputs: { numbers: [${'1 '.repeat(count - 19)}] }) { version } }`;
    await isNotTooLarge(literal(2000));
    await rejects(gateway, 'tokens', literal(2001));
  });
});

describe('fields', () => {
  it('may reach the limit and not exceed it', async () => {
    const lists = (count: number): string =>
      `{ me { id } __typename ${'...T '.repeat(count)}} fragment T on Query { __typename }`;
    const rejected = await rejects(gateway, 'fields', `{ me { ${'id '.repeat(500)} } }`);
    expect(rejected.errors[0]?.message).toContain(
      'more fields than 500 (501); split the operation. The limit is MAX_QUERY_FIELDS.',
    );
    await rejects(gateway, 'rootFields', lists(20));
    await accepts(gateway, lists(18));
  });

  it('may be repeated, but not so often that validation takes long', async () => {
    await accepts(gateway, `{ me { ${'id '.repeat(100)} } }`);
    const rejected = await rejects(gateway, 'fields', `{ me { ${'id '.repeat(101)} } }`);
    expect(rejected.errors[0]?.message).toContain('repeats its fields or fragments too often');
  });

  it('count at each of nested fragment spreads', async () => {
    const chain = (levels: number): string =>
      Array.from(
        { length: levels },
        (_none, level) => `fragment F${level} on Employee { ...F${level + 1} ...F${level + 1} }`,
      ).join(' ') + ` fragment F${levels} on Employee { name }`;
    await accepts(gateway, `{ employees(first: 1) { nodes { ...F0 } } } ${chain(6)}`);
    await rejects(gateway, 'fields', `{ employees(first: 1) { nodes { ...F0 } } } ${chain(8)}`);
  });

  it('are rejected without expansion if fragments double 150 times', async () => {
    const chain = Array.from(
      { length: 150 },
      (_none, level) => `fragment F${level} on Employee { ...F${level + 1} ...F${level + 1} }`,
    ).join(' ');
    // Expanding 2^150 spreads would never end.
    const response = await gateway.execute(
      'admin',
      `{ employees(first: 1) { nodes { ...F0 } } } ${chain} fragment F150 on Employee { name }`,
    );
    expect(response).toMatchObject({ status: 400, errors: [{ extensions: { code: 'QUERY_TOO_LARGE' } }] });
  });
});

describe('directives', () => {
  it('may reach the limit and not exceed it', async () => {
    const fields = (count: number): string => `{ models { ${'name @include(if: true) '.repeat(count)} } }`;
    await accepts(gateway, fields(50));
    const rejected = await rejects(gateway, 'directives', fields(51));
    expect(rejected.errors[0]?.message).toContain('MAX_QUERY_DIRECTIVES');
  });

  it('are rejected with one error if there are more than five at one location', async () => {
    const rejected = await rejects(gateway, 'directives', `{ __typename ${'@aa'.repeat(10)} }`);
    expect(rejected.errors).toHaveLength(1);
  });
});

describe('names and numbers', () => {
  it('have at most 200 characters', async () => {
    await accepts(gateway, `query ${'a'.repeat(200)} { __typename }`);
    await rejects(gateway, 'tokens', `query ${'a'.repeat(201)} { __typename }`);
    await rejects(gateway, 'tokens', `{ employees(first: ${'1'.repeat(201)}) { totalCount } }`);
    await accepts(gateway, `{ employees(filter: { search: "${'a'.repeat(90)} ${'b'.repeat(9)}" }) { totalCount } }`);
  });
});

describe('root fields', () => {
  it('may reach the limit and not exceed it, in queries and mutations', async () => {
    await accepts(tight, '{ me { id } second: me { id } third: me { role } }');
    await rejects(tight, 'rootFields', '{ me { id } second: me { id } third: me { role } __typename }');
    await rejects(
      tight,
      'rootFields',
      'mutation { a: logout { signedOutUserId } b: logout { signedOutUserId } c: logout { signedOutUserId } logout { signedOutUserId } }',
    );
  });

  it('count in fragments and for repeated fields', async () => {
    await rejects(
      tight,
      'rootFields',
      '{ ...Some ... on Query { departments { name } } } fragment Some on Query { models { name } me { id } me { email } }',
    );
  });

  it('are limited to 20 by default', async () => {
    await accepts(gateway, `{ ${'me { id } '.repeat(20)} }`);
    await rejects(gateway, 'rootFields', `{ ${'me { id } '.repeat(21)} }`);
  });
});

describe('the cost', () => {
  it('may equal the limit and not exceed it', async () => {
    // The connection counts 1, and so does each row of its page.
    await accepts(tight, '{ employees(first: 49) { totalCount } }');
    await rejects(tight, 'cost', '{ employees(first: 50) { totalCount } }');
  });

  it('counts a page size in a literal, a variable, and the default of a variable alike', async () => {
    const page = 'employees(first: $n) { totalCount }';
    await accepts(tight, `query ($n: Int) { ${page} }`, { n: 49 });
    await rejects(tight, 'cost', `query ($n: Int) { ${page} }`, { n: 50 });
    await accepts(tight, `query ($n: Int = 49) { ${page} }`);
    await rejects(tight, 'cost', `query ($n: Int = 50) { ${page} }`);
    await accepts(tight, `query ($n: Int = 50) { ${page} }`, { n: 49 });
    await rejects(tight, 'cost', `query ($n: Int = 49) { ${page} }`, { n: 50 });
    await accepts(tight, `query ($n: Int = 50) { ${page} }`, { n: null });
    await rejects(tight, 'cost', `query ($n: Int) { employees(last: $n) { totalCount } }`, { n: 50 });
  });

  it('counts 20 without a page size', async () => {
    await accepts(tight, '{ employees { nodes { department { name } } } }');
    await rejects(tight, 'cost', '{ employees { nodes { department { name } manager { name } } } }');
  });

  it('counts a page size beyond the cap as the cap', async () => {
    const { employees } = await accepts(
      gateway,
      '{ employees(first: 1000000) { nodes { name department { name } manager { name } } } }',
    );
    expect(employees.nodes).toHaveLength(100);
    await rejects(
      gateway,
      'cost',
      '{ employees(first: 1000000) { nodes { reports(first: 1000000) { nodes { name } } } } }',
    );
  });

  it('multiplies nested lists', async () => {
    await accepts(gateway, '{ employees(first: 70) { nodes { reports(first: 30) { nodes { name } } } } }');
    await rejects(gateway, 'cost', '{ employees(first: 100) { nodes { reports(first: 50) { nodes { name } } } } }');
    await rejects(
      gateway,
      'cost',
      '{ departments { employees(first: 20) { nodes { reports(first: 5) { nodes { name } } } } } }',
    );
  });

  it('counts invalid page sizes as 1 and leaves their rejection to validation', async () => {
    for (const first of [-1, -2_147_483_648, 0])
      await rejects(
        gateway,
        'cost',
        `query ($n: Int) { employees(first: 100) { nodes { reports(first: $n) { nodes { reports(first: 50) { nodes { name } } } } } } }`,
        { n: first },
      );
    const negative = await gateway.execute('admin', '{ employees(first: -1) { totalCount } }');
    expect(codesOf(negative)).toEqual(['BAD_USER_INPUT']);
    for (const n of [1e300, 9_007_199_254_740_993, '100', [100], { n: 100 }, true, 0.5]) {
      const wrong = await gateway.execute('admin', 'query ($n: Int) { employees(first: $n) { totalCount } }', { n });
      expect(codesOf(wrong)).toEqual(['BAD_USER_INPUT']);
      expect(wrong.status).toBe(400);
    }
  });

  it('counts a fragment at each of its spreads', async () => {
    const fragment = 'fragment Team on Employee { reports(first: 30) { nodes { name } } }';
    await accepts(gateway, `{ employees(first: 100) { nodes { ...Team } } } ${fragment}`);
    await rejects(gateway, 'cost', `{ employees(first: 100) { nodes { ...Team manager { ...Team } } } } ${fragment}`);
  });

  it('counts aliases, inline fragments and conditional fields', async () => {
    await rejects(
      tight,
      'cost',
      '{ ... { a: employees(first: 25) { totalCount } ... on Query { b: employees(first: 25) { totalCount } } } }',
    );
    const conditional = 'query ($is: Boolean!) { employees(first: 60) @include(if: $is) { totalCount } }';
    await rejects(tight, 'cost', conditional, { is: true });
  });

  it('counts nothing for a field that is not executed', async () => {
    const conditional = 'query ($is: Boolean!) { employees(first: 60) @include(if: $is) { totalCount } }';
    await accepts(tight, conditional, { is: false });
    await accepts(tight, '{ employees(first: 60) @skip(if: true) { totalCount } }');
  });

  it('counts a page with only __typename', async () => {
    await rejects(tight, 'cost', '{ employees(first: 60) { __typename } }');
    await rejects(tight, 'cost', '{ employees(first: 60) { nodes { __typename } } }');
  });

  it('counts introspection low, also beside other fields', async () => {
    await accepts(tight, '{ __schema { types { name } } employees(first: 47) { totalCount } }');
    await rejects(tight, 'cost', '{ __schema { types { name } } employees(first: 60) { totalCount } }');
    await accepts(gateway, getIntrospectionQuery());
  });
});

describe('the cost of prediction rows', () => {
  const row = { petal_length: 1, petal_width: 1 };
  const rows = (count: number): object[] => Array.from({ length: count }, () => row);
  const literal = (count: number): string => `[${'{ petal_length: 1, petal_width: 1 } '.repeat(count)}]`;

  it('counts rows in a literal', async () => {
    await accepts(gateway, `{ predict(model: "iris", inputs: ${literal(100)}) { version } }`);
    const inputs = `[${'{} '.repeat(26)}]`;
    await rejects(tight, 'cost', `{ predict(model: "iris", inputs: ${inputs}) { model { name } } }`);
  });

  it('counts rows in a variable and in its default', async () => {
    const document = 'query ($r: [JSONObject!]!) { predict(model: "iris", inputs: $r) { version } }';
    await accepts(tight, document, { r: rows(50) });
    await rejects(tight, 'cost', document, { r: rows(51) });
    await rejects(
      tight,
      'cost',
      `query ($r: [JSONObject!]! = [${'{} '.repeat(26)}]) { predict(model: "iris", inputs: $r) { model { name } } }`,
    );
  });

  it('counts each variable in a list of rows', async () => {
    const document = `query ($r: JSONObject!) { predict(model: "iris", inputs: [${'$r '.repeat(20)}]) { model { current { version } } } }`;
    await rejects(tight, 'cost', document, { r: row });
  });

  it('counts a single object in place of a list as one row', async () => {
    const document =
      'query ($r: [JSONObject!]!) { predict(model: "iris", inputs: $r) { model { name versions { version } } } }';
    const { predict } = await accepts(tight, document, { r: row });
    expect(predict).toHaveLength(1);
    expect(
      (
        await accepts(
          tight,
          '{ predict(model: "iris", inputs: { petal_length: 1, petal_width: 1 }) { model { name } } }',
        )
      ).predict,
    ).toHaveLength(1);
  });

  it('multiplies the selection of each row', async () => {
    const document =
      'query ($r: [JSONObject!]!) { predict(model: "iris", inputs: $r) { model { current { version } } requestedBy { employee { name } } } }';
    await accepts(gateway, document, { r: rows(1000) });
    await rejects(gateway, 'cost', document.replace('employee { name }', 'employee { manager { name } }'), {
      r: rows(1000),
    });
  });

  it('leaves 1001 rows within the cost to input validation and records nothing', async () => {
    const recorded = async (): Promise<number> =>
      Number((await accepts(gateway, '{ predictions(first: 1) { totalCount } }')).predictions.totalCount);
    const before = await recorded();
    const document = 'query ($r: [JSONObject!]!) { predict(model: "iris", inputs: $r) { version } }';
    const response = await gateway.execute('admin', document, { r: rows(1001) });
    expect(codesOf(response)).toEqual(['BAD_USER_INPUT']);
    expect(response.errors[0]?.extensions.fields).toMatchObject([{ field: 'inputs' }]);
    await rejects(gateway, 'cost', document, { r: rows(5001) });
    expect(await recorded()).toBe(before);
  });

  it('adds the rows of several calls in one operation', async () => {
    const document =
      'query ($r: [JSONObject!]!) { a: predict(model: "iris", inputs: $r) { version } b: predict(model: "iris", inputs: $r) { version } }';
    await accepts(tight, document, { r: rows(25) });
    await rejects(tight, 'cost', document, { r: rows(26) });
  });

  it('ignores values that are not rows', async () => {
    await isNotTooLarge('query ($r: [JSONObject!]!) { predict(model: "iris", inputs: $r) { version } }', {
      r: { length: 100_000 },
    });
    await isNotTooLarge('query ($r: [JSONObject!]!) { predict(model: "iris", inputs: $r) { version } }', {
      r: 'text that is long',
    });
  });
});
