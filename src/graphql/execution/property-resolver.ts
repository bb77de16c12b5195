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

/** Reads what a resolver returns from its source; undefined if the resolver must be called. */
type Read<Source> = (source: Source) => unknown;

const readers = new WeakMap<object, Read<never>>();

/**
 * Notes how the result of a resolver is read where it is a scalar. The executor calls it without a path, arguments or `info`, which
 * take more than the value.
 */
export function readBy<Source, Resolve extends object>(resolve: Resolve, read: Read<Source>): Resolve {
  readers.set(resolve, read);
  return resolve;
}

export const readerOf = (resolve: object): Read<object> | null =>
  (readers.get(resolve) as Read<object> | undefined) ?? null;

/** The property that a field's resolver reads and does nothing else; null if it does more. */
export const propertyOf = (resolve: object, fieldName: string): string | null =>
  resolve === defaultFieldResolver ? fieldName : (properties.get(resolve) ?? null);
