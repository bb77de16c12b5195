import type { CatalogTable } from './catalog.js';
import { camelCase, pascalCase, plural, singular, takeName, wordsOf } from './identifiers.js';

/** The names of a table's type in the generated code. */
export interface TableNames {
  type: string;
  /** `salesOrder` */
  field: string;
  /** `salesOrders`: the root field, and the constant that reads the table. */
  fields: string;
  folder: string;
  /** `sales order`: in sentences. */
  noun: string;
  nouns: string;
  idPrefix: string;
}

/** The names that are taken. */
export interface TakenNames {
  /** Of types in the schema. */
  typeNames: ReadonlySet<string>;
  /** Of root fields. */
  fieldNames: ReadonlySet<string>;
  folders: ReadonlySet<string>;
  idPrefixes: ReadonlySet<string>;
}

/** Identifiers of the generated code, and names with a meaning in it. */
const reservedTypes =
  'Arg Args Array AuditLog Boolean Buffer Column Connection Context Ctx Date DomainModule Error ExistingTable Field FieldResolver Function GraphQLResolveInfo ID Info Invalidates JSON Map Mutation Node Number Object Omit PageArgs PageInfo Partial Permissions Pick Promise Query Reads Record Resolver Root RowOf Set String Subscription Symbol TableArgs TableReads TableWrites';
const reservedWords =
  'abstract administrators any args as async audit await boolean break case catch class column const constructor context continue debugger declare default delete do else enum export extends false finally for from function get id if implements import in info instanceof interface is keyof let module namespace never new null number object of package private protected public readonly return row set static string super switch symbol this throw true try type typeof undefined unknown var void while with yield';

/** The naming rules of the schema reject these. */
const reservedForm = /^(?:get|query|mutation)|(?:query|mutation|connection|edge|payload|input)$/i;

/** The types that belong to a type. */
const suffixes =
  ' Aggregate AggregateArgs Args Avg Connection Edge Filter GroupBy GroupKey Max Min Mutations Order OrderField Resolver Row Sum'.split(
    ' ',
  );

/** The longest prefix of an ID. */
const maxPrefix = 40;

/** Chooses names that nothing has. */
export class NamePool {
  readonly #types: Set<string>;
  readonly #fields: Set<string>;
  readonly #folders: Set<string>;
  readonly #prefixes: Set<string>;

  constructor({ typeNames, fieldNames, folders, idPrefixes }: TakenNames) {
    this.#types = new Set([...typeNames, ...reservedTypes.split(' ')]);
    this.#fields = new Set([...fieldNames, ...reservedWords.split(' ')]);
    this.#folders = new Set(folders);
    this.#prefixes = new Set(idPrefixes);
  }

  /**
   * The names of a table: those of the command, or of the table, if needed with its schema before them.
   * @throws Error if all of them are taken
   */
  ofTable(
    { schema, table }: CatalogTable,
    chosen: { name?: string | undefined; plural?: string | undefined },
  ): TableNames {
    const words = wordsOf(chosen.name ?? table);
    const one = chosen.name === undefined ? [...words.slice(0, -1), singular(words.at(-1) ?? '')] : words;
    const candidates = [one, [...wordsOf(schema), ...one], [...wordsOf(schema), ...one, 'row']];
    for (let number = 2; number < 100; number += 1) candidates.push([...one, String(number)]);
    const names = candidates.map((candidate) => formsOf(candidate, chosen.plural)).find((forms) => this.#isFree(forms));
    if (!names) throw new Error(`${schema}.${table} needs another name; give one with --name.`);
    for (const suffix of suffixes) this.#types.add(`${names.type}${suffix}`);
    this.#fields.add(names.field).add(names.fields).add(`${names.fields}Aggregate`);
    for (const name of mutationsOf(names.type)) this.#fields.add(name);
    this.#folders.add(names.folder);
    this.#prefixes.add(names.idPrefix);
    return names;
  }

  /** The name of an enum. */
  ofEnum(words: readonly string[]): string {
    return takeName(this.#types, [pascalCase(words), `${pascalCase(words)}Value`]);
  }

  #isFree({ type, field, fields, folder, idPrefix }: TableNames): boolean {
    return (
      !suffixes.some((suffix) => this.#types.has(`${type}${suffix}`)) &&
      !this.#fields.has(field) &&
      !this.#fields.has(fields) &&
      !this.#fields.has(`${fields}Aggregate`) &&
      !mutationsOf(type).some((name) => this.#fields.has(name)) &&
      !this.#folders.has(folder) &&
      !this.#prefixes.has(idPrefix) &&
      !reservedForm.test(field)
    );
  }
}

const mutationsOf = (type: string): string[] => [`create${type}`, `update${type}`, `delete${type}`];

function formsOf(words: readonly string[], chosenPlural: string | undefined): TableNames {
  const plurals =
    chosenPlural === undefined ? [...words.slice(0, -1), plural(words.at(-1) ?? '')] : wordsOf(chosenPlural);
  const field = camelCase(words);
  const fields = camelCase(plurals) === field ? `${field}List` : camelCase(plurals);
  return {
    type: pascalCase(words),
    field,
    fields,
    folder: words.join('-'),
    noun: words.join(' '),
    nouns: plurals.join(' '),
    idPrefix: field.toLowerCase().slice(0, maxPrefix),
  };
}
