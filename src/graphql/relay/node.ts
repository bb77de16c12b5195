import { GraphQLBoolean, isInterfaceType, type GraphQLResolveInfo, type GraphQLSchema } from 'graphql';
import { Arg, Ctx, Extensions, Field, ID, Info, InterfaceType, Query, Resolver } from 'type-graphql';
import { AppError, BadUserInput, type FieldProblem } from '../../errors/app-error.js';
import type { Context } from '../context/context.js';
import { decodeId, idProblem, type IdType } from './global-id.js';
import { guardFields } from '../permissions/guard-schema.js';
import { isSignedIn, type Permissions } from '../permissions/rules.js';

/** Fetches objects of one type by ID. */
interface NodeSource {
  /** The name of the type in the schema; it implements `Node`. */
  type: string;
  /** The field that reads the same objects; its rule applies here too: `employee` of Query, or `Model.deployment`. */
  readAs: string;
  /** Checks an ID of another form than a prefix and 26 characters, which `read` then receives undecoded. @returns its problem, or null */
  problemOf?: (id: string, field: string) => FieldProblem | null;
  /**
   * Reads the objects with one statement, in the order of the IDs; null for those that are unknown or hidden from the viewer.
   * @param uuids stored IDs, at most `maxNodes`; with `problemOf`, the IDs
   */
  read: (uuids: readonly string[], context: Context, info: GraphQLResolveInfo) => Promise<readonly (object | null)[]>;
}

/** The sources of a domain, by ID prefix. */
export type NodeSources = Partial<Record<IdType, NodeSource>>;

/** IDs per call of `nodes`. */
const maxNodes = 100;

@InterfaceType({
  description:
    'An object with a global ID by which it can be fetched again, as in the Relay specification of global object identification.',
})
export abstract class Node {
  @Field(() => ID, { description: 'The global ID: a prefix that names the type, an underscore and 26 characters.' })
  id!: string;
}

/** An object with the name of its type, for the executor. */
interface FoundNode {
  __typename: string;
}

/** A copy with the name of its type. It has the prototype of the object: that of a row throws for what was not read. */
const named = (node: object, type: string): FoundNode =>
  Object.assign(Object.create(Object.getPrototypeOf(node) as object) as object, node, { __typename: type });

/** Reads objects of one type if the type's rule permits it. */
type GuardedRead = (
  uuids: readonly string[],
  context: Context,
  info: GraphQLResolveInfo,
) => Promise<readonly (object | null)[]>;

/** An object, nothing, or the reason why the viewer may not read it. */
type Found = FoundNode | AppError | null;

@Resolver()
export class NodeResolver {
  /** By ID prefix. */
  readonly #reads = new Map<IdType, { type: string; read: GuardedRead; problemOf: NodeSource['problemOf'] }>();

  /**
   * Combines the sources of the domains.
   * @param schema the schema of the domains
   * @throws Error if two domains share a prefix, a `Node` has no source, or a source names a type or field that does not exist
   */
  constructor(
    domains: readonly { name: string; permissions: Permissions; nodes: NodeSources }[],
    schema: GraphQLSchema,
  ) {
    const owners = new Map<string, string>();
    for (const { name, permissions, nodes } of domains) {
      for (const [prefix, source] of Object.entries(nodes) as [IdType, NodeSource][]) {
        const owner = owners.get(prefix);
        if (owner !== undefined)
          throw new Error(`The domains ${owner} and ${name} both use the ID prefix ${prefix}_; change one of them.`);
        owners.set(prefix, name);
        const { type, problemOf } = source;
        this.#reads.set(prefix, { type, problemOf, read: guardedRead(source, permissions) });
      }
    }
    assertComplete(
      [...this.#reads.values()].map(({ type }) => type),
      schema,
    );
  }

  @Query(() => Node, {
    nullable: true,
    description:
      'Fetches an object by its global ID; null if unknown or hidden from the viewer. The rule of the root field of its type applies.',
  })
  async node(
    @Arg('id', () => ID, { description: 'The ID, as the field `id` returned it.' }) id: string,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<FoundNode | null> {
    const [found] = await this.#find([{ id, field: 'id' }], context, info);
    if (found instanceof AppError) throw found;
    return found ?? null;
  }

  @Query(() => [Node], {
    nullable: 'items',
    description:
      'Fetches objects of any types by their global IDs, in their order; null for each that is unknown or hidden from the viewer. ' +
      'An invalid ID is null with an error.',
  })
  @Extensions({ listSize: { lengthOf: 'ids' } })
  nodes(
    @Arg('ids', () => [ID], { description: `The IDs; at most ${maxNodes}.` }) ids: string[],
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Found[]> {
    if (ids.length > maxNodes) {
      throw BadUserInput.ofFields([
        {
          field: 'ids',
          message: `must be at most ${maxNodes} ids, not ${ids.length}; split them over several operations`,
        },
      ]);
    }
    return this.#find(
      ids.map((id, position) => ({ id, field: `ids[${position}]` })),
      context,
      info,
    );
  }

  /** Finds objects, in the order of the requested IDs; an invalid ID is a BadUserInput that names its field. */
  async #find(
    requested: readonly { id: string; field: string }[],
    context: Context,
    info: GraphQLResolveInfo,
  ): Promise<Found[]> {
    const problems = requested.map(({ id, field }) => this.#problem(id, field));
    const valid = requested.filter((_id, position) => problems[position] === null);
    const found = new Map<string, Found>();
    const byPrefix = Map.groupBy(new Set(valid.map(({ id }) => id)), (id) => this.#prefixOf(id));
    await Promise.all(
      [...byPrefix].map(async ([prefix, ids]) => {
        for (const [at, node] of (await this.#readAll(prefix, ids, context, info)).entries())
          found.set(ids[at] ?? '', node);
      }),
    );
    return requested.map(({ id }, position) => {
      const problem = problems[position];
      return problem ? BadUserInput.ofFields([problem]) : (found.get(id) ?? null);
    });
  }

  async #readAll(
    prefix: IdType | undefined,
    ids: readonly string[],
    context: Context,
    info: GraphQLResolveInfo,
  ): Promise<Found[]> {
    const source = prefix && this.#reads.get(prefix);
    if (!source) return [];
    try {
      const nodes = await source.read(source.problemOf ? ids : ids.map((id) => decodeId(prefix, id)), context, info);
      return nodes.map((node) => node && named(node, source.type));
    } catch (error) {
      // A rejection leaves the other objects of the response; an unexpected error does not.
      if (error instanceof AppError) return ids.map(() => error);
      throw error;
    }
  }

  #problem(id: string, field: string): FieldProblem | null {
    const prefix = this.#prefixOf(id);
    if (prefix) {
      const problemOf = this.#reads.get(prefix)?.problemOf;
      return problemOf ? problemOf(id, field) : idProblem(prefix, id, field);
    }
    const prefixes = [...this.#reads.keys()].map((known) => `${known}_`).join(', ');
    return {
      field,
      message: `must be an id of this gateway (one of ${prefixes} and 26 characters), not ${JSON.stringify(id.slice(0, 60))}`,
    };
  }

  #prefixOf(id: string): IdType | undefined {
    return [...this.#reads.keys()].find((prefix) => id.startsWith(`${prefix}_`));
  }
}

/** Resolves the type of a `Node` synchronously; given to `@InterfaceType`, type-graphql would make a promise of it. */
export function resolveNodes(schema: GraphQLSchema): GraphQLSchema {
  const node = schema.getType('Node');
  if (isInterfaceType(node)) node.resolveType = ({ __typename }: FoundNode) => __typename;
  return schema;
}

/** `node` and `nodes` require a credential; the rule of each type decides about its objects. */
export const nodePermissions: Permissions = { Query: { node: isSignedIn, nodes: isSignedIn } };

/** Guards a source with the rule of the field that reads the same objects. */
function guardedRead({ type, readAs, read }: NodeSource, permissions: Permissions): GuardedRead {
  const [field = '', owner = 'Query'] = readAs.split('.').reverse();
  const rule = permissions[owner]?.[field];
  if (!rule)
    throw new Error(
      `${type} is read as ${owner}.${field}, which has no rule in its domain; add it to the permissions.`,
    );
  const resolve = (
    _source: unknown,
    { uuids }: { uuids: readonly string[] },
    context: Context,
    info: GraphQLResolveInfo,
  ) => read(uuids, context, info);
  const guarded = guardFields({ [field]: { type: GraphQLBoolean, resolve } }, rule)[field]?.resolve;
  if (!guarded) throw new Error(`${owner}.${field} has no guard.`);
  return async (uuids, context, info) => {
    const nodes: unknown = await guarded(undefined, { uuids }, context, info);
    // graphql-shield returns the error of a rule instead of throwing it.
    if (nodes instanceof Error) throw nodes;
    return nodes as readonly (object | null)[];
  };
}

function assertComplete(types: readonly string[], schema: GraphQLSchema): void {
  const node = schema.getType('Node');
  const implementing = isInterfaceType(node) ? schema.getPossibleTypes(node).map(({ name }) => name) : [];
  const unfetched = implementing.filter((type) => !types.includes(type));
  const unknown = types.filter((type) => !implementing.includes(type));
  if (unfetched.length > 0)
    throw new Error(
      `No domain fetches ${unfetched.join(', ')}, which implements Node; add a source to the \`nodes\` of its domain.`,
    );
  if (unknown.length > 0) throw new Error(`${unknown.join(', ')} can be fetched by ID, but does not implement Node.`);
}
