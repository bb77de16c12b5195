import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { startGateway, type TestGateway } from '../kit/gateway.js';

let gateway: TestGateway;
let all: Edge[];

interface Edge {
  cursor: string;
  node: { id: string };
}
interface Page {
  edges: Edge[];
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null };
}
interface Args {
  first?: number | undefined;
  after?: string | undefined;
  last?: number | undefined;
  before?: string | undefined;
}

const document = `query ($first: Int, $after: String, $last: Int, $before: String) {
  employees(filter: { maxAge: 28 }, first: $first, after: $after, last: $last, before: $before) {
    edges { cursor node { id } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}`;

async function pageOf(args: Args): Promise<Page> {
  const answer = await gateway.ask<{ employees: Page }>('admin', document, { ...args });
  expect(answer.errors).toEqual([]);
  if (!answer.data) throw new Error('The gateway gave no data.');
  return answer.data.employees;
}

beforeAll(async () => {
  gateway = await startGateway();
  all = (await pageOf({ first: 100 })).edges;
  expect(all.length).toBeGreaterThan(12);
});
afterAll(() => gateway.close());

/** The pagination algorithm of the Relay connection specification, section 4.4, over the whole list. */
function specified(edges: Edge[], { first, after, last, before }: Args): Edge[] {
  const cut = applyCursors(edges, after, before);
  const taken = first === undefined ? cut : cut.slice(0, first);
  return last === undefined ? taken : taken.slice(Math.max(0, taken.length - last));
}

function applyCursors(edges: Edge[], after: string | undefined, before: string | undefined): Edge[] {
  const from = edges.findIndex(({ cursor }) => cursor === after) + 1;
  const to = edges.findIndex(({ cursor }) => cursor === before);
  return edges.slice(from, to === -1 ? undefined : Math.max(from, to));
}

/** `hasPreviousPage` and `hasNextPage`, section 5.1; that there is an edge at a cursor is known without looking. */
function specifiedAround(edges: Edge[], { first, after, last, before }: Args): [boolean, boolean] {
  const { length } = applyCursors(edges, after, before);
  return [last === undefined ? after !== undefined : length > last, first === undefined ? before !== undefined : length > first];
}

describe('a connection', () => {
  it('gives the edges that the specification’s algorithm gives, for any sizes and cursors', async () => {
    const position = fc.option(fc.nat(all.length - 1), { nil: undefined });
    const size = fc.option(fc.nat(all.length + 2), { nil: undefined });
    await fc.assert(
      fc.asyncProperty(size, position, size, position, async (first, after, last, before) => {
        // Where no size is given the gateway has one of its own, which the specification leaves to it.
        fc.pre(first !== undefined || last !== undefined);
        const args: Args = { first, after: all[after ?? -1]?.cursor, last, before: all[before ?? -1]?.cursor };
        const { edges, pageInfo } = await pageOf(args);
        expect(edges).toEqual(specified(all, args));
        expect([pageInfo.hasPreviousPage, pageInfo.hasNextPage]).toEqual(specifiedAround(all, args));
        expect([pageInfo.startCursor, pageInfo.endCursor]).toEqual([edges[0]?.cursor ?? null, edges.at(-1)?.cursor ?? null]);
      }),
      { numRuns: 150 },
    );
  });

  it('has its edges in the same order backwards and forwards', async () => {
    const cursor = all[8]?.cursor;
    expect((await pageOf({ last: 5, before: cursor })).edges).toEqual((await pageOf({ first: 5, after: all[2]?.cursor })).edges);
    expect((await pageOf({ last: 100 })).edges).toEqual(all);
  });

  it('takes a first of 0, and refuses one below', async () => {
    expect((await pageOf({ first: 0 })).edges).toEqual([]);
    const answer = await gateway.ask('admin', document, { first: -1 });
    expect(answer.errors.map(({ extensions }) => extensions.code)).toEqual(['BAD_USER_INPUT']);
  });

  it('has cursors that tell nothing by their looks, and no two alike', () => {
    for (const { cursor, node } of all) {
      expect(cursor).toMatch(/^[\w-]+$/);
      expect(cursor).not.toContain(node.id);
    }
    expect(new Set(all.map(({ cursor }) => cursor)).size).toBe(all.length);
  });
});
