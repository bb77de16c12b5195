import {
  GraphQLBoolean,
  GraphQLObjectType,
  GraphQLSchema,
  isObjectType,
  type GraphQLFieldConfigMap,
  type GraphQLFieldResolver,
  type GraphQLResolveInfo,
} from 'graphql';
import type { IMiddlewareTypeMap } from 'graphql-middleware';
import { Forbidden } from '../../errors/app-error.js';
import type { Context } from '../context/context.js';
import type { CacheExtensions } from '../schema/cache-control.js';
import { isPromise } from '../execution/promises.js';
import { compileGuard, type Middleware } from './compile-guard.js';
import type { Permissions, Rule } from './rules.js';
import { allow, applyMiddleware, shield } from './shield.js';

type RulesByField = Record<string, Record<string, Rule>>;

/**
 * Adds the rules to their fields. Wraps only fields with a rule: graphql-shield alone wraps every field, which costs as much as
 * the whole execution.
 * @throws Error that names each root field without a rule, and each rule without a field
 */
export function guardSchema(schema: GraphQLSchema, permissions: readonly Permissions[]): GraphQLSchema {
  const rules = mergePermissions(permissions);
  assertComplete(schema, rules);
  // graphql-shield generates middleware for every field of a type with rules, typed as unknown.
  const fallbackError = new Forbidden();
  const generated = shield(rules, { allowExternalErrors: true, fallbackError }).generate(schema) as Record<
    string,
    Record<string, object>
  >;
  const guardOf = (type: string, field: string, tree: unknown): Middleware => {
    const guard = compileGuard(tree, fallbackError) ?? middlewareOf(generated[type]?.[field] ?? unguarded(type, field));
    return isRoot(schema, type) ? reporting(guard) : guard;
  };
  const ruled = Object.entries(rules).map(([type, fields]) => [
    type,
    Object.fromEntries(Object.entries(fields).map(([field, tree]) => [field, guardOf(type, field, tree)])),
  ]);
  const guarded = applyMiddleware(schema, Object.fromEntries(ruled) as IMiddlewareTypeMap);
  guardSources(guarded, rules, guardOf);
  return markGuarded(guarded, rules);
}

/** Marks each guarded field in its extensions, so that readers of the schema need not know the rules. */
function markGuarded(schema: GraphQLSchema, rules: RulesByField): GraphQLSchema {
  for (const [typeName, fields] of Object.entries(rules)) {
    const type = schema.getType(typeName);
    if (!isObjectType(type)) continue;
    for (const [name, fieldRule] of Object.entries(fields)) {
      const field = type.getFields()[name];
      if (field && (fieldRule as unknown) !== allow)
        field.extensions = { ...field.extensions, isGuarded: true } satisfies CacheExtensions;
    }
  }
  return schema;
}

/** Adds the rules of subscriptions to `subscribe` too: the middleware wraps the resolution of events, not the opening. */
function guardSources(
  schema: GraphQLSchema,
  rules: RulesByField,
  guardOf: (type: string, field: string, tree: unknown) => Middleware,
): void {
  const root = schema.getSubscriptionType();
  for (const [name, field] of Object.entries(root?.getFields() ?? {})) {
    const { subscribe } = field;
    const type = root?.name ?? '';
    const tree = rules[type]?.[name];
    if (!subscribe || !tree) continue;
    const guard = guardOf(type, name, tree);
    field.subscribe = (...call: Parameters<GraphQLFieldResolver<unknown, Context>>) =>
      guard(() => subscribe(...call), ...call);
  }
}

/** The middleware of a combined rule is in `resolve`, beside the fragments that it needs of its parent; root types have none. */
const middlewareOf = (generated: object): Middleware =>
  ('resolve' in generated ? generated.resolve : generated) as Middleware;

const isRoot = (schema: GraphQLSchema, type: string): boolean =>
  [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].some((root) => root?.name === type);

/** Reports each FORBIDDEN of a root field for the audit log. graphql-shield returns errors instead of throwing them. */
const reporting =
  (guard: Middleware): Middleware =>
  (next, parent, args, context, info) => {
    const report = (result: unknown): unknown => {
      if (result instanceof Forbidden) context.reportRejection(`${info.parentType.name}.${info.fieldName}`);
      return result;
    };
    const result = guard(next, parent, args, context, info);
    return isPromise(result) ? result.then(report) : report(result);
  };

/** Adds one rule to root fields that are not in a schema yet, for extensions of a guarded schema. */
export function guardFields(
  fields: GraphQLFieldConfigMap<unknown, Context>,
  guard: Permissions[string][string],
): GraphQLFieldConfigMap<unknown, Context> {
  const entries = Object.entries(fields);
  if (entries.length === 0) return fields;
  // The guard needs only the resolvers; a schema of nothing else is quick to build.
  const bare = entries.map(([name, { resolve }]) => [name, { type: GraphQLBoolean, resolve }]);
  const query = new GraphQLObjectType({
    name: 'Query',
    fields: Object.fromEntries(bare) as GraphQLFieldConfigMap<unknown, Context>,
  });
  const rules = { Query: Object.fromEntries(entries.map(([name]) => [name, guard])) };
  const guarded = guardSchema(new GraphQLSchema({ query }), [rules]).getQueryType()?.getFields() ?? {};
  return Object.fromEntries(
    entries.map(([name, field]) => [
      name,
      {
        ...field,
        resolve: guarded[name]?.resolve ?? unguarded('Query', name),
        extensions: { ...field.extensions, ...guarded[name]?.extensions },
      },
    ]),
  );
}

const decisions = new WeakMap<Rule, GraphQLFieldResolver<unknown, Context>>();

/** Decides a rule outside of its field. @throws the error of the rule */
export async function assertPermitted(decided: Rule, context: Context, info: GraphQLResolveInfo): Promise<void> {
  let decide = decisions.get(decided);
  if (!decide) {
    const name = 'permitted';
    const fields = guardFields({ [name]: { type: GraphQLBoolean, resolve: () => true } }, decided);
    decide = fields[name]?.resolve ?? unguarded('Query', name);
    decisions.set(decided, decide);
  }
  // graphql-shield returns the error of a rule instead of throwing it.
  const verdict: unknown = await decide(undefined, {}, context, info);
  if (verdict instanceof Error) throw verdict;
}

function unguarded(type: string, field: string): never {
  throw new Error(`graphql-shield generated no middleware for ${type}.${field}.`);
}

/** An object without a prototype: a field named `constructor` must not find an inherited value as its rule. */
const emptyRecord = <Value>(): Record<string, Value> => Object.create(null) as Record<string, Value>;

function mergePermissions(permissions: readonly Permissions[]): RulesByField {
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

function assertComplete(schema: GraphQLSchema, rules: RulesByField): void {
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  const unruled = roots.flatMap((root) =>
    root
      ? Object.keys(root.getFields())
          .filter((field) => !rules[root.name]?.[field])
          .map((field) => `${root.name}.${field}`)
      : [],
  );
  const unknown = Object.entries(rules).flatMap(([typeName, fields]) => {
    const type = schema.getType(typeName);
    const known = isObjectType(type) ? type.getFields() : emptyRecord();
    return Object.keys(fields)
      .filter((field) => !(field in known))
      .map((field) => `${typeName}.${field}`);
  });
  const problems = [
    ...(unruled.length > 0 ? [`without a rule: ${unruled.join(', ')}`] : []),
    ...(unknown.length > 0 ? [`with a rule but not in the schema: ${unknown.join(', ')}`] : []),
  ];
  if (problems.length > 0)
    throw new Error(
      `Permissions do not match the schema. Fields ${problems.join('; fields ')}. Edit the *.permissions.ts of the domain.`,
    );
}
