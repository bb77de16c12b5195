import type { EntityClass } from '@mikro-orm/core';
import type { FilterType } from '../filtering/columns.js';
import { featureSource, type DeclaredRelation, type Feature, type FeatureSource } from '../lineage/features.js';
import { columnOf, tableOf } from './existing-table.js';
import { columnsOf, type TableColumns } from './table-columns.js';

/** The types of columns whose values say something about a row. */
const featureTypes: ReadonlySet<FilterType> = new Set([
  'text',
  'enum',
  'integer',
  'bigint',
  'float',
  'decimal',
  'boolean',
  'date',
  'datetime',
]);

/** A row that a foreign key of a table references. */
export interface ReferencedRow<Row> {
  entity: EntityClass<unknown>;
  /** The properties of the foreign key. */
  key: readonly (keyof Row & string)[];
  read: DeclaredRelation<Row>['read'];
}

/**
 * The values of an existing table that models may use: its columns without keys and owners, and those of the rows that it references.
 * @param references by the field that returns the row; further ones are added while modules are loaded
 */
export class TableFeatures<Row extends object> implements FeatureSource {
  readonly type: string;
  readonly columns: TableColumns;
  #source: FeatureSource | null = null;

  constructor(
    private readonly entity: EntityClass<unknown>,
    private readonly references: ReadonlyMap<string, ReferencedRow<Row>>,
  ) {
    this.type = entity.name;
    this.columns = columnsOf(entity);
  }

  get features(): ReadonlyMap<string, Feature> {
    this.#source ??= this.#declared();
    return this.#source.features;
  }

  #declared(): FeatureSource {
    const mapping = tableOf(this.entity);
    const references = [...this.references];
    const paths = [
      ...namesOf(this.entity),
      ...references.flatMap(([name, { entity }]) => namesOf(entity).map((other) => `${name}.${other}`)),
    ];
    const relations = references.map(([name, { entity, key, read }]): [string, DeclaredRelation<Row>] => {
      const isNullable = key.some((property) => columnOf(mapping, property).nullable) || tableOf(entity).owner !== null;
      return [name, { reads: key, read, isNullable }];
    });
    return featureSource<Row>(this.columns, {
      features: Object.fromEntries(paths.map((path) => [path, {}])),
      relations: Object.fromEntries(relations),
    });
  }
}

/** The names of the columns that may be features. */
function namesOf(entity: EntityClass<unknown>): string[] {
  const { key, owner } = tableOf(entity);
  const identifying = new Set([...key, ...(owner ? [owner] : [])].map(({ property }) => property));
  return [...columnsOf(entity).columns.values()]
    .filter(({ name, type }) => featureTypes.has(type) && !identifying.has(name))
    .map(({ name }) => name);
}
