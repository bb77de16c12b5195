import {
  defaultFieldResolver,
  type GraphQLFieldConfig,
  type GraphQLFieldConfigMap,
  type GraphQLFieldResolver,
  type GraphQLSchema,
} from 'graphql';
import { isTracing, withSpan } from '../../telemetry/tracing.js';
import type { Context } from '../context/context.js';

type Resolver = GraphQLFieldResolver<unknown, Context>;

/** Adds a span to each root field, which includes its rule. Other fields have none: a page has a thousand of them. */
export function traceRootFields(schema: GraphQLSchema): GraphQLSchema {
  if (!isTracing()) return schema;
  for (const root of [schema.getQueryType(), schema.getMutationType()]) {
    for (const field of Object.values(root?.getFields() ?? {}))
      field.resolve = tracedResolver(root?.name ?? '', field.name, field.resolve);
  }
  return schema;
}

/** Adds a span to queries that are not in a schema yet. */
export function traceQueries(fields: GraphQLFieldConfigMap<unknown, Context>): GraphQLFieldConfigMap<unknown, Context> {
  if (!isTracing()) return fields;
  const entries = Object.entries(fields).map(([name, field]): [string, GraphQLFieldConfig<unknown, Context>] => [
    name,
    { ...field, resolve: tracedResolver('Query', name, field.resolve) },
  ]);
  return Object.fromEntries(entries);
}

function tracedResolver(type: string, name: string, resolve: Resolver = defaultFieldResolver): Resolver {
  const span = `${type}.${name}`;
  const described = { 'graphql.field.name': name, 'graphql.field.type': type };
  const describe = (): typeof described => described;
  return (...call) => withSpan(span, describe, () => resolve(...call));
}
