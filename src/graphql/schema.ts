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
import type { Logger } from '../shared/logger.js';
import { cacheControlDirective, printedHint } from './cache-hint.js';
import { assertCacheHints } from './cache-policy.js';
import type { Context } from './context.js';
import type { Domain, EventSources, SchemaExtension } from './domain.js';
import { NodeResolver, nodePermissions, resolveNodes } from './node.js';
import { guardFields, guardSchema } from './permissions.js';
import { traceQueries, traceRootFields } from './traced-fields.js';

/** A schema that may change while it is served. */
export interface SchemaSource {
  readonly current: GraphQLSchema;
  /** Calls the listener with each schema that comes after; answers how to stop that. */
  onChange(listener: (schema: GraphQLSchema) => void): () => void;
}

/**
 * The domains' schema that follows its extensions: when one of them changes, all of the next schema is made and checked
 * before it takes the place of the one before. One that cannot be made is logged, and the one before stays.
 */
export class LiveSchema implements SchemaSource {
  readonly #listeners = new Set<(schema: GraphQLSchema) => void>();
  readonly #unsubscribe: (() => void)[];
  #current: GraphQLSchema;

  /** @param instances the resolvers, ready made */
  constructor(domains: readonly Domain[], instances: readonly object[], extensions: readonly SchemaExtension[], log: Logger) {
    const base = guardedDomainSchema(domains, instances);
    this.#current = withExtensions(base, extensions);
    const follow = (): void => {
      try {
        const startedAt = performance.now();
        this.#current = withExtensions(base, extensions);
        log.info({ ms: Math.round(performance.now() - startedAt) }, 'the schema has changed');
      } catch (error) {
        log.error({ err: error }, 'the schema cannot follow a change; the one before is served');
        return;
      }
      for (const listener of this.#listeners) listener(this.#current);
    };
    this.#unsubscribe = extensions.map((extension) => extension.onChange(follow));
  }

  get current(): GraphQLSchema {
    return this.#current;
  }

  onChange(listener: (schema: GraphQLSchema) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Follows no more. */
  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }
}

/** The schema as text, as it is committed: directives, then types by name, so that a change shows where it is; fields in their own order. */
export function printedSchema(domains: readonly Domain[], extensions: readonly SchemaExtension[] = []): string {
  const base = domainSchema(domains);
  const whole = extendedSchema(
    base,
    extensions.map((extension) => extension.queries(base)),
  );
  const types = Object.values(whole.getTypeMap());
  const own = types.filter((type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type));
  own.sort((one, other) => (one.name < other.name ? -1 : 1));
  return `${[...printedDirectives(whole), ...own.map(printedType)].join('\n\n')}\n`;
}

function printedDirectives(schema: GraphQLSchema): string[] {
  const directives = schema.getDirectives().filter((directive) => !isSpecifiedDirective(directive));
  const printed = printSchema(new GraphQLSchema({ directives }));
  return parse(printed).definitions.flatMap(({ kind, loc }) => (kind === Kind.DIRECTIVE_DEFINITION ? [printed.slice(loc?.start, loc?.end)] : []));
}

/** With the hints of its fields behind them, which graphql-js leaves out: it knows none that come from code. */
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

/** The schema of the domains' resolvers alone, without rules. Without instances it cannot be asked, but has all names. */
export function domainSchema(domains: readonly Domain[], instances: readonly object[] = []): GraphQLSchema {
  const byClass = new Map(instances.map((instance) => [instance.constructor, instance]));
  const [first, ...others] = domains.flatMap((domain) => domain.resolvers);
  if (!first) throw new Error('No domain has a resolver.');
  const resolvers: NonEmptyArray<ClassType> = [first, ...others, NodeResolver];
  const schema = buildSchemaSync({
    resolvers,
    directives: [...specifiedDirectives, cacheControlDirective],
    pubSub: noPubSub,
    container: {
      get(resolver: ClassType) {
        const instance = byClass.get(resolver);
        if (!instance) throw new Error(`The resolver ${resolver.name} was not opened.`);
        return instance;
      },
    },
    // Services validate: they name all faulty fields at once, those that need the database among them.
    validate: false,
  });
  openSubscriptionsBy(schema, instances);
  return describeRoots(resolveNodes(schema));
}

/** type-graphql wants one to be there; sources of events have the gateway's own. */
const noPubSub = {
  publish: unused,
  subscribe: unused,
};

function unused(): never {
  throw new Error("Subscriptions are opened by their resolver's `sources`.");
}

/** What `@Subscription` takes for `subscribe`; the resolver's `sources` come in its place. */
export const openedBySources = { subscribe: unused };

/** @throws Error that names the subscriptions that no resolver opens */
function openSubscriptionsBy(schema: GraphQLSchema, instances: readonly object[]): void {
  if (instances.length === 0) return;
  const sources = Object.assign({}, ...instances.map((instance) => ('sources' in instance ? instance.sources : {}))) as EventSources['sources'];
  const fields = Object.entries(schema.getSubscriptionType()?.getFields() ?? {});
  const closed = fields.filter(([name]) => !Object.hasOwn(sources, name)).map(([name]) => name);
  if (closed.length > 0) throw new Error(`No resolver opens the subscriptions ${closed.join(', ')}; see EventSources.`);
  for (const [name, field] of fields) {
    const open = sources[name];
    if (open) field.subscribe = (_parent, args: Record<string, unknown>, context: Context) => open(args, context);
  }
}

/** What the IDE says of the root types, which type-graphql makes without a word. */
function describeRoots(schema: GraphQLSchema): GraphQLSchema {
  const [query, mutation, subscription] = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  if (query) query.description = 'What can be asked. Nothing is changed by it but the history of predictions.';
  if (mutation) mutation.description = 'What can be changed. Several in one operation are done one after the other.';
  if (subscription) subscription.description = 'What can be followed while it happens.';
  return schema;
}

/**
 * A schema with more root fields and the types that they reach.
 * @throws Error where a root field is there already
 */
export function extendedSchema(base: GraphQLSchema, added: readonly GraphQLFieldConfigMap<unknown, Context>[]): GraphQLSchema {
  const query = base.getQueryType();
  if (!query || added.length === 0) return base;
  const { fields, ...config } = query.toConfig();
  for (const [name, field] of added.flatMap((one) => Object.entries(one))) {
    if (Object.hasOwn(fields, name)) throw new Error(`The root field ${name} is there twice.`);
    fields[name] = field;
  }
  const { types, ...rest } = base.toConfig();
  return new GraphQLSchema({ ...rest, query: new GraphQLObjectType({ ...config, fields }), types: types.filter((type) => type !== query) });
}

function guardedDomainSchema(domains: readonly Domain[], instances: readonly object[]): GraphQLSchema {
  const permissions = [...domains.map((domain) => domain.permissions), nodePermissions];
  return traceRootFields(guardSchema(domainSchema(domains, instances), permissions));
}

function withExtensions(base: GraphQLSchema, extensions: readonly SchemaExtension[]): GraphQLSchema {
  const added = extensions.map((extension) => traceQueries(guardFields(extension.queries(base), extension.rule)));
  const schema = extendedSchema(base, added);
  // Otherwise the first operation would wait for it.
  assertValidSchema(schema);
  assertCacheHints(schema);
  return schema;
}
