import { defaultFieldResolver, type GraphQLFieldResolver } from 'graphql';

/** The properties that resolvers of `propertyResolver` read. */
const properties = new WeakMap<object, string>();

/** Creates a resolver that reads a property. The executor reads it without calling the resolver. */
export function propertyResolver(property: string): GraphQLFieldResolver<Record<string, unknown>, unknown> {
  // eslint-disable-next-line auspex/own-names -- a name of the schema; classes inherit getters
  const resolve: GraphQLFieldResolver<Record<string, unknown>, unknown> = (source) => source[property];
  properties.set(resolve, property);
  return resolve;
}

/** The property that a field's resolver reads and does nothing else; null if it does more. */
export const propertyOf = (resolve: object, fieldName: string): string | null =>
  resolve === defaultFieldResolver ? fieldName : (properties.get(resolve) ?? null);
