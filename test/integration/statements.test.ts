import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startGateway, type Any, type TestGateway } from '../kit/gateway.js';
import { statementsOf } from '../kit/statements.js';

let gateway: TestGateway;
beforeAll(async () => {
  // What is counted is what an answer costs that was not kept.
  gateway = await startGateway({ RESPONSE_CACHE: 'false', QUERY_CACHE: 'false' });
  await gateway.ask('admin', '{ __typename }'); // the kit looks the account up once
});
afterAll(() => gateway.close());

/** How many statements the operation sends; it must answer without an error. */
async function count(document: string): Promise<number> {
  const statements = await statementsOf(async () => {
    const answer = await gateway.ask<Any>('admin', document);
    expect(answer.errors).toEqual([]);
  });
  return statements.length;
}

describe('the number of SQL statements', () => {
  it('is one for a page of 50 employees with department, manager and the manager’s department', async () => {
    const page = (first: number) => `{ employees(first: ${first}) { nodes { name department { name } manager { name department { name } } } } }`;
    expect(await count(page(50))).toBe(1);
    expect(await count(page(5))).toBe(1);
  });

  it('is fixed for relations that are reached deeper than a join looks', async () => {
    const page = (first: number) => `{ employees(first: ${first}) { nodes { manager { manager { name department { name } manager { name } } } } } }`;
    const few = await count(page(10));
    expect(await count(page(50))).toBe(few);
    expect(few).toBeLessThanOrEqual(4);
  });

  it('is two for departments with their headcounts', async () => {
    expect(await count('{ departments { name headcount } }')).toBe(2);
    expect(await count('{ departments { name employees { totalCount } } }')).toBe(2);
  });

  it('is fixed for the reports of a page, and for their count', async () => {
    const page = (first: number) => `{ employees(first: ${first}) { nodes { reports(first: 3) { totalCount nodes { name } } } } }`;
    expect(await count(page(5))).toBe(3);
    expect(await count(page(50))).toBe(3);
  });

  it('is two for users with their employees', async () => {
    expect(await count('{ users { nodes { email employee { name } } } }')).toBe(2);
  });

  it('counts a list only where totalCount is asked for', async () => {
    expect(await count('{ employees(first: 2) { nodes { name } } }')).toBe(1);
    expect(await count('{ employees(first: 2) { totalCount nodes { name } } }')).toBe(2);
  });

  it('starts anew with each request: a loader remembers nothing of the one before', async () => {
    const document = '{ employees(first: 1, filter: { search: "Team Lead" }) { nodes { reports(first: 1) { nodes { name } } } } }';
    expect(await count(document)).toBe(2);
    expect(await count(document)).toBe(2);
  });
});
