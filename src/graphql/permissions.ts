import { GraphQLBoolean, GraphQLObjectType, GraphQLSchema, isObjectType, type GraphQLFieldConfigMap, type GraphQLFieldResolver } from 'graphql';
import type { IMiddlewareTypeMap } from 'graphql-middleware';
import { Role, type KnownViewer, type Scope, type Viewer } from '../auth/viewer.js';
import { Forbidden, Unauthenticated, type AppError } from '../shared/errors.js';
import type { CacheExtensions } from './cache-hint.js';
import type { Context } from './context.js';
import { allow, and, applyMiddleware, chain, or, rule, shield } from './shield.js';

export { allow, and, chain, or };

export type Rule = ReturnType<ReturnType<typeof rule>>;

/** The rules of a domain: type, then field. Root fields must all have one; other fields only where they are guarded. */
export type Permissions = Readonly<Record<string, Readonly<Record<string, Rule | ReturnType<typeof and>>>>>;

/** What a rule may look at. */
export interface GuardedCall<Parent = unknown, Args = unknown> {
  viewer: Viewer;
  parent: Parent;
  args: Args;
  context: Context;
}

type Verdict = true | AppError;

/**
 * A rule: `true`, or the error that tells the caller why not. A fault while deciding is answered as the fault it is.
 * @param cache `contextual` where the answer depends on the viewer alone: decided once a request
 */
export function permit<Parent = unknown, Args = unknown>(
  decide: (call: GuardedCall<Parent, Args>) => Verdict | Promise<Verdict>,
  cache: 'contextual' | 'no_cache' = 'no_cache',
): Rule {
  return rule({ cache })(async (parent: Parent, args: Args, context: Context): Promise<true | Error> => {
    try {
      return await decide({ viewer: context.viewer, parent, args, context });
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  });
}

/** Any caller who is known. */
export const isSignedIn = permit(({ viewer }) => (viewer.kind === 'stranger' ? new Unauthenticated(viewer.reason) : true), 'contextual');

/** A known caller with one of the roles. */
export const hasRole = (...roles: Role[]): Rule =>
  permit(({ viewer }) => {
    if (viewer.kind === 'stranger') return new Unauthenticated(viewer.reason);
    return roles.includes(viewer.role) ? true : new Forbidden(`This needs the role ${roles.join(' or ')}; yours is ${viewer.role}.`);
  }, 'contextual');

/**
 * An administrator as of now. An access token outlives a demotion by minutes: who was an administrator a moment ago must not
 * undo it. Asked each time, since the mutation before may have ended it.
 */
export const isStillAdministrator = permit(async ({ context }) =>
  (await context.roleNow()) === Role.ADMIN ? true : new Forbidden('You are no longer an administrator.'),
);

/** A known caller whose credential has the scope: every session, and an API key that was given it. */
export const hasScope = (scope: Scope): Rule =>
  permit(({ viewer }) => {
    if (viewer.kind === 'stranger') return new Unauthenticated(viewer.reason);
    return viewer.scopes.includes(scope) ? true : new Forbidden(`This API key lacks the scope ${scope}.`);
  }, 'contextual');

/** A person who signed in; an API key may not manage accounts. */
export const isSession = permit(({ viewer }) => {
  if (viewer.kind === 'stranger') return new Unauthenticated(viewer.reason);
  return viewer.kind === 'session' ? true : new Forbidden('An API key may not do this; sign in with e-mail and password.');
}, 'contextual');

/**
 * The caller, where a rule has let only known callers pass.
 * @throws Unauthenticated for a stranger
 */
export function knownViewer({ viewer }: Context): KnownViewer {
  if (viewer.kind === 'stranger') throw new Unauthenticated(viewer.reason);
  return viewer;
}

/**
 * Puts the rules before their fields. Only fields with a rule are wrapped: shield's own way, a wrapper around every
 * field, costs as much as the whole execution.
 * @throws Error that names each root field without a rule, and each rule without a field
 */
export function guardSchema(schema: GraphQLSchema, permissions: readonly Permissions[]): GraphQLSchema {
  const rules = mergePermissions(permissions);
  assertComplete(schema, rules);
  // Shield generates middleware for every field of a ruled type; its own types leave the generator's return open.
  const generated = shield(rules, { allowExternalErrors: true, fallbackError: new Forbidden() }).generate(schema) as Record<
    string,
    Record<string, unknown>
  >;
  const ruled = Object.entries(rules).map(([type, fields]) => [
    type,
    Object.fromEntries(Object.keys(fields).map((field) => [field, generated[type]?.[field] ?? unguarded(type, field)])),
  ]);
  const guarded = applyMiddleware(schema, Object.fromEntries(ruled) as IMiddlewareTypeMap);
  guardSources(guarded, rules, generated);
  return marked(guarded, rules);
}

/** Notes on each field that not everyone gets that it is guarded: what reads the schema need not know the rules. */
function marked(schema: GraphQLSchema, rules: Record<string, Record<string, Rule>>): GraphQLSchema {
  for (const [typeName, fields] of Object.entries(rules)) {
    const type = schema.getType(typeName);
    if (!isObjectType(type)) continue;
    for (const [name, fieldRule] of Object.entries(fields)) {
      const field = type.getFields()[name];
      if (field && (fieldRule as unknown) !== allow) field.extensions = { ...field.extensions, isGuarded: true } satisfies CacheExtensions;
    }
  }
  return schema;
}

/** Puts the rules of subscriptions before their sources too: the middleware wraps what each event gives, not the opening. */
function guardSources(schema: GraphQLSchema, rules: Record<string, Record<string, Rule>>, generated: Record<string, Record<string, unknown>>): void {
  const root = schema.getSubscriptionType();
  for (const [name, field] of Object.entries(root?.getFields() ?? {})) {
    const { subscribe } = field;
    const type = root?.name ?? '';
    if (!subscribe || !rules[type]?.[name]) continue;
    const guard = middlewareOf(generated[type]?.[name] ?? unguarded(type, name));
    field.subscribe = (...call: Parameters<GraphQLFieldResolver<unknown, Context>>) => guard(() => subscribe(...call), ...call);
  }
}

/** A rule that is joined of others comes with what it needs of its parent, which roots have none of. */
const middlewareOf = (generated: object): Middleware => ('resolve' in generated ? generated.resolve : generated) as Middleware;

type Middleware = (next: GraphQLFieldResolver<unknown, Context>, ...call: Parameters<GraphQLFieldResolver<unknown, Context>>) => unknown;

/** Puts one rule before root fields that are in no schema yet: what comes to a guarded schema while it is served. */
export function guardFields(fields: GraphQLFieldConfigMap<unknown, Context>, guard: Permissions[string][string]): GraphQLFieldConfigMap<unknown, Context> {
  const entries = Object.entries(fields);
  if (entries.length === 0) return fields;
  // Only their resolvers matter to the guard, so that a schema of nothing else is enough, and quickly made.
  const bare = entries.map(([name, { resolve }]) => [name, { type: GraphQLBoolean, resolve }]);
  const query = new GraphQLObjectType({ name: 'Query', fields: Object.fromEntries(bare) as GraphQLFieldConfigMap<unknown, Context> });
  const rules = { Query: Object.fromEntries(entries.map(([name]) => [name, guard])) };
  const guarded = guardSchema(new GraphQLSchema({ query }), [rules]).getQueryType()?.getFields() ?? {};
  return Object.fromEntries(
    entries.map(([name, field]) => [
      name,
      { ...field, resolve: guarded[name]?.resolve ?? unguarded('Query', name), extensions: { ...field.extensions, ...guarded[name]?.extensions } },
    ]),
  );
}

function unguarded(type: string, field: string): never {
  throw new Error(`graphql-shield made no guard for ${type}.${field}.`);
}

/** An object without a prototype: a field may be called `constructor`, and no rule must be found where none was given. */
const emptyRecord = <Value>(): Record<string, Value> => Object.create(null) as Record<string, Value>;

function mergePermissions(permissions: readonly Permissions[]): Record<string, Record<string, Rule>> {
  const merged = emptyRecord<Record<string, Rule>>();
  for (const [type, fields] of permissions.flatMap((one) => Object.entries(one))) {
    const known = (merged[type] ??= emptyRecord<Rule>());
    for (const [field, fieldRule] of Object.entries(fields)) {
      if (known[field]) throw new Error(`${type}.${field} has two rules; keep one.`);
      known[field] = fieldRule as Rule;
    }
  }
  return merged;
}

function assertComplete(schema: GraphQLSchema, rules: Record<string, Record<string, Rule>>): void {
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  const unruled = roots.flatMap((root) =>
    root ? Object.keys(root.getFields()).filter((field) => !rules[root.name]?.[field]).map((field) => `${root.name}.${field}`) : [],
  );
  const unknown = Object.entries(rules).flatMap(([typeName, fields]) => {
    const type = schema.getType(typeName);
    const known = isObjectType(type) ? type.getFields() : emptyRecord();
    return Object.keys(fields).filter((field) => !(field in known)).map((field) => `${typeName}.${field}`);
  });
  const problems = [
    ...(unruled.length > 0 ? [`without a rule: ${unruled.join(', ')}`] : []),
    ...(unknown.length > 0 ? [`with a rule but not in the schema: ${unknown.join(', ')}`] : []),
  ];
  if (problems.length > 0) throw new Error(`Permissions do not fit the schema. Fields ${problems.join('; fields ')}. See the *.permissions.ts of the domain.`);
}
