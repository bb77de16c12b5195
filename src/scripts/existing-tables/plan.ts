import type { CatalogForeignKey, CatalogTable, CatalogType } from './catalog.js';
import { camelCase, capitalized, pascalCase, takeName, wordsOf } from './identifiers.js';
import { planWrites, type PlannedWrites } from './plan-writes.js';
import { NamePool, type TableNames, type TakenNames } from './plan-names.js';
import {
  isKeyType,
  planColumns,
  reservedProperties,
  sentence,
  versionColumn,
  type Omission,
  type PlannedColumn,
} from './plan-columns.js';

/** A type that reads a table, of the repository or of the plan. */
export interface TableType extends Pick<TableNames, 'type' | 'field' | 'fields' | 'folder'> {
  schema: string;
  table: string;
  /** The properties by their columns. */
  properties: ReadonlyMap<string, string>;
  /** Whether rows have an owner. */
  isOwned: boolean;
}

/** A field that leads to rows of another type, or of the same. */
export interface PlannedRelation {
  kind: 'one' | 'many';
  /** The type that has the field. */
  owner: TableType;
  field: string;
  target: TableType;
  /** Properties of the target by those of the owner. */
  columns: readonly (readonly [ownerProperty: string, targetProperty: string])[];
  isNullable: boolean;
  description: string;
}

/** An enum of the database, which the entity of its first table declares. */
export interface PlannedEnum {
  name: string;
  sqlName: string;
  /** Values by their names in GraphQL. */
  values: readonly (readonly [name: string, value: string])[];
}

/** What is generated for a table. */
export interface PlannedTable extends TableType, TableNames {
  kind: CatalogTable['kind'];
  description: string;
  columns: PlannedColumn[];
  relations: PlannedRelation[];
  /** Enums that it declares. */
  enums: PlannedEnum[];
  /** Enums of other folders that it uses. */
  importedEnums: { name: string; folder: string }[];
  ownedBy: string | null;
  /** Its mutations; null if it is only read. */
  writes: PlannedWrites | null;
  omissions: Omission[];
}

export interface PlanOptions {
  /** The type and its plural, instead of the table's name. */
  name?: string | undefined;
  plural?: string | undefined;
  /** The columns that identify a row, for views and for tables without a key. */
  key?: readonly string[] | undefined;
  /** The column with the ID of the user who owns the row. */
  ownedBy?: string | undefined;
  /** Without mutations. */
  readOnly?: boolean | undefined;
}

/** What the repository already has. */
export interface Existing extends TakenNames {
  tables: readonly TableType[];
  /** The fields of each type of these tables. */
  fieldsByType: ReadonlyMap<string, Iterable<string>>;
  /** Declared enums of existing tables, by their names in PostgreSQL. */
  enums: ReadonlyMap<string, { name: string; folder: string }>;
}

/**
 * Plans the types of tables, in the order of their foreign keys. A table that cannot be typed is an omission.
 * @param catalog the new tables, and those that have types, whose foreign keys may lead to the new ones
 */
export function planTables(
  catalog: readonly CatalogTable[],
  existing: Existing,
  options: PlanOptions = {},
): { tables: PlannedTable[]; omissions: Omission[] } {
  const isNew = ({ schema, table }: CatalogTable): boolean =>
    !existing.tables.some((one) => one.schema === schema && one.table === table);
  const planner = new Planner(existing, options);
  for (const table of catalog) if (!isNew(table)) planner.addForeignKeys(table);
  for (const table of inForeignKeyOrder(catalog.filter(isNew))) planner.add(table);
  return { tables: planner.tables, omissions: planner.omissions };
}

/** Tables after those that they reference; a cycle is broken where it is entered. */
function inForeignKeyOrder(tables: readonly CatalogTable[]): CatalogTable[] {
  const ordered = new Set<CatalogTable>();
  const visited = new Set<CatalogTable>();
  const visit = (table: CatalogTable): void => {
    if (visited.has(table)) return;
    visited.add(table);
    for (const { schema, table: name } of table.foreignKeys) {
      const referenced = tables.find((one) => one.schema === schema && one.table === name);
      if (referenced) visit(referenced);
    }
    ordered.add(table);
  };
  tables.forEach(visit);
  return [...ordered];
}

class Planner {
  readonly tables: PlannedTable[] = [];
  readonly omissions: Omission[] = [];
  readonly #names: NamePool;
  readonly #enums: Map<string, { name: string; folder: string }>;
  readonly #relationNames = new Map<string, Set<string>>();
  /** Foreign keys of earlier tables whose table was not typed yet. */
  readonly #pending: { owner: TableType; foreignKey: CatalogForeignKey }[] = [];

  constructor(
    readonly existing: Existing,
    readonly options: PlanOptions,
  ) {
    this.#names = new NamePool(existing);
    this.#enums = new Map(existing.enums);
  }

  /** Notes the foreign keys of a table that has a type: one of them may reference a table that is typed now. */
  addForeignKeys({ schema, table, foreignKeys }: CatalogTable): void {
    const owner = this.#typeOf(schema, table);
    if (!owner) return;
    for (const foreignKey of foreignKeys)
      if (!this.#typeOf(foreignKey.schema, foreignKey.table)) this.#pending.push({ owner, foreignKey });
  }

  add(table: CatalogTable): void {
    const name = `${table.schema}.${table.table}`;
    const key = this.options.key ?? table.keys[0];
    if (key === undefined) {
      const advice = 'name columns that identify a row with --key';
      this.omissions.push({
        name,
        reason: `has neither a primary key nor a unique index of columns that are not null; ${advice}`,
      });
      return;
    }
    const unknown = [...key, ...(this.options.ownedBy === undefined ? [] : [this.options.ownedBy])].find(
      (column) => !table.columns.some((one) => one.name === column),
    );
    if (unknown !== undefined)
      throw new Error(`${name} has no column ${unknown}; it has ${table.columns.map((one) => one.name).join(', ')}.`);
    const declared: PlannedEnum[] = [];
    const folderNames = this.#names.ofTable(table, this.options);
    const { columns, omissions } = planColumns(table, key, (type) =>
      this.#enumName(type, folderNames.folder, declared),
    );
    const unsuitable = key.filter((column) => !columns.some((one) => one.name === column && isKeyType(one.type)));
    if (unsuitable.length > 0) {
      this.omissions.push({
        name,
        reason: `its key has the column ${unsuitable.join(', ')}, which looks secret or has a type that no ID can hold`,
      });
      return;
    }
    const { writes, omissions: omittedWrites } = planWrites(table, key, columns, this.options);
    if (writes?.hasVersion === true) columns.push(versionColumn(columns));
    const planned: PlannedTable = {
      ...folderNames,
      schema: table.schema,
      table: table.table,
      kind: table.kind,
      // The order of the key is that of its index.
      columns: [
        ...key.flatMap((one) => columns.filter((column) => column.name === one)),
        ...columns.filter(({ isKey }) => !isKey),
      ],
      properties: new Map(columns.map((column) => [column.name, column.property])),
      description: '',
      relations: [],
      enums: declared,
      importedEnums: [],
      ownedBy: this.#ownerOf(columns, name),
      isOwned: this.options.ownedBy !== undefined,
      writes,
      omissions,
    };
    planned.importedEnums = this.#importsOf(planned);
    planned.description = descriptionOf(table, omissions);
    omissions.push(...omittedWrites);
    this.tables.push(planned);
    this.#relate(planned, table);
  }

  #ownerOf(columns: readonly PlannedColumn[], table: string): string | null {
    const { ownedBy } = this.options;
    if (ownedBy === undefined) return null;
    const column = columns.find(({ name }) => name === ownedBy);
    if (column && /^column\.(?:uuid|text)$/.test(column.type)) return column.property;
    throw new Error(`${table}.${ownedBy} cannot hold the ID of a user: it must have the type uuid or text.`);
  }

  #importsOf({ columns, folder }: PlannedTable): { name: string; folder: string }[] {
    const used = columns.flatMap(({ enumType }) => (enumType ? [this.#enums.get(enumType.name)] : []));
    return [...new Set(used)].filter((one) => one !== undefined).filter((one) => one.folder !== folder);
  }

  /** @returns the name in the generated code; declares the enum at its first use */
  #enumName(type: CatalogType, folder: string, declared: PlannedEnum[]): string {
    const known = this.#enums.get(type.name);
    if (known) return known.name;
    const words = wordsOf(type.name.split('.').at(-1) ?? type.name);
    const name = this.#names.ofEnum(words);
    const taken = new Set(['true', 'false', 'null'].map((word) => word.toUpperCase()));
    const values = type.labels.map((label) => {
      const upper = wordsOf(label).join('_').toUpperCase();
      return [takeName(taken, [/^\d/.test(upper) ? `N${upper}` : upper, `${upper}_VALUE`]), label] as const;
    });
    declared.push({ name, sqlName: type.name, values });
    this.#enums.set(type.name, { name, folder });
    return name;
  }

  /** Adds fields for the foreign keys of a table, and for those of earlier tables that reference it. */
  #relate(planned: PlannedTable, table: CatalogTable): void {
    for (const foreignKey of table.foreignKeys) {
      const target = this.#typeOf(foreignKey.schema, foreignKey.table);
      if (target) this.#addRelations(planned, planned, target, foreignKey);
      else this.#pending.push({ owner: planned, foreignKey });
    }
    for (const { owner, foreignKey } of this.#pending)
      if (foreignKey.schema === planned.schema && foreignKey.table === planned.table && owner !== planned)
        this.#addRelations(planned, owner, planned, foreignKey);
  }

  #typeOf(schema: string, table: string): TableType | undefined {
    return [...this.existing.tables, ...this.tables].find((one) => one.schema === schema && one.table === table);
  }

  /** Adds both directions of a foreign key to the table that is generated last, which knows both types. */
  #addRelations(
    into: PlannedTable,
    owner: TableType,
    target: TableType,
    { columns, references }: CatalogForeignKey,
  ): void {
    const pairs = columns.map(
      (column, index) => [owner.properties.get(column), target.properties.get(references[index] ?? '')] as const,
    );
    const mapped = pairs.flatMap(([from, to]) => (from === undefined || to === undefined ? [] : [[from, to] as const]));
    if (mapped.length < columns.length) {
      into.omissions.push({
        name: columns.join(', '),
        reason: `is a foreign key to ${target.schema}.${target.table} with columns that are left out`,
      });
      return;
    }
    const isNullable = this.#columnsOf(owner, columns).some((column) => column?.isNullable !== false);
    const stem = wordsOf(columns.at(-1) ?? '').filter(
      (word, index, all) => index < all.length - 1 || !/^(?:id|fk|key|no|nr|code)$/.test(word),
    );
    const by = columns.map((column) => pascalCase(wordsOf(column))).join('And');
    const one = takeName(this.#fieldsOf(owner), [
      ...(columns.length === 1 ? [camelCase(stem), camelCase([...stem, ...wordsOf(target.type)])] : []),
      target.field,
      `${target.field}By${by}`,
    ]);
    const isPlain = one === target.field && owner.type !== target.type;
    const many = takeName(this.#fieldsOf(target), [
      ...(isPlain ? [owner.fields] : []),
      `${owner.fields}By${one === target.field ? by : capitalized(one)}`,
    ]);
    into.relations.push(
      {
        kind: 'one',
        owner,
        field: one,
        target,
        columns: mapped,
        isNullable: true,
        description: `The ${target.type} of ${columns.join(', ')}; null if there is none${isNullable ? '' : ' that the viewer may see'}.`,
      },
      {
        kind: 'many',
        owner: target,
        field: many,
        target: owner,
        columns: mapped.map(([from, to]) => [to, from] as const),
        isNullable: false,
        description: `The ${owner.type} rows whose ${columns.join(', ')} is that of this ${target.type}, by their key.`,
      },
    );
  }

  #columnsOf(owner: TableType, names: readonly string[]): (PlannedColumn | undefined)[] {
    const planned = this.tables.find((one) => one === owner);
    return names.map((name) => planned?.columns.find((column) => column.name === name));
  }

  #fieldsOf(owner: TableType): Set<string> {
    const known =
      this.#relationNames.get(owner.type) ??
      new Set([
        ...reservedProperties,
        ...owner.properties.values(),
        ...(this.existing.fieldsByType.get(owner.type) ?? []),
      ]);
    this.#relationNames.set(owner.type, known);
    return known;
  }
}

function descriptionOf({ schema, table, kind, comment }: CatalogTable, omissions: readonly Omission[]): string {
  const text = comment === null ? `A row of the ${kind} ${schema}.${table}.` : sentence(comment);
  if (omissions.length === 0) return text;
  return `${text} Left out: ${omissions.map(({ name, reason }) => `${name} (${reason})`).join('; ')}.`;
}
