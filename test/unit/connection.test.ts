import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Keyset } from '../../src/database/keyset.js';
import {
  connectionType,
  pageSize,
  readPage,
  type Connection,
  type PageArgs,
  type PageInfo,
} from '../../src/graphql/relay/connection.js';
import { BadUserInput } from '../../src/errors/app-error.js';

const byName: Keyset = { column: 'thing.name', property: 'name', type: 'text', isDescending: false };
const byAge: Keyset = { column: 'thing.age', property: 'age', type: 'integer', isDescending: false };
const byDay: Keyset = { column: 'thing.day', property: 'day', type: 'date', isDescending: false };
const byTime: Keyset = { column: 'thing.at', property: 'at', type: 'timestamptz', isDescending: true };
const byId: Keyset = { column: 'thing.id', property: 'id', type: 'uuid', isDescending: true };
const id = '01890a5d-ac96-774b-bcce-b302099a8057';

interface Thing {
  id: string;
  name?: string;
  age?: number;
  day?: string;
  at?: Date;
}
class ThingType implements Thing {
  id = '';
}
const ThingConnection = connectionType<Thing>(ThingType, 'Thing');
type WithEdges = Connection<Thing> & { edges: { cursor: string; node: Thing }[]; totalCount(): Promise<number> };

const connection = (
  args: PageArgs,
  order: Keyset,
  rows: Thing[],
  count = () => Promise.resolve(rows.length),
): WithEdges => new ThingConnection({ page: readPage(args, order), rows, count }) as WithEdges;

/** The cursor of a row in this order. */
const cursorOf = (order: Keyset, row: Thing): string => connection({}, order, [row]).pageInfo.endCursor ?? '';

/** The invalid fields and their messages. */
function problemsOf(args: PageArgs, order: Keyset): [string, string][] {
  try {
    readPage(args, order);
  } catch (error) {
    if (error instanceof BadUserInput) return error.fields.map(({ field, message }) => [field, message]);
    throw error;
  }
  return [];
}

describe('the size of a page', () => {
  it('is 20 by default and at most 100', () => {
    expect([undefined, null, 0, 1, 99, 100, 101, 2_147_483_647].map(pageSize)).toEqual([
      20, 20, 0, 1, 99, 100, 100, 100,
    ]);
  });
});

describe('the arguments of a page', () => {
  it('read forward unless `last` or `before` is given', () => {
    const cursor = cursorOf(byAge, { id, age: 40 });
    const position = { value: 40, id };
    const forward = { order: byAge, first: 20, last: null, limit: 20, isBackward: false, after: null, before: null };
    const backward = { ...forward, first: null, last: 20, isBackward: true };
    expect(readPage({}, byAge)).toEqual(forward);
    expect(readPage({ first: 5, after: cursor }, byAge)).toEqual({ ...forward, first: 5, limit: 5, after: position });
    expect(readPage({ last: 5, before: cursor }, byAge)).toEqual({ ...backward, last: 5, limit: 5, before: position });
    expect(readPage({ before: cursor }, byAge)).toEqual({ ...backward, before: position });
    expect(readPage({ last: 500 }, byAge)).toEqual({ ...backward, last: 100, limit: 100 });
    expect(readPage({ first: 3, last: 500 }, byAge)).toEqual({ ...forward, first: 3, last: 100, limit: 100 });
    expect(readPage({ after: cursor, before: cursor }, byAge)).toEqual({
      ...forward,
      after: position,
      before: position,
    });
    expect(readPage({ first: null, after: null, last: null, before: null }, byAge)).toEqual(forward);
  });

  it('are rejected with every error at once', () => {
    const fields = (args: PageArgs) => problemsOf(args, byAge).map(([field]) => field);
    expect(fields({ first: -1 })).toEqual(['first']);
    expect(fields({ last: -1 })).toEqual(['last']);
    expect(fields({ first: -1, after: 'a', last: -1, before: 'b' })).toEqual(['first', 'last']);
  });
});

describe('a cursor', () => {
  it('decodes to its position', () => {
    const check = (order: Keyset, row: Thing, value: string | number) => {
      expect(readPage({ after: cursorOf(order, row) }, order).after).toEqual({ value, id: row.id });
    };
    fc.assert(
      fc.property(
        fc.record({
          id: fc.uuid(),
          name: fc.string({ unit: 'binary', maxLength: 50 }).filter((text) => !text.includes('\0')),
          age: fc.integer({ min: -2_147_483_647, max: 2_147_483_647 }),
          at: fc.date({
            min: new Date('0001-01-01T00:00:00.000Z'),
            max: new Date('9999-12-31T23:59:59.999Z'),
            noInvalidDate: true,
          }),
        }),
        ({ at, ...row }) => {
          const day = at.toISOString().slice(0, 10);
          check(byName, row, row.name);
          check(byAge, row, row.age);
          check(byTime, { id: row.id, at }, at.toISOString());
          check(byDay, { id: row.id, day }, day);
          check(byId, row, row.id);
        },
      ),
    );
  });

  it('fits the longest possible name', () => {
    for (const name of ['\u0001'.repeat(100), '名'.repeat(100), '"'.repeat(100), '👩'.repeat(50)]) {
      expect(readPage({ after: cursorOf(byName, { id, name }) }, byName).after).toEqual({ value: name, id });
    }
  });

  it('is valid for both directions of its order, since it is a position', () => {
    const cursor = cursorOf(byName, { id, name: 'x' });
    expect(readPage({ after: cursor }, { ...byName, isDescending: true }).after).toEqual({ value: 'x', id });
  });

  it('is accepted or rejected for any text, without other errors', () => {
    const orders = fc.constantFrom(byName, byAge, byDay, byTime, byId);
    const anything = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.base64String(),
      fc.json().map((text) => Buffer.from(text).toString('base64url')),
      fc
        .tuple(fc.constantFrom('name', 'age', 'day', 'at', 'id'), fc.jsonValue(), fc.oneof(fc.uuid(), fc.jsonValue()))
        .map((parts) => Buffer.from(JSON.stringify(parts)).toString('base64url')),
    );
    fc.assert(
      fc.property(anything, orders, (after, order) => {
        for (const [field, message] of problemsOf({ after }, order)) {
          expect(field).toBe('after');
          expect(message).toMatch(/cursor/);
        }
      }),
      { numRuns: 500 },
    );
  });

  const encoded = (...parts: unknown[]) => Buffer.from(JSON.stringify(parts)).toString('base64url');
  it.each([
    ['noise', 'noise', byName, /not a cursor/],
    ['too long', encoded('name', 'x'.repeat(1000), id), byName, /not a cursor/],
    ['of another order', encoded('age', 1, id), byName, /another order/],
    ['without an id', encoded('name', 'x', null), byName, /damaged/],
    ['with an id in upper case', encoded('name', 'x', id.toUpperCase()), byName, /damaged/],
    ['with a number for a text', encoded('name', 1, id), byName, /damaged/],
    ['with a text for a number', encoded('age', '1', id), byAge, /damaged/],
    ['with a number beyond 32 bits', encoded('age', -2_147_483_649, id), byAge, /damaged/],
    ['with a day that is none', encoded('day', '2023-02-29', id), byDay, /damaged/],
    ['with a year 0', encoded('day', '0000-01-01', id), byDay, /damaged/],
    ['with a time in place of a day', encoded('day', '2024-01-01T00:00:00.000Z', id), byDay, /damaged/],
    ['with an hour 24', encoded('at', '2024-01-01T24:00:00.000Z', id), byTime, /damaged/],
    ['with a year of five digits', encoded('at', '+010000-01-01T00:00:00.000Z', id), byTime, /damaged/],
    ['with a year before the first', encoded('at', '-000001-01-01T00:00:00.000Z', id), byTime, /damaged/],
    ['with an offset', encoded('at', '2024-01-01T00:00:00.000+01:00', id), byTime, /damaged/],
    ['with a text for a UUID', encoded('id', 'x', id), byId, /damaged/],
  ])('is rejected: %s', (_what, cursor, order, message) => {
    for (const field of ['after', 'before'] as const) {
      const problems = problemsOf({ [field]: cursor }, order);
      expect(problems.map(([name]) => name)).toEqual([field]);
      expect(problems[0]?.[1]).toMatch(message);
    }
  });
});

describe('a connection', () => {
  const rows = (...ages: number[]): Thing[] =>
    ages.map((age) => ({ id: `01890a5d-ac96-774b-bcce-0000000000${age}`, age }));
  const ages = (of: WithEdges) => of.nodes.map((node) => node.age);
  const around = ({ hasPreviousPage, hasNextPage }: PageInfo) => [hasPreviousPage, hasNextPage];
  const cursor = cursorOf(byAge, { id, age: 40 });

  it('drops the extra row at the end when reading forward', () => {
    const page = connection({ first: 2 }, byAge, rows(41, 42, 43));
    expect(ages(page)).toEqual([41, 42]);
    expect(around(page.pageInfo)).toEqual([false, true]);
    expect(around(connection({ first: 3, after: cursor }, byAge, rows(41, 42, 43)).pageInfo)).toEqual([true, false]);
  });

  it('drops the extra row at the start when reading backward', () => {
    const page = connection({ last: 2 }, byAge, rows(41, 42, 43));
    expect(ages(page)).toEqual([42, 43]);
    expect(around(page.pageInfo)).toEqual([true, false]);
    expect(around(connection({ last: 3, before: cursor }, byAge, rows(41, 42, 43)).pageInfo)).toEqual([false, true]);
  });

  it('has no cursors without rows', () => {
    for (const args of [{ first: 0 }, { last: 0 }]) {
      expect(connection(args, byAge, []).pageInfo).toEqual({
        hasNextPage: false,
        hasPreviousPage: false,
        startCursor: null,
        endCursor: null,
      });
      const more = connection(args, byAge, rows(41));
      expect(more.nodes).toEqual([]);
      expect(more.edges).toEqual([]);
      expect(more.pageInfo).toMatchObject({ startCursor: null, endCursor: null });
      expect(around(more.pageInfo)).toEqual('last' in args ? [true, false] : [false, true]);
    }
  });

  it('has the cursors of its first and last edge', () => {
    const page = connection({ first: 2 }, byAge, rows(41, 42, 43));
    expect(page.edges.map((edge) => edge.node.age)).toEqual([41, 42]);
    expect([page.pageInfo.startCursor, page.pageInfo.endCursor]).toEqual(page.edges.map((edge) => edge.cursor));
  });

  it('counts rows only if totalCount is selected', async () => {
    let counted = 0;
    const page = connection({}, byAge, rows(41), () => Promise.resolve((counted += 7)));
    expect([page.nodes.length, page.edges.length, page.pageInfo.hasNextPage, counted]).toEqual([1, 1, false, 0]);
    expect(await page.totalCount()).toBe(7);
  });
});
