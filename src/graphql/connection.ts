import type { GraphQLResolveInfo } from 'graphql';
import { ArgsType, Field, Int, ObjectType, type ClassType } from 'type-graphql';
import type { Keyset, KeysetPage, Position } from '../database/keyset.js';
import { BadUserInput } from '../shared/errors.js';
import { CacheHint } from './cache-hint.js';
import { surelySelects } from './selection.js';

export const defaultPageSize = 20;
export const maxPageSize = 100;

/** How many rows a page holds at the most: what was asked for, capped; the default where nothing was. */
export const pageSize = (asked: number | null | undefined): number => Math.min(asked ?? defaultPageSize, maxPageSize);

@ArgsType()
export class ForwardPageArgs {
  @Field(() => Int, { nullable: true, description: `How many from the start; ${defaultPageSize} if absent, ${maxPageSize} at the most.` })
  first?: number | null;

  @Field(() => String, { nullable: true, description: 'Only what follows this cursor.' })
  after?: string | null;
}

@ArgsType()
export class PageArgs extends ForwardPageArgs {
  @Field(() => Int, { nullable: true, description: `How many from the end, of what \`first\` leaves where both are given; ${maxPageSize} at the most.` })
  last?: number | null;

  @Field(() => String, { nullable: true, description: 'Only what precedes this cursor.' })
  before?: string | null;
}

@ObjectType({ simpleResolvers: true, description: 'Where a page stands in its list, after the Relay connection specification.' })
export class PageInfo {
  @Field({ description: 'Whether more follow.' })
  hasNextPage!: boolean;

  @Field({ description: 'Whether more precede.' })
  hasPreviousPage!: boolean;

  @Field(() => String, { nullable: true, description: 'The cursor of the first edge; null on an empty page.' })
  startCursor!: string | null;

  @Field(() => String, { nullable: true, description: 'The cursor of the last edge; null on an empty page.' })
  endCursor!: string | null;
}

/** A page as it was asked for. One of `first` and `last` is a number; both, where both were asked for. */
export interface Page extends KeysetPage {
  first: number | null;
  last: number | null;
}

/**
 * Reads a page's arguments for a list in the given order, as the Relay connection specification combines them: the cursors
 * cut the list, `first` takes of that from its start, and `last` takes of that from its end. Where neither is given, a page
 * begins at `after` or at the start of the list; with `before` alone it ends there.
 * @throws BadUserInput for a negative size, or a cursor that is not of this order
 */
export function readPage({ first, after, last, before }: PageArgs, order: Keyset): Page {
  const problems = [
    ...(first != null && first < 0 ? [{ field: 'first', message: 'must not be negative' }] : []),
    ...(last != null && last < 0 ? [{ field: 'last', message: 'must not be negative' }] : []),
  ];
  if (problems.length > 0) throw BadUserInput.ofFields(problems);
  const isBackward = first == null && (last != null || (before != null && after == null));
  const sizes = { first: isBackward ? null : pageSize(first), last: last == null && !isBackward ? null : pageSize(last) };
  return {
    order,
    ...sizes,
    limit: Math.max(sizes.first ?? 0, sizes.last ?? 0),
    isBackward,
    after: after == null ? null : decodeCursor(after, order, 'after'),
    before: before == null ? null : decodeCursor(before, order, 'before'),
  };
}

/**
 * How to count a list: beside its page where `totalCount` is asked for, not after it; else only if it should still be.
 * To be called before the page is read.
 */
export function counting(info: GraphQLResolveInfo, count: () => Promise<number>): () => Promise<number> {
  if (!surelySelects(info, 'totalCount')) return count;
  const counted = count();
  // Where the page fails, nobody asks for the count.
  counted.catch(() => undefined);
  return () => counted;
}

/** One page of rows and what is known about its surroundings. */
export interface PageOf<Node> {
  page: Page;
  /** In the list's order; one more than `page.limit` where there are more. */
  rows: Node[];
  /** Counts the whole list; called only where `totalCount` is asked for. */
  count: () => Promise<number>;
}

/** An instance of a connection type: what a resolver returns. */
export interface Connection<Node> {
  readonly nodes: Node[];
  readonly pageInfo: PageInfo;
}

/**
 * Makes `<Name>Connection` and `<Name>Edge` for a node type. Cursors are made only where they are asked for.
 * @param sortValue the value of the row in the order's column; its text is part of the cursor
 */
export function connectionType<Node extends { id: string }>(
  nodeType: ClassType,
  name: string,
): new (of: PageOf<Node>) => Connection<Node> {
  @ObjectType(`${name}Edge`, { simpleResolvers: true, description: `One ${name} in a list.` })
  class Edge {
    @Field({ description: 'Where this edge stands; for `after` and `before`.' })
    cursor!: string;

    @CacheHint({ inheritMaxAge: true })
    @Field(() => nodeType, { description: `The ${name}.` })
    node!: Node;
  }

  @CacheHint({ of: [name] })
  @ObjectType(`${name}Connection`, { description: `One page of a list of ${name}s.` })
  class NamedConnection implements Connection<Node> {
    readonly #of: PageOf<Node>;

    @CacheHint({ inheritMaxAge: true })
    @Field(() => [nodeType], { simple: true, description: 'The page without its cursors.' })
    readonly nodes: Node[];

    constructor(of: PageOf<Node>) {
      this.#of = of;
      const { first, last } = of.page;
      const taken = first === null ? of.rows : of.rows.slice(0, first);
      this.nodes = last === null ? taken : taken.slice(Math.max(0, taken.length - last));
    }

    @CacheHint({ inheritMaxAge: true })
    @Field(() => [Edge], { description: 'The page.' })
    get edges(): Edge[] {
      return this.nodes.map((node) => ({ cursor: this.#cursor(node), node }));
    }

    @CacheHint({ inheritMaxAge: true })
    @Field(() => PageInfo, { description: 'Where the page stands.' })
    get pageInfo(): PageInfo {
      const { page, rows } = this.#of;
      const first = this.nodes.at(0);
      const last = this.nodes.at(-1);
      return {
        // What lies beyond a cursor, the edge that it was of, is known to be there; for more the list would be asked again.
        hasNextPage: page.first === null ? page.before !== null : rows.length > page.first,
        hasPreviousPage: page.last === null ? page.after !== null : rows.length > page.last,
        startCursor: first ? this.#cursor(first) : null,
        endCursor: last ? this.#cursor(last) : null,
      };
    }

    @Field(() => Int, { description: 'How many the whole list has. Costs a count of its own.' })
    totalCount(): Promise<number> {
      return this.#of.count();
    }

    #cursor(node: Node): string {
      return encodeCursor(this.#of.page.order, node);
    }
  }
  return NamedConnection;
}

function encodeCursor(order: Keyset, node: { id: string }): string {
  const value: unknown = Reflect.get(node, order.property);
  return Buffer.from(JSON.stringify([order.property, value, node.id])).toString('base64url');
}

/** Room for the longest value that orders a list: 100 characters, each escaped in JSON, and the base64 of it all. */
const maxCursorLength = 1000;

function decodeCursor(cursor: string, order: Keyset, field: string): Position {
  const parts = cursor.length > maxCursorLength ? null : readJson(Buffer.from(cursor, 'base64url').toString());
  if (!Array.isArray(parts) || parts.length !== 3) {
    throw BadUserInput.ofFields([{ field, message: 'is not a cursor of this list; use an endCursor or startCursor that it gave' }]);
  }
  const [property, value, id] = parts as unknown[];
  if (property !== order.property) {
    throw BadUserInput.ofFields([{ field, message: 'is a cursor of another order; start again without it' }]);
  }
  if (!isUuid(id) || !isSortValue(value, order.type)) {
    throw BadUserInput.ofFields([{ field, message: 'is a damaged cursor; start again without it' }]);
  }
  return { value, id };
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const isUuid = (id: unknown): id is string => typeof id === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id);

function isSortValue(value: unknown, type: Keyset['type']): value is string | number {
  if (type === 'integer') return Number.isInteger(value) && Math.abs(Number(value)) <= 2_147_483_647;
  if (typeof value !== 'string') return false;
  if (type === 'date') return isTime(`${value}T00:00:00.000Z`);
  if (type === 'timestamptz') return isTime(value);
  if (type === 'uuid') return isUuid(value);
  return !value.includes('\0');
}

/** Whether a text is a time as JSON writes it. JavaScript takes a February 30 and a year 0, which PostgreSQL refuses. */
function isTime(text: string): boolean {
  const time = new Date(text);
  return !Number.isNaN(time.getTime()) && time.toISOString() === text && text >= '0001';
}
