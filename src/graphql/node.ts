import { GraphQLBoolean, isInterfaceType, type GraphQLResolveInfo, type GraphQLSchema } from 'graphql';
import { Arg, Ctx, Extensions, Field, ID, Info, InterfaceType, Query, Resolver } from 'type-graphql';
import { AppError, BadUserInput, type FieldProblem } from '../shared/errors.js';
import type { Context } from './context.js';
import { decodeId, idProblem, type IdType } from './id.js';
import { guardFields, isSignedIn, type Permissions } from './permissions.js';

/** How things of one type are fetched by their ids. */
export interface NodeSource {
  /** The name of the type in the schema; it implements `Node`. */
  type: string;
  /** The root field by which they are read otherwise: whoever that field refuses is refused here by the same rule. */
  readAs: string;
  /**
   * The things, in the order of the ids; null for what is unknown or not the viewer's to read. One statement for all.
   * @param uuids as the database has them, no more than `maxNodes`
   */
  read: (uuids: readonly string[], context: Context) => Promise<readonly (object | null)[]>;
}

/** The sources of a domain, by the prefix of the ids. */
export type NodeSources = Partial<Record<IdType, NodeSource>>;

/** Ids that one call of `nodes` takes. */
export const maxNodes = 100;

@InterfaceType({ description: 'What has an id by which it can be fetched again, after the Relay specification of global object identification.' })
export abstract class Node {
  @Field(() => ID, { description: 'The id: the name of its kind, such as employee_, and 26 characters.' })
  id!: string;
}

/** A thing with the name of its type, by which the executor knows it. */
interface FoundNode {
  __typename: string;
}

/** Reads the things of one type behind the type's rule. */
type GuardedRead = (uuids: readonly string[], context: Context, info: GraphQLResolveInfo) => Promise<readonly (object | null)[]>;

/** A thing, nothing, or why the viewer may not have it. */
type Found = FoundNode | AppError | null;

@Resolver()
export class NodeResolver {
  /** By the prefix of the ids. */
  readonly #reads = new Map<IdType, { type: string; read: GuardedRead }>();

  /**
   * Joins what the domains say.
   * @param schema the schema of the domains
   * @throws Error where two domains share a prefix, a `Node` cannot be fetched, or a source names what is not there
   */
  constructor(domains: readonly { name: string; permissions: Permissions; nodes: NodeSources }[], schema: GraphQLSchema) {
    const owners = new Map<string, string>();
    for (const { name, permissions, nodes } of domains) {
      for (const [prefix, source] of Object.entries(nodes) as [IdType, NodeSource][]) {
        const owner = owners.get(prefix);
        if (owner !== undefined) throw new Error(`The domains ${owner} and ${name} both have ids that begin with ${prefix}_; give one of them another prefix.`);
        owners.set(prefix, name);
        this.#reads.set(prefix, { type: source.type, read: guardedRead(source, permissions) });
      }
    }
    assertComplete([...this.#reads.values()].map(({ type }) => type), schema);
  }

  @Query(() => Node, {
    nullable: true,
    description: 'Anything that has an id, by it; null if unknown or not for the viewer, just as the root field of its own type answers.',
  })
  async node(
    @Arg('id', () => ID, { description: 'The id, as the field `id` gave it.' }) id: string,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<FoundNode | null> {
    const [found] = await this.#find([{ id, field: 'id' }], context, info);
    if (found instanceof AppError) throw found;
    return found ?? null;
  }

  @Query(() => [Node], {
    nullable: 'items',
    description: 'As `node`, for many ids of any types, in their order; null, each by itself, for what is unknown or not for the viewer.',
  })
  @Extensions({ listSize: { lengthOf: 'ids' } })
  nodes(
    @Arg('ids', () => [ID], { description: `The ids; ${maxNodes} at the most.` }) ids: string[],
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Found[]> {
    if (ids.length > maxNodes) {
      throw BadUserInput.ofFields([{ field: 'ids', message: `must be ${maxNodes} ids or fewer, and are ${ids.length}; ask in several operations` }]);
    }
    return this.#find(
      ids.map((id, position) => ({ id, field: `ids[${position}]` })),
      context,
      info,
    );
  }

  /** @throws BadUserInput that names each id that is none, by its field */
  async #find(asked: readonly { id: string; field: string }[], context: Context, info: GraphQLResolveInfo): Promise<Found[]> {
    const problems = asked.map(({ id, field }) => this.#problem(id, field)).filter((problem) => problem !== null);
    if (problems.length > 0) throw BadUserInput.ofFields(problems);
    const found = new Map<string, Found>();
    const byPrefix = Map.groupBy(new Set(asked.map(({ id }) => id)), (id) => this.#prefixOf(id));
    await Promise.all(
      [...byPrefix].map(async ([prefix, ids]) => {
        for (const [at, thing] of (await this.#readAll(prefix, ids, context, info)).entries()) found.set(ids[at] ?? '', thing);
      }),
    );
    return asked.map(({ id }) => found.get(id) ?? null);
  }

  async #readAll(prefix: IdType | undefined, ids: readonly string[], context: Context, info: GraphQLResolveInfo): Promise<Found[]> {
    const source = prefix && this.#reads.get(prefix);
    if (!source) return [];
    try {
      const things = await source.read(
        ids.map((id) => decodeId(prefix, id)),
        context,
        info,
      );
      return things.map((thing) => thing && { ...thing, __typename: source.type });
    } catch (error) {
      // What the viewer may not read leaves the rest of the answer; a fault does not.
      if (error instanceof AppError) return ids.map(() => error);
      throw error;
    }
  }

  #problem(id: string, field: string): FieldProblem | null {
    const prefix = this.#prefixOf(id);
    if (prefix) return idProblem(prefix, id, field);
    const prefixes = [...this.#reads.keys()].map((known) => `${known}_`).join(', ');
    return { field, message: `must be an id that the gateway gave (one of ${prefixes} and 26 characters); ${JSON.stringify(id.slice(0, 60))} is none` };
  }

  #prefixOf(id: string): IdType | undefined {
    return [...this.#reads.keys()].find((prefix) => id.startsWith(`${prefix}_`));
  }
}

/** Lets the executors know what a `Node` is. Given to `@InterfaceType` it would become a promise, which graphql-jit does not wait for. */
export function resolveNodes(schema: GraphQLSchema): GraphQLSchema {
  const node = schema.getType('Node');
  if (isInterfaceType(node)) node.resolveType = ({ __typename }: FoundNode) => __typename;
  return schema;
}

/** `node` and `nodes` are for whoever is known; what of it may be read, the rule of each type decides. */
export const nodePermissions: Permissions = { Query: { node: isSignedIn, nodes: isSignedIn } };

/** Puts the rule of the field that reads these things before the source. */
function guardedRead({ type, readAs, read }: NodeSource, permissions: Permissions): GuardedRead {
  const rule = permissions.Query?.[readAs];
  if (!rule) throw new Error(`${type} is read as Query.${readAs}, which has no rule in its domain.`);
  const resolve = (_source: unknown, { uuids }: { uuids: readonly string[] }, context: Context) => read(uuids, context);
  const guarded = guardFields({ [readAs]: { type: GraphQLBoolean, resolve } }, rule)[readAs]?.resolve;
  if (!guarded) throw new Error(`Query.${readAs} got no guard.`);
  return async (uuids, context, info) => {
    const things: unknown = await guarded(undefined, { uuids }, context, info);
    // Shield gives its refusal back instead of throwing it.
    if (things instanceof Error) throw things;
    return things as readonly (object | null)[];
  };
}

function assertComplete(types: readonly string[], schema: GraphQLSchema): void {
  const node = schema.getType('Node');
  const implementing = isInterfaceType(node) ? schema.getPossibleTypes(node).map(({ name }) => name) : [];
  const unfetched = implementing.filter((type) => !types.includes(type));
  const unknown = types.filter((type) => !implementing.includes(type));
  if (unfetched.length > 0) throw new Error(`No domain says how to fetch ${unfetched.join(', ')}, which implements Node; see the \`nodes\` of the domains.`);
  if (unknown.length > 0) throw new Error(`${unknown.join(', ')} can be fetched by id, but does not implement Node.`);
}
