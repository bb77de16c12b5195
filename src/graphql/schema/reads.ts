import { isObjectType, type GraphQLField, type GraphQLSchema } from 'graphql';
import { Extensions } from 'type-graphql';

/** The `extensions` of a field whose parent is a row. */
export interface ReadsExtensions {
  /** The properties of the row that the field and its rules read. */
  reads?: readonly string[];
  /** The properties of other rows that the field and its rules read, by the field that leads to them. */
  relatedReads?: Readonly<Record<string, readonly string[]>>;
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

/** The properties of other rows that a field reads, by the field of its parent that leads to them. */
export const relatedReadsOf = ({
  extensions,
}: Pick<GraphQLField<unknown, unknown>, 'extensions'>): readonly (readonly [
  relation: string,
  properties: readonly string[],
])[] => Object.entries((extensions as ReadsExtensions).relatedReads ?? {});

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
