import type { GraphQLResolveInfo } from 'graphql';
import type { Context } from '../context/context.js';
import { chained } from '../execution/promises.js';
import type { Column, Filterable } from '../filtering/columns.js';

/** A value of an object that models may use: a column of the object, or of another one that it refers to. */
export interface Feature {
  /** `jobLevel`, or `department.name`. */
  readonly path: string;
  /** The field that leads to the other object; null for a column of the object itself. */
  readonly relation: RelatedRow | null;
  readonly column: Column;
  /** Whether the value may be null, also because there is no other object. */
  readonly isNullable: boolean;
  /** What numbers count, such as `year`; null if that is not declared. */
  readonly unit: string | null;
}

/** How a row leads to the row of another type. */
interface RelatedRow {
  readonly name: string;
  /** The other type. */
  readonly type: string;
  /** The properties of the row that `read` needs. */
  readonly reads: readonly string[];
  /** Reads the other row, from the row or by a loader; null if there is none, or the viewer may not see it. */
  readonly read: ReadRow<object>;
}

/** Reads the row that another one leads to. @param info of a field that reads a feature */
type ReadRow<Row> = (row: Row, context: Context, info: GraphQLResolveInfo) => object | null | Promise<object | null>;

/** The values of a type that models may use. */
export interface FeatureSource {
  /** The type in the schema. */
  readonly type: string;
  readonly columns: Filterable;
  /** By path. */
  readonly features: ReadonlyMap<string, Feature>;
}

export interface DeclaredRelation<Row> {
  /** The properties of the row that `read` needs. */
  reads: readonly (keyof Row & string)[];
  read: ReadRow<Row>;
  /** Whether there may be no other row, or none that the viewer may see; by default as the columns declare it. */
  isNullable?: boolean;
}

/**
 * Declares once which values of a type may feed models:
 *
 *     export const employeeFeatures = featureSource<EmployeeRow>(employeeColumns, {
 *       features: { age: { unit: 'year' }, 'department.name': {} },
 *       relations: { department: { reads: ['departmentId'], read: (employee, context) => ... } },
 *     });
 *
 * Types, nullability and SQL are those of the columns. The rules of the fields with these names protect every value that derives
 * from them.
 * @throws Error if a path is no column
 */
export function featureSource<Row extends object>(
  columns: Filterable,
  {
    features,
    relations = {},
  }: {
    features: Readonly<Record<string, { unit?: string }>>;
    relations?: Readonly<Record<string, DeclaredRelation<Row>>>;
  },
): FeatureSource {
  const related = new Map(Object.entries(relations));
  const featureOf = (path: string, unit: string | undefined): Feature => {
    const [own = '', other] = path.split('.');
    const relation = other === undefined ? null : columns.relations.get(own);
    const declared = related.get(own);
    const column = relation ? relation.to().columns.get(other ?? '') : columns.columns.get(own);
    if (!column || (other !== undefined && !(relation && declared)))
      throw new Error(`${path} is no column of ${columns.type}, or its relation is not declared.`);
    const isNullable = column.isNullable === true || (declared?.isNullable ?? relation?.isNullable) === true;
    const row = relation && declared ? relatedRow(own, relation.to().type, declared) : null;
    return { path, relation: row, column, isNullable, unit: unit ?? null };
  };
  return {
    type: columns.type,
    columns,
    features: new Map(Object.entries(features).map(([path, { unit }]) => [path, featureOf(path, unit)])),
  };
}

const relatedRow = <Row extends object>(name: string, type: string, { reads, read }: DeclaredRelation<Row>) => ({
  name,
  type,
  reads,
  read: (row: object, context: Context, info: GraphQLResolveInfo) => read(row as Row, context, info),
});

/** The value of a feature in a row; null if it has none. A promise only if the other row is loaded. */
export function featureValue(
  { relation, column }: Feature,
  row: object,
  context: Context,
  info: GraphQLResolveInfo,
): unknown {
  if (relation === null) return valueIn(row, column);
  return chained(relation.read(row, context, info), (other) => (other === null ? null : valueIn(other, column)));
}

const valueIn = (row: object, { name }: Column): unknown =>
  // eslint-disable-next-line auspex/own-names -- the name of a declared column, which rows have as a property
  (row as Record<string, unknown>)[name] ?? null;
