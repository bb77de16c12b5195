import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { startGateway, type TestGateway } from '../support/gateway.js';

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
  const response = await gateway.execute<{ employees: Page }>('admin', document, { ...args });
  expect(response.errors).toEqual([]);
  if (!response.data) throw new Error('The gateway returned no data.');
  return response.data.employees;
}

beforeAll(async () => {
  gateway = await startGateway({ MAX_QUERY_COST: '100000' });
  all = (await pageOf({ first: 100 })).edges;
  const rows = [0.2, 0.3, 0.4].map((petalWidth) => `{ petalLength: 1.4, petalWidth: ${petalWidth} }`);
  await gateway.execute('admin', `{ predictIris(inputs: [${rows.join()}]) { species } }`);
  for (const version of ['1', '2'])
    await gateway.execute(
      'admin',
      'mutation ($version: String!, $manifest: JSONObject!) { publishDocuments(client: "web", version: $version, manifest: $manifest) { id } }',
      {
        version,
        manifest: { me: '{ me { id } }', departments: '{ departments { id } }', models: '{ models { id } }' },
      },
    );
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

/** `hasPreviousPage` and `hasNextPage`, section 5.1. A cursor implies an edge on its side of the page. */
function specifiedAround(edges: Edge[], { first, after, last, before }: Args): [boolean, boolean] {
  const { length } = applyCursors(edges, after, before);
  return [
    last === undefined ? after !== undefined : length > last,
    first === undefined ? before !== undefined : length > first,
  ];
}

/** The pages named `list` in a response, in order. */
const pagesIn = (data: unknown): Page[] =>
  typeof data === 'object' && data !== null
    ? Object.entries(data).flatMap(([name, value]) => (name === 'list' ? [value as Page] : pagesIn(value)))
    : [];

describe('a connection', () => {
  it('returns the edges of the algorithm in the specification for any page sizes and cursors', async () => {
    const position = fc.option(fc.nat(all.length - 1), { nil: undefined });
    const size = fc.option(fc.nat(all.length + 2), { nil: undefined });
    await fc.assert(
      fc.asyncProperty(size, position, size, position, async (first, after, last, before) => {
        // Without a page size the gateway applies a default, which the specification permits.
        fc.pre(first !== undefined || last !== undefined);
        const args: Args = { first, after: all[after ?? -1]?.cursor, last, before: all[before ?? -1]?.cursor };
        const { edges, pageInfo } = await pageOf(args);
        expect(edges).toEqual(specified(all, args));
        expect([pageInfo.hasPreviousPage, pageInfo.hasNextPage]).toEqual(specifiedAround(all, args));
        expect([pageInfo.startCursor, pageInfo.endCursor]).toEqual([
          edges[0]?.cursor ?? null,
          edges.at(-1)?.cursor ?? null,
        ]);
      }),
      { numRuns: 150 },
    );
  });

  it('returns edges in the same order backward and forward', async () => {
    const cursor = all[8]?.cursor;
    expect((await pageOf({ last: 5, before: cursor })).edges).toEqual(
      (await pageOf({ first: 5, after: all[2]?.cursor })).edges,
    );
    expect((await pageOf({ last: 100 })).edges).toEqual(all);
  });

  it.each([
    ['direct reports', (list: string) => `{ employees(first: 20) { nodes { list: reports${list} } } }`],
    ['employees of departments', (list: string) => `{ departments { list: employees${list} } }`],
    ['users', (list: string) => `{ list: users${list} }`],
    ['predictions', (list: string) => `{ list: predictions${list} }`],
    ['predictions of a user', (list: string) => `{ me { list: predictions${list} } }`],
    ['releases', (list: string) => `{ list: documentReleases${list} }`],
    ['documents of releases', (list: string) => `{ documentReleases { nodes { list: documents${list} } } }`],
    ['usage of documents', (list: string) => `{ list: documentUsage${list} }`],
  ])('pages through %s backward as forward', async (_what, documentOf) => {
    const pages = async (args: string): Promise<Page[]> => {
      const list = `(${args}) { edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage } }`;
      const response = await gateway.execute('admin', documentOf(list));
      expect(response.errors).toEqual([]);
      return pagesIn(response.data);
    };
    const whole = (await pages('first: 100')).map(({ edges }) => edges);
    expect(Math.max(...whole.map(({ length }) => length))).toBeGreaterThan(1);
    const last = await pages('last: 2');
    expect(last.map(({ edges }) => edges)).toEqual(whole.map((edges) => edges.slice(-2)));
    expect(last.map(({ pageInfo }) => pageInfo.hasPreviousPage)).toEqual(whole.map(({ length }) => length > 2));
  });

  it('accepts 0 for first and rejects negative values', async () => {
    expect((await pageOf({ first: 0 })).edges).toEqual([]);
    const response = await gateway.execute('admin', document, { first: -1 });
    expect(response.errors.map(({ extensions }) => extensions.code)).toEqual(['BAD_USER_INPUT']);
  });

  it('has opaque and unique cursors', () => {
    for (const { cursor, node } of all) {
      expect(cursor).toMatch(/^[\w-]+$/);
      expect(cursor).not.toContain(node.id);
    }
    expect(new Set(all.map(({ cursor }) => cursor)).size).toBe(all.length);
  });
});
