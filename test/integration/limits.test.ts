import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getIntrospectionQuery } from 'graphql';
import { codesOf, startGateway, type Answer, type Any, type TestGateway, type Variables } from '../kit/gateway.js';
import { statementsOf } from '../kit/statements.js';

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
  await Promise.all([gateway.tokenOf('admin'), gateway.ask('admin', '{ __typename }'), tight.ask('admin', '{ __typename }')]);
});
afterAll(() => Promise.all([gateway.close(), tight.close()]));

/** Asserts that the operation is refused for the named limit, with its numbers, before anything was executed. */
async function refuses(at: TestGateway, limit: string, document: string, variables: Variables = {}): Promise<Answer<Any>> {
  // Waits until what was predicted before is written: statements are counted of both gateways.
  await Promise.all([gateway, tight].map((one) => one.ask('admin', '{ predictions(first: 1) { nodes { id } } }')));
  const answers: Answer<Any>[] = [];
  const statements = await statementsOf(async () => answers.push(await at.ask<Any>('admin', document, variables)));
  const [answer] = answers;
  if (!answer) throw new Error('There was no answer.');
  expect(codesOf(answer)).toEqual(['QUERY_TOO_LARGE']);
  expect(answer.status).toBe(400);
  expect(answer.data).toBeUndefined();
  expect(answer.errors[0]?.extensions).not.toHaveProperty('http');
  if (limit !== 'tokens') expect(answer.errors[0]?.extensions).toMatchObject({ limit });
  expect(statements).toEqual([]);
  return answer;
}

/** Asserts that the operation is answered without an error. */
async function answers(at: TestGateway, document: string, variables: Variables = {}): Promise<Any> {
  const answer = await at.ask<Any>('admin', document, variables);
  expect(answer.errors).toEqual([]);
  expect(answer.status).toBe(200);
  return answer.data;
}

/** Asserts that the gateway does not call the operation too large, whatever else it says of it. */
async function isNotTooLarge(document: string, variables: Variables = {}): Promise<void> {
  const answer = await gateway.ask('admin', document, variables);
  expect(codesOf(answer)).not.toContain('QUERY_TOO_LARGE');
}

describe('the size of the body', () => {
  const bodyOf = (bytes: number): string => {
    const empty = JSON.stringify({ query: '{ __typename }', pad: '' });
    return JSON.stringify({ query: '{ __typename }', pad: 'x'.repeat(bytes - empty.length) });
  };
  const send = (body: string | ReadableStream): Promise<Response> =>
    fetch(tight.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body, ...(typeof body === 'string' ? {} : { duplex: 'half' }) });

  it('may be the limit to the byte', async () => {
    const response = await send(bodyOf(maxBodyBytes));
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ data: { __typename: 'Query' } });
  });

  it('may not be one byte more, and the refusal has the form of GraphQL', async () => {
    const response = await send(bodyOf(maxBodyBytes + 1));
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ errors: [{ message: expect.stringContaining('4096 bytes') as unknown, extensions: { code: 'PAYLOAD_TOO_LARGE' } }] });
  });

  it('is counted where it is not told beforehand', async () => {
    const stream = new Blob([bodyOf(maxBodyBytes + 1)]).stream();
    expect((await send(stream)).status).toBe(413);
  });

  it('is 1 MiB unless said otherwise', async () => {
    const post = (bytes: number): Promise<Response> => fetch(gateway.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: bodyOf(bytes) });
    expect((await post(1_048_576)).status).toBe(200);
    expect((await post(1_048_577)).status).toBe(413);
  });
});

describe('depth', () => {
  it('may be the limit and not one more', async () => {
    await answers(tight, '{ employees(first: 1) { nodes { manager { manager { name } } } } }');
    const refused = await refuses(tight, 'depth', '{ employees(first: 1) { nodes { manager { manager { manager { name } } } } } }');
    expect(refused.errors[0]).toMatchObject({ message: expect.stringContaining('deeper than 5 (6)') as unknown, extensions: { maximum: small.depth } });
  });

  it('counts through fragments, named and inline, one within the other', async () => {
    const chain = 'fragment Up on Employee { manager { ...Further } } fragment Further on Employee { ... on Employee { manager { ... { ...Name } } } } fragment Name on Employee { name }';
    await answers(tight, `{ employees(first: 1) { nodes { ...Up } } } ${chain}`);
    await refuses(tight, 'depth', `{ employees(first: 1) { nodes { manager { ...Up } } } } ${chain}`);
  });

  it('counts __typename as a field', async () => {
    await answers(tight, '{ employees(first: 1) { nodes { manager { manager { __typename } } } } }');
    await refuses(tight, 'depth', '{ employees(first: 1) { nodes { manager { manager { manager { __typename } } } } } }');
  });

  it('is 12 unless said otherwise', async () => {
    const nested = (levels: number): string => `{ employees(first: 1) { nodes { ${'manager { '.repeat(levels - 3)}name${' }'.repeat(levels - 3)} } } }`;
    await answers(gateway, nested(12));
    await refuses(gateway, 'depth', nested(13));
  });
});

describe('aliases', () => {
  const aliased = (count: number): string => Array.from({ length: count }, (_none, position) => `a${position}: name`).join(' ');

  it('may be as many as the limit and not one more', async () => {
    await answers(tight, `{ models { ${aliased(3)} } }`);
    await refuses(tight, 'aliases', `{ models { ${aliased(4)} } }`);
  });

  it('count at each spread of their fragment', async () => {
    await answers(tight, '{ one: models { ...Names } } fragment Names on Model { a: name b: name }');
    await refuses(tight, 'aliases', '{ models { ...Names current { __typename } versions { __typename } } model(name: "iris") { ...Names } } fragment Names on Model { a: name b: name }');
  });

  it('count on fields that @include leaves out', async () => {
    await refuses(tight, 'aliases', '{ models { a: name @include(if: false) b: name @skip(if: true) c: name d: name } }');
  });

  it('count inside introspection', async () => {
    await refuses(tight, 'aliases', '{ __schema { a: types { name } b: types { name } c: types { name } d: types { name } } }');
  });

  it('may be 20 unless said otherwise', async () => {
    await answers(gateway, `{ models { ${aliased(20)} } }`);
    await refuses(gateway, 'aliases', `{ models { ${aliased(21)} } }`);
  });
});

describe('tokens', () => {
  /** `{`, the fields, and `}`. */
  const tokens = (count: number): string => `{ me { ${'id '.repeat(count - 5)} } }`;

  it('may be as many as the limit and not one more', async () => {
    await answers(tight, tokens(small.tokens));
    const refused = await refuses(tight, 'tokens', tokens(small.tokens + 1));
    expect(refused.errors[0]?.message).toContain('90 tokens');
  });

  it('may be 2000 unless said otherwise', async () => {
    const literal = (count: number): string => `{ predict(model: "iris", inputs: { numbers: [${'1 '.repeat(count - 19)}] }) { version } }`;
    await isNotTooLarge(literal(2000));
    await refuses(gateway, 'tokens', literal(2001));
  });

  it('are refused in the same form where one field is repeated too often to be checked', async () => {
    const refused = await refuses(gateway, 'tokens', tokens(2000));
    expect(refused.errors[0]?.message).toBe('The document repeats its fields or fragments too often; ask for each once.');
  });

  it('bound what fragments that spread each other spread out to', async () => {
    const chain = (levels: number): string =>
      Array.from({ length: levels }, (_none, level) => `fragment F${level} on Employee { ...F${level + 1} ...F${level + 1} }`).join(' ') + ` fragment F${levels} on Employee { name }`;
    await answers(gateway, `{ employees(first: 1) { nodes { ...F0 } } } ${chain(10)}`);
    await refuses(gateway, 'tokens', `{ employees(first: 1) { nodes { ...F0 } } } ${chain(11)}`);
  });

  it('are refused without being followed where fragments double 150 times', async () => {
    const chain = Array.from({ length: 150 }, (_none, level) => `fragment F${level} on Employee { ...F${level + 1} ...F${level + 1} }`).join(' ');
    // To follow them would take longer than the world will last.
    const answer = await gateway.ask('admin', `{ employees(first: 1) { nodes { ...F0 } } } ${chain} fragment F150 on Employee { name }`);
    expect(answer).toMatchObject({ status: 400, errors: [{ extensions: { code: 'QUERY_TOO_LARGE' } }] });
  });
});

describe('root fields', () => {
  it('may be as many as the limit and not one more, in queries and mutations', async () => {
    await answers(tight, '{ me { id } second: me { id } third: me { role } }');
    await refuses(tight, 'rootFields', '{ me { id } second: me { id } third: me { role } __typename }');
    await refuses(tight, 'rootFields', 'mutation { a: logout b: logout c: logout logout }');
  });

  it('count in fragments, and where the same is asked twice', async () => {
    await refuses(tight, 'rootFields', '{ ...Some ... on Query { departments { name } } } fragment Some on Query { models { name } me { id } me { email } }');
  });

  it('may be 20 unless said otherwise', async () => {
    await answers(gateway, `{ ${'me { id } '.repeat(20)} }`);
    await refuses(gateway, 'rootFields', `{ ${'me { id } '.repeat(21)} }`);
  });
});

describe('cost', () => {
  it('may be the limit and not one more', async () => {
    // The connection counts 1, and so does each row of its page.
    await answers(tight, '{ employees(first: 49) { totalCount } }');
    await refuses(tight, 'cost', '{ employees(first: 50) { totalCount } }');
  });

  it('counts a page size in a literal, a variable, and the default of a variable alike', async () => {
    const page = 'employees(first: $n) { totalCount }';
    await answers(tight, `query ($n: Int) { ${page} }`, { n: 49 });
    await refuses(tight, 'cost', `query ($n: Int) { ${page} }`, { n: 50 });
    await answers(tight, `query ($n: Int = 49) { ${page} }`);
    await refuses(tight, 'cost', `query ($n: Int = 50) { ${page} }`);
    await answers(tight, `query ($n: Int = 50) { ${page} }`, { n: 49 });
    await refuses(tight, 'cost', `query ($n: Int = 49) { ${page} }`, { n: 50 });
    await answers(tight, `query ($n: Int = 50) { ${page} }`, { n: null });
    await refuses(tight, 'cost', `query ($n: Int) { employees(last: $n) { totalCount } }`, { n: 50 });
  });

  it('counts 20 where no page size is given', async () => {
    await answers(tight, '{ employees { nodes { department { name } } } }');
    await refuses(tight, 'cost', '{ employees { nodes { department { name } manager { name } } } }');
  });

  it('counts a page size beyond the cap as the cap', async () => {
    const { employees } = await answers(gateway, '{ employees(first: 1000000) { nodes { name department { name } manager { name } } } }');
    expect(employees.nodes).toHaveLength(100);
    await refuses(gateway, 'cost', '{ employees(first: 1000000) { nodes { reports(first: 1000000) { nodes { name } } } } }');
  });

  it('multiplies nested lists', async () => {
    await answers(gateway, '{ employees(first: 70) { nodes { reports(first: 30) { nodes { name } } } } }');
    await refuses(gateway, 'cost', '{ employees(first: 100) { nodes { reports(first: 50) { nodes { name } } } } }');
    await refuses(gateway, 'cost', '{ departments { employees(first: 20) { nodes { reports(first: 5) { nodes { name } } } } } }');
  });

  it('counts negative and impossible page sizes no lower than 1, and leaves them to be refused as what they are', async () => {
    for (const first of [-1, -2_147_483_648, 0]) await refuses(gateway, 'cost', `query ($n: Int) { employees(first: 100) { nodes { reports(first: $n) { nodes { reports(first: 50) { nodes { name } } } } } } }`, { n: first });
    const negative = await gateway.ask('admin', '{ employees(first: -1) { totalCount } }');
    expect(codesOf(negative)).toEqual(['BAD_USER_INPUT']);
    for (const n of [1e300, 9_007_199_254_740_993, '100', [100], { n: 100 }, true, 0.5]) {
      const wrong = await gateway.ask('admin', 'query ($n: Int) { employees(first: $n) { totalCount } }', { n });
      expect(codesOf(wrong)).toEqual(['BAD_USER_INPUT']);
      expect(wrong.status).toBe(400);
    }
  });

  it('counts a fragment at each of its spreads', async () => {
    const fragment = 'fragment Team on Employee { reports(first: 30) { nodes { name } } }';
    await answers(gateway, `{ employees(first: 100) { nodes { ...Team } } } ${fragment}`);
    await refuses(gateway, 'cost', `{ employees(first: 100) { nodes { ...Team manager { ...Team } } } } ${fragment}`);
  });

  it('counts what lies under other names, inline fragments and conditions', async () => {
    await refuses(tight, 'cost', '{ ... { a: employees(first: 25) { totalCount } ... on Query { b: employees(first: 25) { totalCount } } } }');
    await refuses(tight, 'cost', 'query ($no: Boolean!) { employees(first: 60) @include(if: $no) { totalCount } }', { no: false });
    await refuses(tight, 'cost', '{ employees(first: 60) @skip(if: true) { totalCount } }');
  });

  it('counts a page of which only __typename is asked', async () => {
    await refuses(tight, 'cost', '{ employees(first: 60) { __typename } }');
    await refuses(tight, 'cost', '{ employees(first: 60) { nodes { __typename } } }');
  });

  it('counts introspection as little, also beside what counts', async () => {
    await answers(tight, '{ __schema { types { name } } employees(first: 47) { totalCount } }');
    await refuses(tight, 'cost', '{ __schema { types { name } } employees(first: 60) { totalCount } }');
    await answers(gateway, getIntrospectionQuery());
  });
});

describe('the cost of prediction rows', () => {
  const row = { petal_length: 1, petal_width: 1 };
  const rows = (count: number): object[] => Array.from({ length: count }, () => row);
  const literal = (count: number): string => `[${'{ petal_length: 1, petal_width: 1 } '.repeat(count)}]`;

  it('counts rows in a literal', async () => {
    await answers(gateway, `{ predict(model: "iris", inputs: ${literal(100)}) { version } }`);
    const inputs = `[${'{} '.repeat(26)}]`;
    await refuses(tight, 'cost', `{ predict(model: "iris", inputs: ${inputs}) { model { name } } }`);
  });

  it('counts rows in a variable and in the default of one', async () => {
    const document = 'query ($r: [JSONObject!]!) { predict(model: "iris", inputs: $r) { version } }';
    await answers(tight, document, { r: rows(50) });
    await refuses(tight, 'cost', document, { r: rows(51) });
    await refuses(tight, 'cost', `query ($r: [JSONObject!]! = [${'{} '.repeat(26)}]) { predict(model: "iris", inputs: $r) { model { name } } }`);
  });

  it('counts rows that are variables, one by one', async () => {
    const document = `query ($r: JSONObject!) { predict(model: "iris", inputs: [${'$r '.repeat(20)}]) { model { current { version } } } }`;
    await refuses(tight, 'cost', document, { r: row });
  });

  it('counts one object where a list is asked for as one row', async () => {
    const document = 'query ($r: [JSONObject!]!) { predict(model: "iris", inputs: $r) { model { name versions { version } } } }';
    const { predict } = await answers(tight, document, { r: row });
    expect(predict).toHaveLength(1);
    expect((await answers(tight, '{ predict(model: "iris", inputs: { petal_length: 1, petal_width: 1 }) { model { name } } }')).predict).toHaveLength(1);
  });

  it('multiplies what is asked of each row', async () => {
    const document = 'query ($r: [JSONObject!]!) { predict(model: "iris", inputs: $r) { model { current { version } } requestedBy { employee { name } } } }';
    await answers(gateway, document, { r: rows(1000) });
    await refuses(gateway, 'cost', document.replace('employee { name }', 'employee { manager { name } }'), { r: rows(1000) });
  });

  it('leaves 1001 rows within the cost to the refusal that names them, and nothing is recorded', async () => {
    const recorded = async (): Promise<number> => Number((await answers(gateway, '{ predictions(first: 1) { totalCount } }')).predictions.totalCount);
    const before = await recorded();
    const document = 'query ($r: [JSONObject!]!) { predict(model: "iris", inputs: $r) { version } }';
    const answer = await gateway.ask('admin', document, { r: rows(1001) });
    expect(codesOf(answer)).toEqual(['BAD_USER_INPUT']);
    expect(answer.errors[0]?.extensions.fields).toMatchObject([{ field: 'inputs' }]);
    await refuses(gateway, 'cost', document, { r: rows(5001) });
    expect(await recorded()).toBe(before);
  });

  it('adds the rows of several calls in one operation', async () => {
    const document = 'query ($r: [JSONObject!]!) { a: predict(model: "iris", inputs: $r) { version } b: predict(model: "iris", inputs: $r) { version } }';
    await answers(tight, document, { r: rows(25) });
    await refuses(tight, 'cost', document, { r: rows(26) });
  });

  it('is not fooled by what is no row', async () => {
    await isNotTooLarge('query ($r: [JSONObject!]!) { predict(model: "iris", inputs: $r) { version } }', { r: { length: 100_000 } });
    await isNotTooLarge('query ($r: [JSONObject!]!) { predict(model: "iris", inputs: $r) { version } }', { r: 'text that is long' });
  });
});
