import type { CatalogForeignKey, CatalogTable, CatalogType } from './catalog.js';
import { camelCase, capitalized, pascalCase, plural, singular, takeName, wordsOf } from './identifiers.js';
import { isKeyType, planColumns, sentence, type Omission, type PlannedColumn } from './plan-columns.js';

/** A type that reads a table, of the repository or of the plan. */
export interface TableType {
  schema: string;
  table: string;
  type: string;
  /** `salesOrder` */
  field: string;
  /** `salesOrders`: the root field, and the constant that reads the table. */
  fields: string;
  folder: string;
  /** The properties by their columns. */
  properties: ReadonlyMap<string, string>;
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
export interface PlannedTable extends TableType {
  kind: CatalogTable['kind'];
  noun: string;
  nouns: string;
  idPrefix: string;
  description: string;
  columns: PlannedColumn[];
  relations: PlannedRelation[];
  /** Enums that it declares. */
  enums: PlannedEnum[];
  /** Enums of other folders that it uses. */
  importedEnums: { name: string; folder: string }[];
  ownedBy: string | null;
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
}

/** What the repository already has. */
export interface Existing {
  tables: readonly TableType[];
  /** Names of types in the schema. */
  typeNames: ReadonlySet<string>;
  /** Names of root fields. */
  fieldNames: ReadonlySet<string>;
  folders: ReadonlySet<string>;
  idPrefixes: ReadonlySet<string>;
  /** Declared enums of existing tables, by their names in PostgreSQL. */
  enums: ReadonlyMap<string, { name: string; folder: string }>;
}

/** Plans the types of tables, in the order of their foreign keys. A table that cannot be typed is an omission. */
export function planTables(
  catalog: readonly CatalogTable[],
  existing: Existing,
  options: PlanOptions = {},
): { tables: PlannedTable[]; omissions: Omission[] } {
  const planner = new Planner(existing, options);
  for (const table of inForeignKeyOrder(catalog)) planner.add(table);
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

/** Identifiers of the generated code, and names with a meaning in it. */
const reservedTypes = new Set(
  'Arg Args Connection Context Column ExistingTable Field FieldResolver GraphQLResolveInfo ID Info Mutation Node PageArgs PageInfo Permissions Promise Query Reads Resolver Root RowOf Subscription TableReads Date Object String Number Boolean Array Map Set Symbol Error Function Record Partial Pick Omit JSON Buffer'.split(
    ' ',
  ),
);
const reservedWords = new Set(
  'abstract any args as async await boolean break case catch class const constructor context continue debugger declare default delete do else enum export extends false finally for from function get if implements import in info instanceof interface is keyof let module namespace never new null number object of package private protected public readonly return set static string super switch symbol this throw true try type typeof undefined unknown var void while with yield id row'.split(
    ' ',
  ),
);
/** The naming rules of the schema reject these. */
const reservedForm = /^(?:get|query|mutation)|(?:query|mutation|connection|edge|payload|input)$/i;

class Planner {
  readonly tables: PlannedTable[] = [];
  readonly omissions: Omission[] = [];
  readonly #types: Set<string>;
  readonly #fields: Set<string>;
  readonly #folders: Set<string>;
  readonly #prefixes: Set<string>;
  readonly #enums: Map<string, { name: string; folder: string }>;
  readonly #relationNames = new Map<string, Set<string>>();
  /** Foreign keys of earlier tables whose table was not typed yet. */
  readonly #pending: { owner: PlannedTable; foreignKey: CatalogForeignKey }[] = [];

  constructor(
    readonly existing: Existing,
    readonly options: PlanOptions,
  ) {
    this.#types = new Set([...existing.typeNames, ...reservedTypes]);
    this.#fields = new Set([...existing.fieldNames, ...reservedWords]);
    this.#folders = new Set(existing.folders);
    this.#prefixes = new Set(existing.idPrefixes);
    this.#enums = new Map(existing.enums);
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
    const folderNames = this.#namesOf(table);
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
      omissions,
    };
    planned.importedEnums = this.#importsOf(planned);
    planned.description = descriptionOf(table, omissions);
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

  /** Chooses names that nothing has: those of the table, or with its schema before them. */
  #namesOf({
    schema,
    table,
  }: CatalogTable): Pick<PlannedTable, 'type' | 'field' | 'fields' | 'folder' | 'noun' | 'nouns' | 'idPrefix'> {
    const words = this.options.name === undefined ? wordsOf(table) : wordsOf(this.options.name);
    const last = words.at(-1) ?? '';
    const one = this.options.name === undefined ? [...words.slice(0, -1), singular(last)] : words;
    const candidates = [one, [...wordsOf(schema), ...one], [...wordsOf(schema), ...one, 'row']];
    for (let number = 2; number < 100; number += 1) candidates.push([...one, String(number)]);
    for (const candidate of candidates) {
      const names = this.#forms(candidate);
      const { type, field, fields, folder, idPrefix } = names;
      const types = [type, `${type}Connection`, `${type}Edge`, `${type}Row`, `${type}Resolver`];
      const isFree =
        !types.some((name) => this.#types.has(name)) &&
        !this.#fields.has(field) &&
        !this.#fields.has(fields) &&
        !this.#folders.has(folder) &&
        !this.#prefixes.has(idPrefix) &&
        !reservedForm.test(field);
      if (!isFree) continue;
      types.forEach((name) => this.#types.add(name));
      this.#fields.add(field).add(fields);
      this.#folders.add(folder);
      this.#prefixes.add(idPrefix);
      return names;
    }
    throw new Error(`${schema}.${table} needs another name; give one with --name.`);
  }

  #forms(words: readonly string[]) {
    const last = words.at(-1) ?? '';
    const many = [...words.slice(0, -1), plural(last)];
    const plurals = this.options.plural === undefined ? many : wordsOf(this.options.plural);
    const field = camelCase(words);
    const fields = camelCase(plurals) === field ? `${field}List` : camelCase(plurals);
    return {
      type: pascalCase(words),
      field,
      fields,
      folder: words.join('-'),
      noun: words.join(' '),
      nouns: plurals.join(' '),
      idPrefix: camelCase(words).toLowerCase().slice(0, maxPrefix),
    };
  }

  /** @returns the name in the generated code; declares the enum at its first use */
  #enumName(type: CatalogType, folder: string, declared: PlannedEnum[]): string {
    const known = this.#enums.get(type.name);
    if (known) return known.name;
    const words = wordsOf(type.name.split('.').at(-1) ?? type.name);
    const name = takeName(this.#types, [pascalCase(words), `${pascalCase(words)}Value`]);
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
    const known = this.#relationNames.get(owner.type) ?? new Set(['id', ...owner.properties.values()]);
    this.#relationNames.set(owner.type, known);
    return known;
  }
}

/** The longest prefix of an ID. */
const maxPrefix = 40;

function descriptionOf({ schema, table, kind, comment }: CatalogTable, omissions: readonly Omission[]): string {
  const text = comment === null ? `A row of the ${kind} ${schema}.${table}.` : sentence(comment);
  if (omissions.length === 0) return text;
  return `${text} Left out: ${omissions.map(({ name, reason }) => `${name} (${reason})`).join('; ')}.`;
}
