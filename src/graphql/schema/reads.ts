import { isObjectType, type GraphQLField, type GraphQLSchema } from 'graphql';
import { Extensions } from 'type-graphql';

/** The `extensions` of a field whose parent is a row. */
export interface ReadsExtensions {
  /** The properties of the row that the field and its rules read. */
  reads?: readonly string[];
}

/**
 * Declares which properties of its parent's row a field with a resolver reads, its rules included, so that only their columns are
 * selected. The ID is always read. A field without the declaration reads all of them.
 */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the names are checked against the row's
export const Reads = <Row>(...properties: (keyof Row & string)[]) =>
  Extensions({ reads: properties } satisfies ReadsExtensions);

/** The properties that a field reads; null if it does not declare them. */
export const readsOf = ({ extensions }: Pick<GraphQLField<unknown, unknown>, 'extensions'>): readonly string[] | null =>
  (extensions as ReadsExtensions).reads ?? null;

/** Declares the reads of all fields without a resolver: the property with their name. Call it before rules wrap the fields. */
export function declareReads(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type)) continue;
    for (const field of Object.values(type.getFields()))
      if (!field.resolve && readsOf(field) === null)
        field.extensions = { ...field.extensions, reads: [field.name] } satisfies ReadsExtensions;
  }
  return schema;
}
