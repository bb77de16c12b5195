import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { statementsOf } from '../support/statements.js';

let gateway: TestGateway;
beforeAll(async () => {
  // Counts statements without cached responses.
  gateway = await startGateway({ RESPONSE_CACHE: 'false', QUERY_CACHE: 'false' });
  await gateway.execute('admin', '{ __typename }'); // the test gateway looks up the account once
});
afterAll(() => gateway.close());

/** Counts the statements of an operation, which must succeed. */
async function count(document: string): Promise<number> {
  const statements = await statementsOf(async () => {
    const response = await gateway.execute<AnyData>('admin', document);
    expect(response.errors).toEqual([]);
  });
  return statements.length;
}

describe('the number of SQL statements', () => {
  it('is one for a page of 50 employees with department, manager and the manager’s department', async () => {
    const page = (first: number) =>
      `{ employees(first: ${first}) { nodes { name department { name } manager { name department { name } } } } }`;
    expect(await count(page(50))).toBe(1);
    expect(await count(page(5))).toBe(1);
  });

  it('is constant for relations beyond the depth of the join', async () => {
    const page = (first: number) =>
      `{ employees(first: ${first}) { nodes { manager { manager { name department { name } manager { name } } } } } }`;
    const few = await count(page(10));
    expect(await count(page(50))).toBe(few);
    expect(few).toBeLessThanOrEqual(4);
  });

  it('is two for departments with their headcounts', async () => {
    expect(await count('{ departments { name headcount } }')).toBe(2);
    expect(await count('{ departments { name employees { totalCount } } }')).toBe(2);
  });

  it('is constant for the reports of a page and their count', async () => {
    const page = (first: number) =>
      `{ employees(first: ${first}) { nodes { reports(first: 3) { totalCount nodes { name } } } } }`;
    expect(await count(page(5))).toBe(3);
    expect(await count(page(50))).toBe(3);
  });

  it('is two for users with their employees', async () => {
    expect(await count('{ users { nodes { email employee { name } } } }')).toBe(2);
  });

  it('includes a count only if totalCount is selected', async () => {
    expect(await count('{ employees(first: 2) { nodes { name } } }')).toBe(1);
    expect(await count('{ employees(first: 2) { totalCount nodes { name } } }')).toBe(2);
  });

  it('is the same for each request: loaders keep nothing between requests', async () => {
    const document =
      '{ employees(first: 1, filter: { search: "Team Lead" }) { nodes { reports(first: 1) { nodes { name } } } } }';
    expect(await count(document)).toBe(2);
    expect(await count(document)).toBe(2);
  });
});
