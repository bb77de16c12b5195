import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { statementsOf } from '../support/statements.js';
import { waitUntil } from '../support/wait-until.js';

let gateway: TestGateway;
let admin: { token: string };
beforeAll(async () => {
  gateway = await startGateway({ RESPONSE_CACHE: 'false', QUERY_CACHE: 'false' });
  admin = await gateway.signIn('admin');
  const manifest = { [`sha256:${'0'.repeat(64)}`]: 'query Departments { departments { name } }' };
  await gateway.execute(
    'admin',
    'query ($inputs: [JSONObject!]!) { predict(model: "car-price", inputs: $inputs) { id } }',
    { inputs: [{ company: 'Maruti', year: 2014, km_driven: 90_000 }] },
  );
  await gateway.execute(
    admin,
    'mutation ($manifest: JSONObject!) { publishDocuments(client: "web", version: "1", manifest: $manifest) { id } }',
    { manifest },
  );
});
afterAll(() => gateway.close());

const isCount = (statement: string): boolean => statement.includes('count(*)');

/** Counts the count statements of an operation, which must succeed. */
async function counts(document: string, variables: Record<string, unknown> = {}): Promise<number> {
  const statements = await statementsOf(async () => {
    const response = await gateway.execute<AnyData>(admin, document, variables);
    expect(response.errors).toEqual([]);
  });
  return statements.filter(isCount).length;
}

/** Every list, with its fields in place of `_`. */
const lists: [string, string][] = [
  ['employees', '{ employees(first: 3) { _ } }'],
  ['filtered employees', '{ employees(first: 3, filter: { search: "an", minAge: 20 }) { _ } }'],
  ['the employees of departments', '{ departments { employees(first: 3) { _ } } }'],
  ['reports', '{ employees(first: 3) { nodes { reports(first: 3) { _ } } } }'],
  ['users', '{ users(first: 3) { _ } }'],
  ['predictions', '{ predictions(first: 3) { _ } }'],
  ['the predictions of a user', '{ me { predictions(first: 3) { _ } } }'],
  ['document usage', '{ documentUsage(first: 3) { _ } }'],
  ['document releases', '{ documentReleases(first: 3) { _ } }'],
];

describe('totalCount', () => {
  it.each(lists)('of %s takes one statement if selected, and none otherwise', async (_name, list) => {
    const without = 'nodes { id } edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }';
    expect(await counts(list.replace('_', without))).toBe(0);
    expect(await counts(list.replace('_', `${without} totalCount`))).toBe(1);
    expect(await counts(list.replace('_', 'totalCount'))).toBe(1);
  });

  it('of the documents of a release takes no statement, because it is stored with the release', async () => {
    expect(await counts('{ documentReleases(first: 3) { nodes { documents { totalCount nodes { id } } } } }')).toBe(0);
  });

  it('takes no statement if excluded by @include, directly or with a fragment', async () => {
    const query = (count: string): string =>
      `query ($counts: Boolean!) { employees(first: 2) { nodes { id } ${count} } }`;
    for (const count of ['totalCount @include(if: $counts)', '... @include(if: $counts) { totalCount }']) {
      expect(await counts(query(count), { counts: false })).toBe(0);
      expect(await counts(query(count), { counts: true })).toBe(1);
    }
    expect(
      await counts(
        'query { employees(first: 2) { ...Counted } } fragment Counted on EmployeeConnection { totalCount }',
      ),
    ).toBe(1);
  });

  it('is counted concurrently with the page', async () => {
    const blocker = new pg.Client({ connectionString: gateway.databaseUrl });
    await blocker.connect();
    const waiting = async (): Promise<number> => {
      const { rows } = await blocker.query<{ count: number }>(
        `select count(*)::integer as count from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      );
      return rows[0]?.count ?? 0;
    };
    try {
      await blocker.query('begin; lock table employee in access exclusive mode');
      const requested = gateway.execute<AnyData>('admin', '{ employees(first: 2) { nodes { id } totalCount } }');
      await waitUntil(async () => (await waiting()) === 2);
      await blocker.query('commit');
      expect((await requested).errors).toEqual([]);
    } finally {
      await blocker.end();
    }
  });

  it('returns one error if the page fails', async () => {
    const response = await gateway.execute<AnyData>(
      'admin',
      '{ employees(first: 2, filter: { departmentId: "none" }) { totalCount nodes { id } } }',
    );
    expect(response.errors).toHaveLength(1);
    expect(response.errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
  });
});
