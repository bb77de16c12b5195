import type { CatalogColumn, CatalogTable, CatalogType } from './catalog.js';
import { camelCase, takeName, wordsOf } from './identifiers.js';

/** A column that becomes a field. */
export interface PlannedColumn {
  property: string;
  name: string;
  description: string;
  /** The expression of its type in the generated code: `column.text`, `enumOf(…)`. */
  type: string;
  /** The type of the property in TypeScript. */
  tsType: string;
  isNullable: boolean;
  isKey: boolean;
  isGenerated: boolean;
  hasDefault: boolean;
  maxLength: number | null;
  /** A B-tree index starts with it. */
  isIndexed: boolean;
  /** The enum; null for other types. */
  enumType: CatalogType | null;
}

/** A column or table that is left out, and why. */
export interface Omission {
  name: string;
  reason: string;
}

/** Names of columns that look secret, by their words. */
const secretWords =
  /^(?:passwords?|passwd|pwd|passphrase|passcode|secrets?|tokens?|hash|hashed|hashes|salt|ssn|cvv|cvc|pin|credentials?|otp|totp)$/;
const secretPhrases =
  /(?:^| )(?:api|private|access|encryption|signing) ?keys?(?: |$)|password|passwd|apikey|secret|token/;

const looksSecret = (words: readonly string[]): boolean =>
  words.some((word) => secretWords.test(word)) || secretPhrases.test(words.join(' '));

/** Expressions and TypeScript types of the types of `column-types.ts`, by their names in PostgreSQL. */
const scalars = new Map<string, [expression: string, tsType: string]>([
  ['smallint', ['column.smallint', 'number']],
  ['integer', ['column.integer', 'number']],
  ['bigint', ['column.bigint', 'string']],
  ['numeric', ['column.numeric', 'string']],
  ['money', ['column.money', 'string']],
  ['real', ['column.real', 'number']],
  ['double precision', ['column.double', 'number']],
  ['boolean', ['column.boolean', 'boolean']],
  ['text', ['column.text', 'string']],
  ['character varying', ['column.text', 'string']],
  ['character', ['column.char', 'string']],
  ['uuid', ['column.uuid', 'string']],
  ['date', ['column.date', 'string']],
  ['timestamp with time zone', ['column.timestamptz', 'Date']],
  ['timestamp without time zone', ['column.timestamp', 'string']],
  ['time without time zone', ['column.time', 'string']],
  ['time with time zone', ['column.timetz', 'string']],
  ['interval', ['column.interval', 'string']],
  ['bytea', ['column.bytea', 'string']],
  ['json', ['column.json', 'unknown']],
  ['jsonb', ['column.jsonb', 'unknown']],
]);

/** Types without a scalar whose form in PostgreSQL is a readable string. */
const readable =
  /^(?:inet|cidr|macaddr8?|bit|bit varying|xml|name|oid|point|line|lseg|box|path|polygon|circle|pg_lsn|(?:.+\.)?(?:citext|ltree|isbn|ean13))$/;

const omittedTypes = new Map([
  ['tsvector', 'is the index of a full-text search, without content that clients can show'],
  ['tsquery', 'is a query of a full-text search'],
]);

/** Types whose text is exact and canonical, so that a key can be made of it. */
const keyTypes =
  /^column\.(?:smallint|integer|bigint|numeric|boolean|text|char|uuid|date|exactTimestamptz|timestamp)$|^(?:enumOf|textOf)/;

export const isKeyType = (type: string): boolean => keyTypes.test(type);

/**
 * Plans the fields of a table.
 * @param keyNames the columns of its key
 * @param enumName the name of an enum in the generated code
 */
export function planColumns(
  table: CatalogTable,
  keyNames: readonly string[],
  enumName: (type: CatalogType) => string,
): { columns: PlannedColumn[]; omissions: Omission[] } {
  const omissions: Omission[] = [];
  const taken = new Set(reservedProperties);
  const columns = table.columns.flatMap((column): PlannedColumn[] => {
    const words = wordsOf(column.name);
    const isKey = keyNames.includes(column.name);
    const type = typeOf(column.type, isKey, enumName);
    const reason = looksSecret(words) ? 'looks secret' : typeof type === 'string' ? type : null;
    if (reason !== null || typeof type === 'string') {
      omissions.push({ name: column.name, reason: reason ?? '' });
      return [];
    }
    const property = takeName(taken, [
      camelCase(words),
      camelCase(words.join() === 'id' ? ['row', 'id'] : [...words, 'column']),
    ]);
    const { name, isNullable, isGenerated, hasDefault, maxLength } = column;
    return [
      {
        ...type,
        property,
        name,
        description: descriptionOf(column),
        isNullable,
        isKey,
        isGenerated,
        hasDefault,
        maxLength,
        isIndexed: table.indexes.some(
          ({ columns: [first], method, isInColumnOrder }) => first === name && method === 'btree' && isInColumnOrder,
        ),
        enumType: column.type.kind === 'enum' ? column.type : null,
      },
    ];
  });
  return { columns, omissions };
}

/**
 * The field of the system column `xmin`, which differs after each change of a row.
 * @param columns the other fields, which may have its name
 */
export const versionColumn = (columns: readonly PlannedColumn[]): PlannedColumn => ({
  property: takeName(new Set(columns.map(({ property }) => property)), ['version', 'rowVersion', 'versionOfRow']),
  name: 'xmin',
  description: 'Differs after each change of the row; updates and deletions compare it with expectedVersion.',
  type: 'column.version',
  tsType: 'string',
  isNullable: false,
  isKey: false,
  isGenerated: true,
  hasDefault: false,
  maxLength: null,
  isIndexed: false,
  enumType: null,
});

/** Names that a property of an entity cannot have: `id` is the global ID, and filters have fields of the others. */
export const reservedProperties = [
  'id',
  'and',
  'or',
  'not',
  'isNull',
  'constructor',
  'prototype',
  'then',
  'toString',
  'valueOf',
  'toJSON',
  'hasOwnProperty',
];

/** The longest description that is taken from a comment. */
const maxDescription = 300;

const descriptionOf = ({ name, comment, type }: CatalogColumn): string => {
  const text = sentence(comment ?? `The column ${name}`);
  return type.isList ? `${text} Its first 1000 items.` : text;
};

/** A comment as one line that ends with a full stop. */
export function sentence(comment: string): string {
  const line = comment.replaceAll(/\s+/g, ' ').trim().slice(0, maxDescription);
  return /[.!?]$/.test(line) ? line : `${line}.`;
}

/** The type of a column in the generated code, or the reason why it has none. */
function typeOf(
  type: CatalogType,
  isKey: boolean,
  enumName: (type: CatalogType) => string,
): Pick<PlannedColumn, 'type' | 'tsType'> | string {
  const item = itemTypeOf(type, isKey, enumName);
  if (typeof item === 'string' || !type.isList) return item;
  return { type: `listOf(${item.type})`, tsType: `(${item.tsType === 'Date' ? 'string' : item.tsType} | null)[]` };
}

function itemTypeOf(
  type: CatalogType,
  isKey: boolean,
  enumName: (type: CatalogType) => string,
): Pick<PlannedColumn, 'type' | 'tsType'> | string {
  const scalar = scalars.get(type.name);
  if (scalar) {
    const [expression, tsType] = scalar;
    const isExact = isKey && expression === 'column.timestamptz';
    return isExact ? { type: 'column.exactTimestamptz', tsType: 'string' } : { type: expression, tsType };
  }
  if (type.kind === 'enum') {
    const name = enumName(type);
    return { type: `enumOf(${quoted(type.name)}, ${name})`, tsType: name };
  }
  if (type.kind === 'range' || readable.test(type.name))
    return { type: `textOf(${quoted(type.name)})`, tsType: 'string' };
  if (type.kind === 'composite') return `has the composite type ${type.name}, which has no type in the schema`;
  return `has the type ${type.name}, which ${omittedTypes.get(type.name) ?? 'has no form in GraphQL'}`;
}

const quoted = (name: string): string => `'${name.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
