import type { GraphQLResolveInfo } from 'graphql';
import { ArgsType, Field, Int, ObjectType, type ClassType } from 'type-graphql';
import { sortKeys, type Keyset, type KeysetPage } from '../../database/keyset.js';
import { BadUserInput } from '../../errors/app-error.js';
import { CacheHint } from '../schema/cache-control.js';
import { lookAhead, type SelectedFields } from '../context/selection.js';
import { decodeCursor, encodeCursor } from './cursor.js';

export const defaultPageSize = 20;
export const maxPageSize = 100;

/** The maximum number of rows of a page: the requested number, capped, or the default. */
export const pageSize = (requested: number | null | undefined): number =>
  Math.min(requested ?? defaultPageSize, maxPageSize);

@ArgsType()
export class PageArgs {
  @Field(() => Int, {
    nullable: true,
    description: `Number of items from the start; default ${defaultPageSize}, at most ${maxPageSize}.`,
  })
  first?: number | null;

  @Field(() => String, { nullable: true, description: 'Only items after this cursor.' })
  after?: string | null;

  @Field(() => Int, {
    nullable: true,
    description: `Number of items from the end, after \`first\` is applied; at most ${maxPageSize}.`,
  })
  last?: number | null;

  @Field(() => String, { nullable: true, description: 'Only items before this cursor.' })
  before?: string | null;
}

@ObjectType({
  simpleResolvers: true,
  description: 'The position of a page in its list, as in the Relay connection specification.',
})
export class PageInfo {
  @Field({ description: 'Whether items follow.' })
  hasNextPage!: boolean;

  @Field({ description: 'Whether items precede.' })
  hasPreviousPage!: boolean;

  @Field(() => String, { nullable: true, description: 'The cursor of the first edge; null on an empty page.' })
  startCursor!: string | null;

  @Field(() => String, { nullable: true, description: 'The cursor of the last edge; null on an empty page.' })
  endCursor!: string | null;
}

/** A requested page. At least one of `first` and `last` is a number. */
export interface Page extends KeysetPage {
  first: number | null;
  last: number | null;
}

/**
 * Reads the arguments of a page as the Relay connection specification combines them: the cursors bound the list, `first` takes
 * items from the start of that, and `last` from the end of those. Without either, a page starts at `after` or at the start of
 * the list; with `before` alone it ends there.
 * @throws BadUserInput if a size is negative or a cursor is not of this order
 */
export function readPage(args: PageArgs, order: Keyset): Page {
  const { after, before } = args;
  return {
    order,
    ...pageSizes(args),
    after: after == null ? null : decodeCursor(after, order, 'after'),
    before: before == null ? null : decodeCursor(before, order, 'before'),
  };
}

/** The part of a page that does not depend on its order. @throws BadUserInput if a size is negative */
export function pageSizes({
  first,
  after,
  last,
  before,
}: PageArgs): Pick<Page, 'first' | 'last' | 'limit' | 'isBackward'> {
  const problems = [
    ...(first != null && first < 0 ? [{ field: 'first', message: 'must not be negative' }] : []),
    ...(last != null && last < 0 ? [{ field: 'last', message: 'must not be negative' }] : []),
  ];
  if (problems.length > 0) throw BadUserInput.ofFields(problems);
  const isBackward = first == null && (last != null || (before != null && after == null));
  const sizes = {
    first: isBackward ? null : pageSize(first),
    last: last == null && !isBackward ? null : pageSize(last),
  };
  return { ...sizes, limit: Math.max(sizes.first ?? 0, sizes.last ?? 0), isBackward };
}

/** What an operation selects of a connection. */
export const pageSelection = lookAhead((connection) => ({
  hasRows: ['nodes', 'edges', 'pageInfo'].some((field) => connection.has(field)),
  hasCursors: hasCursors(connection),
  hasTotalCount: connection.has('totalCount'),
}));

const hasCursors = (connection: SelectedFields): boolean =>
  connection.at('edges')?.has('cursor') === true ||
  ['startCursor', 'endCursor'].some((field) => connection.at('pageInfo')?.has(field));

/** The properties that an operation reads of the rows of a page; null for all of them. Cursors hold those of the order. */
export function pageReads(connection: SelectedFields, order: Keyset): Iterable<string> | null {
  const row = connection.at('nodes', 'edges.node');
  const reads = row ? row.reads : [];
  return reads && [...reads, ...(hasCursors(connection) ? sortKeys(order).map(({ property }) => property) : [])];
}

/**
 * Starts to count a list if the operation selects `totalCount`, in parallel to its page; otherwise counts on demand. Call it
 * before the page is read.
 */
export function counting(info: GraphQLResolveInfo, count: () => Promise<number>): () => Promise<number> {
  if (!pageSelection(info).hasTotalCount) return count;
  const counted = count();
  // If the page fails, the count is never awaited.
  counted.catch(() => undefined);
  return () => counted;
}

/** One page of rows. */
export interface PageOf<Node> {
  page: Omit<Page, 'order' | 'after' | 'before'> & { order?: Keyset; after: unknown; before: unknown };
  /** In the order of the list; one more than `page.limit` if the list continues. */
  rows: Node[];
  /** Counts the whole list; called only if `totalCount` is selected. */
  count: () => Promise<number>;
  /** Encodes the position of a row; by default by the order of the page. */
  cursorOf?: (row: Node) => string;
}

/** An instance of a connection type, which a resolver returns. */
export interface Connection<Node> {
  readonly nodes: Node[];
  readonly pageInfo: PageInfo;
}

/** An edge that encodes its cursor only if selected. */
class LazyEdge<Node> {
  readonly #cursorOf: (node: Node) => string;

  constructor(
    cursorOf: (node: Node) => string,
    readonly node: Node,
  ) {
    this.#cursorOf = cursorOf;
  }

  get cursor(): string {
    return this.#cursorOf(this.node);
  }
}

const noCursor = (): never => {
  throw new Error('A page needs an order or cursorOf.');
};

/**
 * Creates `<Name>Connection` and `<Name>Edge` for a node type. Cursors are encoded only if selected.
 */
export function connectionType<Node extends object>(
  nodeType: ClassType,
  name: string,
): new (of: PageOf<Node>) => Connection<Node> {
  @ObjectType(`${name}Edge`, { simpleResolvers: true, description: `One ${name} in a list.` })
  class Edge {
    @Field({ description: 'The position of the item, for `after` and `before`.' })
    cursor!: string;

    @CacheHint({ inheritMaxAge: true })
    @Field(() => nodeType, { description: `The ${name}.` })
    node!: Node;
  }

  @CacheHint({ of: [name] })
  @ObjectType(`${name}Connection`, { description: `One page of a list of ${name}s.` })
  class NamedConnection implements Connection<Node> {
    readonly #of: PageOf<Node>;
    readonly #cursorOf: (row: Node) => string;

    @CacheHint({ inheritMaxAge: true })
    @Field(() => [nodeType], { simple: true, description: 'The items of the page.' })
    readonly nodes: Node[];

    constructor(of: PageOf<Node>) {
      this.#of = of;
      const { first, last, order } = of.page;
      this.#cursorOf = of.cursorOf ?? (order ? (row) => encodeCursor(order, row as Node & { id: string }) : noCursor);
      const firstRows = first === null ? of.rows : of.rows.slice(0, first);
      this.nodes = last === null ? firstRows : firstRows.slice(Math.max(0, firstRows.length - last));
    }

    @CacheHint({ inheritMaxAge: true })
    @Field(() => [Edge], { description: 'The items of the page with their cursors.' })
    get edges(): Edge[] {
      return this.nodes.map((node) => new LazyEdge(this.#cursorOf, node));
    }

    @CacheHint({ inheritMaxAge: true })
    @Field(() => PageInfo, { description: 'The position of the page.' })
    get pageInfo(): PageInfo {
      const { page, rows } = this.#of;
      const first = this.nodes.at(0);
      const last = this.nodes.at(-1);
      const cursorOf = this.#cursorOf;
      return {
        // The item of a cursor exists, so no further query is needed.
        hasNextPage: page.first === null ? page.before !== null : rows.length > page.first,
        hasPreviousPage: page.last === null ? page.after !== null : rows.length > page.last,
        get startCursor() {
          return first ? cursorOf(first) : null;
        },
        get endCursor() {
          return last ? cursorOf(last) : null;
        },
      };
    }

    @Field(() => Int, { description: 'The number of items in the whole list. Requires a separate count.' })
    totalCount(): Promise<number> {
      return this.#of.count();
    }
  }
  return NamedConnection;
}
