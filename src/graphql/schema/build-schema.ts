import {
  assertValidSchema,
  GraphQLObjectType,
  GraphQLSchema,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  isSpecifiedDirective,
  isSpecifiedScalarType,
  Kind,
  parse,
  printSchema,
  printType,
  specifiedDirectives,
  visit,
  type GraphQLFieldConfigMap,
  type GraphQLNamedType,
} from 'graphql';
import { buildSchemaSync, type ClassType, type NonEmptyArray } from 'type-graphql';
import type { Logger } from '../../telemetry/logger.js';
import { cacheControlDirective, printedHint } from './cache-control.js';
import { assertCacheHints } from '../caching/cache-policy.js';
import type { Context } from '../context/context.js';
import type { DomainModule, SchemaExtension } from '../module.js';
import { columnRules } from '../tables/column-rules.js';
import { guardFields, guardSchema } from '../permissions/guard-schema.js';
import type { Permissions } from '../permissions/rules.js';
import { assertReferencesFiltered, filterReferences, type Visibility } from '../permissions/visibility.js';
import { NodeResolver, nodePermissions, resolveNodes } from '../relay/node.js';
import { attachEventSources, unusedPubSub } from '../subscriptions/event-sources.js';
import { withAddedFields } from './added-fields.js';
import { resolveDirectly } from './direct-resolvers.js';
import { declareReads } from './reads.js';
import { traceQueries, traceRootFields } from './traced-fields.js';

/** A schema that may change while it is served. */
export interface SchemaSource {
  readonly current: GraphQLSchema;
  /** Calls the listener with each later schema. @returns a function that unsubscribes */
  onChange(listener: (schema: GraphQLSchema) => void): () => void;
}

/**
 * The schema of the domains with their extensions. When an extension changes, the next schema is built and validated before it
 * replaces the current one; a failure is logged, and the current schema stays.
 */
export class LiveSchema implements SchemaSource {
  readonly #listeners = new Set<(schema: GraphQLSchema) => void>();
  readonly #unsubscribe: (() => void)[];
  #current: GraphQLSchema;

  /**
   * @param domainSchema of these domains; it receives the resolvers
   * @param instances one of each resolver class
   */
  constructor(
    domains: readonly DomainModule[],
    domainSchema: GraphQLSchema,
    instances: readonly object[],
    extensions: readonly SchemaExtension[],
    log: Logger,
  ) {
    const base = guardedSchema(withResolvers(domainSchema, instances), domains);
    this.#current = withExtensions(base, domains, extensions);
    const update = (): void => {
      try {
        const startedAt = performance.now();
        this.#current = withExtensions(base, domains, extensions);
        log.info({ ms: Math.round(performance.now() - startedAt) }, 'schema updated');
      } catch (error) {
        log.error({ err: error }, 'schema update failed; keeping current schema');
        return;
      }
      for (const listener of this.#listeners) listener(this.#current);
    };
    this.#unsubscribe = extensions.map((extension) => extension.onChange(update));
  }

  get current(): GraphQLSchema {
    return this.#current;
  }

  onChange(listener: (schema: GraphQLSchema) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Stops following the extensions. */
  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }
}

/** Prints the schema as it is committed: directives, then types by name, with fields in declaration order, for readable diffs. */
export function printedSchema(domains: readonly DomainModule[], extensions: readonly SchemaExtension[] = []): string {
  const base = domainSchema(domains);
  const queried = extendedSchema(
    base,
    extensions.flatMap((extension) => ('queries' in extension ? [extension.queries(base)] : [])),
  );
  const whole = withTypeExtensions(queried, domains, extensions);
  const types = Object.values(whole.getTypeMap());
  const own = types.filter((type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type));
  own.sort((one, other) => (one.name < other.name ? -1 : 1));
  return `${[...printedDirectives(whole), ...own.map(printedType)].join('\n\n')}\n`;
}

function printedDirectives(schema: GraphQLSchema): string[] {
  const directives = schema.getDirectives().filter((directive) => !isSpecifiedDirective(directive));
  const printed = printSchema(new GraphQLSchema({ directives }));
  return parse(printed).definitions.flatMap(({ kind, loc }) =>
    kind === Kind.DIRECTIVE_DEFINITION ? [printed.slice(loc?.start, loc?.end)] : [],
  );
}

/** Prints a type with the cache hints of its fields; graphql-js prints only directives that come from SDL. */
function printedType(type: GraphQLNamedType): string {
  const printed = printType(type);
  if (!isObjectType(type) && !isInterfaceType(type)) return printed;
  const hints: { at: number; hint: string }[] = [];
  visit(parse(printed), {
    FieldDefinition({ name, loc }) {
      const field = type.getFields()[name.value];
      if (field && loc) hints.push({ at: loc.end, hint: printedHint(field) });
    },
  });
  return hints.reduceRight((text, { at, hint }) => text.slice(0, at) + hint + text.slice(at), printed);
}

/** The resolvers of a schema by their class, once it has them. */
const instancesOf = new WeakMap<GraphQLSchema, Map<unknown, object>>();

/** Builds the schema of the domains' resolvers without rules. It has all names, but cannot be executed before `withResolvers`. */
export function domainSchema(domains: readonly DomainModule[]): GraphQLSchema {
  const byClass = new Map<unknown, object>();
  const [first, ...others] = domains.flatMap((domain) => domain.resolvers);
  if (!first) throw new Error('No domain has a resolver.');
  const resolvers: NonEmptyArray<ClassType> = [first, ...others, NodeResolver];
  const schema = buildSchemaSync({
    resolvers,
    directives: [...specifiedDirectives, cacheControlDirective],
    pubSub: unusedPubSub,
    container: {
      get(resolver: ClassType) {
        const instance = byClass.get(resolver);
        if (!instance)
          throw new Error(`The resolver ${resolver.name} has no instance; return one from the domain's load().`);
        return instance;
      },
    },
    // Services validate: they report all invalid fields at once, including those that need the database.
    validate: false,
    // It would execute the introspection query; `assertValidSchema` checks the extended schema.
    skipCheck: true,
  });
  instancesOf.set(schema, byClass);
  return declareReads(describeRoots(resolveNodes(schema)));
}

/** Gives a schema of `domainSchema` its resolvers, in place: a second schema takes 26 ms of a start. @param instances one of each class */
function withResolvers(schema: GraphQLSchema, instances: readonly object[]): GraphQLSchema {
  const byClass = instancesOf.get(schema) ?? new Map<unknown, object>();
  for (const instance of instances) byClass.set(instance.constructor, instance);
  if (instances.length > 0) attachEventSources(schema, instances);
  return resolveDirectly(schema, byClass);
}

/** Describes the root types, which type-graphql generates without descriptions. */
function describeRoots(schema: GraphQLSchema): GraphQLSchema {
  const [query, mutation, subscription] = [
    schema.getQueryType(),
    schema.getMutationType(),
    schema.getSubscriptionType(),
  ];
  if (query) query.description = 'Reads data.';
  if (mutation)
    mutation.description =
      'Changes data. The fields of one operation are executed in order; one that fails is null with an error, and the others are executed.';
  if (subscription) subscription.description = 'Streams events while they happen.';
  return schema;
}

/**
 * Adds root fields with their types to a schema.
 * @throws Error if a root field exists already
 */
export function extendedSchema(
  base: GraphQLSchema,
  added: readonly GraphQLFieldConfigMap<unknown, Context>[],
): GraphQLSchema {
  const query = base.getQueryType();
  if (!query || added.length === 0) return base;
  const { fields, ...config } = query.toConfig();
  for (const [name, field] of added.flatMap((one) => Object.entries(one))) {
    if (Object.hasOwn(fields, name)) throw new Error(`The root field ${name} exists twice; rename one of them.`);
    fields[name] = field;
  }
  const { types, ...rest } = base.toConfig();
  return new GraphQLSchema({
    ...rest,
    query: new GraphQLObjectType({ ...config, fields }),
    types: types.filter((type) => type !== query),
  });
}

function withTypeExtensions(
  schema: GraphQLSchema,
  domains: readonly DomainModule[],
  extensions: readonly SchemaExtension[],
): GraphQLSchema {
  const added = extensions.flatMap((extension) => ('fields' in extension ? (extension.fields(schema) ?? []) : []));
  return withAddedFields(schema, added, permissionsOf(domains));
}

function guardedSchema(schema: GraphQLSchema, domains: readonly DomainModule[]): GraphQLSchema {
  const guarded = guardSchema(schema, permissionsOf(domains));
  return traceRootFields(filterReferences(guarded, visibilityOf(domains)));
}

function permissionsOf(domains: readonly DomainModule[]): Permissions[] {
  const permissions = [...domains.map((domain) => domain.permissions), nodePermissions];
  const tables = domains.flatMap(({ existingTables = [] }) => existingTables);
  return [...permissions, columnRules(tables, permissions)];
}

const visibilityOf = (domains: readonly DomainModule[]): Visibility =>
  Object.assign({}, ...domains.map((domain) => domain.visibility)) as Visibility;

function withExtensions(
  base: GraphQLSchema,
  domains: readonly DomainModule[],
  extensions: readonly SchemaExtension[],
): GraphQLSchema {
  const added = extensions.flatMap((extension) =>
    'queries' in extension ? [traceQueries(guardFields(extension.queries(base), extension.rule))] : [],
  );
  const schema = withTypeExtensions(extendedSchema(base, added), domains, extensions);
  // Otherwise the first operation would validate the schema.
  assertValidSchema(schema);
  assertCacheHints(schema);
  assertReferencesFiltered(schema, visibilityOf(domains), permissionsOf(domains));
  return schema;
}
