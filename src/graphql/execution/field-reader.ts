import { defaultFieldResolver, type GraphQLFieldResolver } from 'graphql';

type Source = Record<string, unknown>;

/** What a resolver does that needs no arguments and no info. The executor reads without making them. */
export interface FieldReader {
  read: (source: Source, context: unknown) => unknown;
  /**
   * What else the value may need: a property may be a function that resolves the field; a scalar other than what its type
   * serializes to itself may need the resolver. A method returns what the resolver would.
   */
  kind: 'property' | 'scalar' | 'method';
}

const readers = new WeakMap<object, FieldReader>();

/** Creates a resolver that reads a property. */
export function propertyResolver(property: string): GraphQLFieldResolver<Source, unknown> {
  return readingResolver(propertyReader(property));
}

/** Creates a resolver of a function that needs the object and the context at most. */
export const methodResolver = (read: FieldReader['read']): GraphQLFieldResolver<Source, unknown> =>
  readingResolver({ read, kind: 'method' });

/** Notes how the result of a resolver is read where it is a scalar. The resolver is called for all other values. */
export function readBy<Resolve extends object>(resolve: Resolve, read: (source: never) => unknown): Resolve {
  readers.set(resolve, { read: read as unknown as FieldReader['read'], kind: 'scalar' });
  return resolve;
}

function readingResolver(reader: FieldReader): GraphQLFieldResolver<Source, unknown> {
  const resolve: GraphQLFieldResolver<Source, unknown> = (source, _args, context) => reader.read(source, context);
  readers.set(resolve, reader);
  return resolve;
}

const propertyReader = (property: string): FieldReader => ({
  // eslint-disable-next-line auspex/own-names -- a name of the schema; classes inherit getters and methods
  read: (source) => source[property],
  kind: 'property',
});

/** The reader of a field's resolver; null if the resolver needs more. */
export const readerOf = (resolve: object, fieldName: string): FieldReader | null =>
  resolve === defaultFieldResolver ? propertyReader(fieldName) : (readers.get(resolve) ?? null);
