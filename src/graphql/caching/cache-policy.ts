import {
  getNamedType,
  isAbstractType,
  isCompositeType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  Kind,
  OperationTypeNode,
  SchemaMetaFieldDef,
  TypeMetaFieldDef,
  TypeNameMetaFieldDef,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';
import { cacheExtensions, type CacheHintOptions } from '../schema/cache-control.js';

/** How long the response of an operation may be cached, for which viewers, and which changes invalidate it. */
export interface CachePolicy {
  /** 0 if it must not be cached. */
  readonly maxAgeSeconds: number;
  /** Whether all viewers share it. */
  readonly isPublic: boolean;
  /** The types that the response depends on, sorted. */
  readonly entities: readonly string[];
}

const never: CachePolicy = { maxAgeSeconds: 0, isPublic: false, entities: [] };

/**
 * Computes the policies of operations by the rules of Apollo's `@cacheControl`: the shortest age applies; root fields and fields
 * of objects have age 0 without a hint; other fields take the age of their parent. Policies depend on document and schema alone
 * and are computed once for both, so that executions pay nothing. Fields with @skip or @include count.
 *
 * Unlike Apollo's, a policy is public only if every root field is PUBLIC and no field below is guarded or PRIVATE.
 */
export class CachePolicies {
  readonly #known = new WeakMap<GraphQLSchema, WeakMap<OperationDefinitionNode, CachePolicy>>();

  /** @param introspection the hint of `__schema` and `__type` */
  constructor(private readonly introspection: CacheHintOptions) {}

  of(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode): CachePolicy {
    if (operation.operation !== OperationTypeNode.QUERY) return never;
    const ofSchema = this.#known.get(schema) ?? new WeakMap<OperationDefinitionNode, CachePolicy>();
    this.#known.set(schema, ofSchema);
    const known = ofSchema.get(operation);
    if (known) return known;
    const policy = new PolicyVisitor(schema, fragmentsOf(document), this.introspection).policy(operation);
    ofSchema.set(operation, policy);
    return policy;
  }
}

/** Collects the entities that a mutation may change, from the `@Invalidates` of its fields. */
export function entitiesChangedBy(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): string[] {
  const fields = schema.getMutationType()?.getFields();
  if (operation.operation !== OperationTypeNode.MUTATION || !fields) return [];
  const fragments = fragmentsOf(document);
  const changed = new Set<string>();
  const visited = new Set<string>();
  const visit = (set: SelectionSetNode): void => {
    for (const node of set.selections) {
      if (node.kind === Kind.FIELD) {
        const field = fields[node.name.value];
        for (const entity of (field && cacheExtensions(field).invalidates) ?? []) changed.add(entity);
      } else if (node.kind === Kind.INLINE_FRAGMENT) visit(node.selectionSet);
      else if (!visited.has(node.name.value)) {
        visited.add(node.name.value);
        const fragment = fragments.get(node.name.value);
        if (fragment) visit(fragment.selectionSet);
      }
    }
  };
  visit(operation.selectionSet);
  return [...changed];
}

/**
 * Checks the cache hints of a schema.
 * @throws Error that names each mutation without @Invalidates, each entity that is not a type, and each guarded field that a hint
 * makes PUBLIC
 */
export function assertCacheHints(schema: GraphQLSchema): void {
  const fields = Object.values(schema.getTypeMap())
    .filter((type) => isObjectType(type) || isInterfaceType(type))
    .flatMap((type) =>
      Object.values(type.getFields()).map((field) => ({ type, field, name: `${type.name}.${field.name}` })),
    );
  const undeclared = fields.filter(
    ({ type, field }) => type === schema.getMutationType() && !cacheExtensions(field).invalidates,
  );
  const published = fields.filter(
    ({ field }) => cacheExtensions(field).isGuarded === true && hintsOf(field).scope === 'PUBLIC',
  );
  const unknown = [
    ...fields.map(({ field, name }) => ({ of: field, name })),
    ...Object.values(schema.getTypeMap()).map((type) => ({ of: type, name: type.name })),
  ].flatMap(({ of, name }) => {
    const { cacheControl, invalidates } = cacheExtensions(of);
    return [...(cacheControl?.of ?? []), ...(invalidates ?? [])]
      .filter((entity) => !schema.getType(entity))
      .map((entity) => `${entity} (${name})`);
  });
  const problems = [
    ...(undeclared.length > 0
      ? [`mutations without @Invalidates (list the types that they change, or none): ${namesOf(undeclared)}`]
      : []),
    ...(unknown.length > 0 ? [`entities that are not types of the schema: ${unknown.join(', ')}`] : []),
    ...(published.length > 0 ? [`guarded fields with a PUBLIC hint: ${namesOf(published)}`] : []),
  ];
  if (problems.length > 0) throw new Error(`Invalid cache hints: ${problems.join('; ')}.`);
}

const namesOf = (fields: readonly { name: string }[]): string => fields.map(({ name }) => name).join(', ');

/** The hint of a field, merged over that of its type. */
function hintsOf(field: GraphQLField<unknown, unknown>): CacheHintOptions {
  const type = getNamedType(field.type);
  return {
    ...(isCompositeType(type) ? cacheExtensions(type).cacheControl : {}),
    ...cacheExtensions(field).cacheControl,
  };
}

function fragmentsOf(document: DocumentNode): ReadonlyMap<string, FragmentDefinitionNode> {
  return new Map(
    document.definitions.flatMap((definition) =>
      definition.kind === Kind.FRAGMENT_DEFINITION ? [[definition.name.value, definition]] : [],
    ),
  );
}

/** Walks one operation. The policy can only narrow, so each selection is walked once per type. */
class PolicyVisitor {
  readonly #entities = new Set<string>();
  readonly #walked = new WeakMap<SelectionSetNode, Set<string>>();
  #maxAge = Infinity;
  #isPublic = true;

  constructor(
    readonly schema: GraphQLSchema,
    readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>,
    readonly introspection: CacheHintOptions,
  ) {}

  policy(operation: OperationDefinitionNode): CachePolicy {
    this.#walk(operation.selectionSet, this.schema.getQueryType());
    // Only __typename: no field has an age, and caching saves nothing.
    if (this.#maxAge === Infinity || this.#maxAge <= 0) return never;
    return { maxAgeSeconds: this.#maxAge, isPublic: this.#isPublic, entities: [...this.#entities].sort() };
  }

  #walk(set: SelectionSetNode, parent: GraphQLNamedType | null | undefined): void {
    const walked = this.#walked.get(set) ?? new Set();
    if (!parent || walked.has(parent.name)) return;
    this.#walked.set(set, walked.add(parent.name));
    for (const node of set.selections) {
      if (node.kind === Kind.FIELD) this.#field(node, parent);
      else if (node.kind === Kind.INLINE_FRAGMENT)
        this.#walk(node.selectionSet, node.typeCondition ? this.schema.getType(node.typeCondition.name.value) : parent);
      else this.#fragment(node.name.value);
    }
  }

  #fragment(name: string): void {
    const fragment = this.fragments.get(name);
    if (fragment) this.#walk(fragment.selectionSet, this.schema.getType(fragment.typeCondition.name.value));
  }

  #field({ name: { value: name }, selectionSet, arguments: given = [] }: FieldNode, parent: GraphQLNamedType): void {
    if (name === TypeNameMetaFieldDef.name) return;
    const isRoot = parent === this.schema.getQueryType();
    if (isRoot && (name === SchemaMetaFieldDef.name || name === TypeMetaFieldDef.name)) {
      this.#narrow(this.introspection, { isRoot, isComposite: true });
      return;
    }
    for (const type of this.#possibleTypes(parent)) {
      const field = isObjectType(type) || isInterfaceType(type) ? type.getFields()[name] : undefined;
      if (!field) continue;
      const named = getNamedType(field.type);
      this.#narrow(hintsOf(field), { isRoot, isComposite: isCompositeType(named) });
      if (cacheExtensions(field).isGuarded === true) this.#isPublic = false;
      for (const argument of given) this.#argument(field.args.find((one) => one.name === argument.name.value));
      if (!isCompositeType(named)) continue;
      for (const one of this.#possibleTypes(named)) this.#entities.add(one.name);
      if (selectionSet) this.#walk(selectionSet, named);
    }
  }

  /** A list depends on the types that its filter has conditions on, although it does not return them. */
  #argument(argument: GraphQLArgument | undefined): void {
    const type = argument && getNamedType(argument.type);
    if (!isInputObjectType(type)) return;
    for (const entity of cacheExtensions(type).cacheControl?.of ?? []) this.#entities.add(entity);
  }

  #narrow(
    { maxAge, scope, inheritMaxAge, of = [] }: CacheHintOptions,
    { isRoot, isComposite }: { isRoot: boolean; isComposite: boolean },
  ): void {
    if (maxAge !== undefined) this.#maxAge = Math.min(this.#maxAge, maxAge);
    else if (isRoot || (isComposite && !inheritMaxAge)) this.#maxAge = 0;
    if (scope === 'PRIVATE' || (isRoot && scope !== 'PUBLIC')) this.#isPublic = false;
    for (const entity of of) this.#entities.add(entity);
  }

  /** The type and, if abstract, its possible types: the hints and rules of the resolved object apply. */
  #possibleTypes(type: GraphQLNamedType): readonly GraphQLNamedType[] {
    return isAbstractType(type) ? [type, ...this.schema.getPossibleTypes(type)] : [type];
  }
}
