import {
  getNamedType,
  isAbstractType,
  isCompositeType,
  isInterfaceType,
  isObjectType,
  Kind,
  OperationTypeNode,
  SchemaMetaFieldDef,
  TypeMetaFieldDef,
  TypeNameMetaFieldDef,
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';
import { cacheExtensions, type CacheHintOptions } from './cache-hint.js';

/** How long the answer to an operation may be used again, by whom, and what makes it old before its time. */
export interface CachePolicy {
  /** 0: not at all. */
  readonly maxAgeSeconds: number;
  /** Whether it is the same for everyone. */
  readonly isPublic: boolean;
  /** The types that the answer tells of, sorted. */
  readonly entities: readonly string[];
}

const never: CachePolicy = { maxAgeSeconds: 0, isPublic: false, entities: [] };

/**
 * Policies of operations, by the rules of Apollo's `@cacheControl`: the shortest age counts; root fields, and fields that
 * give objects, count as 0 without a hint; other fields take the age of what they lie in. They are worked out from document
 * and schema alone, once for both, so that the execution pays nothing. What @skip or @include may drop counts.
 *
 * Other than Apollo's, a policy is public only where each root field says PUBLIC and nothing below is guarded or PRIVATE.
 */
export class CachePolicies {
  readonly #known = new WeakMap<GraphQLSchema, WeakMap<OperationDefinitionNode, CachePolicy>>();

  /** @param introspection the hint for `__schema` and `__type` */
  constructor(private readonly introspection: CacheHintOptions) {}

  of(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode): CachePolicy {
    if (operation.operation !== OperationTypeNode.QUERY) return never;
    const ofSchema = this.#known.get(schema) ?? new WeakMap<OperationDefinitionNode, CachePolicy>();
    this.#known.set(schema, ofSchema);
    const known = ofSchema.get(operation);
    if (known) return known;
    const policy = new Reading(schema, fragmentsOf(document), this.introspection).policy(operation);
    ofSchema.set(operation, policy);
    return policy;
  }
}

/** The entities that a mutation may change, by the `@Invalidates` of its fields. */
export function entitiesChangedBy(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode): string[] {
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
 * @throws Error that names each mutation that does not say what it changes, each entity that is no type, and each field that
 * a rule guards and a hint publishes
 */
export function assertCacheHints(schema: GraphQLSchema): void {
  const fields = Object.values(schema.getTypeMap())
    .filter((type) => isObjectType(type) || isInterfaceType(type))
    .flatMap((type) => Object.values(type.getFields()).map((field) => ({ type, field, name: `${type.name}.${field.name}` })));
  const silent = fields.filter(({ type, field }) => type === schema.getMutationType() && !cacheExtensions(field).invalidates);
  const published = fields.filter(({ field }) => cacheExtensions(field).isGuarded === true && hintsOf(field).scope === 'PUBLIC');
  const unknown = [...fields.map(({ field, name }) => ({ of: field, name })), ...Object.values(schema.getTypeMap()).map((type) => ({ of: type, name: type.name }))].flatMap(
    ({ of, name }) => {
      const { cacheControl, invalidates } = cacheExtensions(of);
      return [...(cacheControl?.of ?? []), ...(invalidates ?? [])].filter((entity) => !schema.getType(entity)).map((entity) => `${entity} (${name})`);
    },
  );
  const problems = [
    ...(silent.length > 0 ? [`mutations without @Invalidates, which names the types that they change, or none: ${namesOf(silent)}`] : []),
    ...(unknown.length > 0 ? [`entities that are no types of the schema: ${unknown.join(', ')}`] : []),
    ...(published.length > 0 ? [`fields that a rule guards and a hint makes PUBLIC: ${namesOf(published)}`] : []),
  ];
  if (problems.length > 0) throw new Error(`What the schema says of caching cannot be kept: ${problems.join('; ')}.`);
}

const namesOf = (fields: readonly { name: string }[]): string => fields.map(({ name }) => name).join(', ');

/** A field's hint over that of the type that it gives. */
function hintsOf(field: GraphQLField<unknown, unknown>): CacheHintOptions {
  const type = getNamedType(field.type);
  return { ...(isCompositeType(type) ? cacheExtensions(type).cacheControl : {}), ...cacheExtensions(field).cacheControl };
}

function fragmentsOf(document: DocumentNode): ReadonlyMap<string, FragmentDefinitionNode> {
  return new Map(document.definitions.flatMap((definition) => (definition.kind === Kind.FRAGMENT_DEFINITION ? [[definition.name.value, definition]] : [])));
}

/** One walk through an operation. What it gathers only ever narrows, so that a selection is walked once for each type. */
class Reading {
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
    // Nothing but __typename: there is no age to go by, and nothing to save.
    if (this.#maxAge === Infinity || this.#maxAge <= 0) return never;
    return { maxAgeSeconds: this.#maxAge, isPublic: this.#isPublic, entities: [...this.#entities].sort() };
  }

  #walk(set: SelectionSetNode, parent: GraphQLNamedType | null | undefined): void {
    const walked = this.#walked.get(set) ?? new Set();
    if (!parent || walked.has(parent.name)) return;
    this.#walked.set(set, walked.add(parent.name));
    for (const node of set.selections) {
      if (node.kind === Kind.FIELD) this.#field(node.name.value, node.selectionSet, parent);
      else if (node.kind === Kind.INLINE_FRAGMENT) this.#walk(node.selectionSet, node.typeCondition ? this.schema.getType(node.typeCondition.name.value) : parent);
      else this.#fragment(node.name.value);
    }
  }

  #fragment(name: string): void {
    const fragment = this.fragments.get(name);
    if (fragment) this.#walk(fragment.selectionSet, this.schema.getType(fragment.typeCondition.name.value));
  }

  #field(name: string, selection: SelectionSetNode | undefined, parent: GraphQLNamedType): void {
    if (name === TypeNameMetaFieldDef.name) return;
    const isRoot = parent === this.schema.getQueryType();
    if (isRoot && (name === SchemaMetaFieldDef.name || name === TypeMetaFieldDef.name)) {
      this.#narrow(this.introspection, { isRoot, isComposite: true });
      return;
    }
    for (const type of this.#couldBe(parent)) {
      const field = isObjectType(type) || isInterfaceType(type) ? type.getFields()[name] : undefined;
      if (!field) continue;
      const given = getNamedType(field.type);
      this.#narrow(hintsOf(field), { isRoot, isComposite: isCompositeType(given) });
      if (cacheExtensions(field).isGuarded === true) this.#isPublic = false;
      if (!isCompositeType(given)) continue;
      for (const one of this.#couldBe(given)) this.#entities.add(one.name);
      if (selection) this.#walk(selection, given);
    }
  }

  #narrow({ maxAge, scope, inheritMaxAge, of = [] }: CacheHintOptions, { isRoot, isComposite }: { isRoot: boolean; isComposite: boolean }): void {
    if (maxAge !== undefined) this.#maxAge = Math.min(this.#maxAge, maxAge);
    else if (isRoot || (isComposite && !inheritMaxAge)) this.#maxAge = 0;
    if (scope === 'PRIVATE' || (isRoot && scope !== 'PUBLIC')) this.#isPublic = false;
    for (const entity of of) this.#entities.add(entity);
  }

  /** The type, and where it is abstract each that may stand for it: hints and rules are those of the object that comes. */
  #couldBe(type: GraphQLNamedType): readonly GraphQLNamedType[] {
    return isAbstractType(type) ? [type, ...this.schema.getPossibleTypes(type)] : [type];
  }
}
