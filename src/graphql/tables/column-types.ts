import { Type } from '@mikro-orm/core';
import { GraphQLBoolean, GraphQLFloat, GraphQLInt, GraphQLString, type GraphQLScalarType } from 'graphql';
import type { FilterType } from '../filtering/columns.js';
import { JSONValue } from '../schema/json-object.js';
import { GraphQLDate, GraphQLDateTime } from '../schema/scalars.js';
import { BigInteger, Bytes, Decimal, Duration, LocalDateTime, LocalTime, Uuid } from './table-scalars.js';

/** How the values of a column are read, written and shown. */
export interface ColumnType {
  /** The type in PostgreSQL. */
  sqlType: string;
  /** The type of the field: a scalar, or the object of an enum that type-graphql has registered. */
  graphql: GraphQLScalarType | object;
  isList: boolean;
  /** SQL of the value as the field needs it. @param column SQL of the column */
  read: (column: string) => string;
  /** SQL of the value, and of null where GraphQL cannot represent it: in aggregates it does not count. */
  finite: (column: string) => string;
  /** SQL of the column's type for a value in the form of `read`. @param value SQL of the value */
  write: (value: string) => string;
  /** Whether a text from a caller is a value of this type; null if the type is unsuitable for keys. */
  isValid: ((text: string) => boolean) | null;
  /** How lists are filtered and sorted by it; null if they are not. */
  filter: Exclude<FilterType, 'id' | 'enum'> | null;
  /** How MikroORM maps the column. */
  orm: string | Type<string, string>;
}

/** The most items of an array that a field returns. */
export const maxItems = 1000;

/** A type whose fields are texts; MikroORM reads and writes the same texts. */
class TextForm extends Type<string, string> {
  constructor(readonly of: Pick<ColumnType, 'sqlType' | 'read' | 'write'>) {
    super();
  }

  override getColumnType(): string {
    return this.of.sqlType;
  }

  override convertToJSValueSQL(key: string): string {
    return this.of.read(key);
  }

  override convertToDatabaseValueSQL(key: string): string {
    return this.of.write(key);
  }
}

type Form = Partial<Pick<ColumnType, 'read' | 'finite' | 'write' | 'isValid' | 'filter' | 'orm'>>;

const columnType = (sqlType: string, graphql: ColumnType['graphql'], form: Form = {}): ColumnType => ({
  sqlType,
  graphql,
  isList: false,
  read: form.finite ?? same,
  finite: same,
  write: (value) => `${value}::${sqlType}`,
  isValid: null,
  filter: null,
  orm: 'string',
  ...form,
});

const same = (column: string): string => column;

/** A type whose values are texts. */
function textForm(sqlType: string, graphql: ColumnType['graphql'], form: Form = {}): ColumnType {
  const type = columnType(sqlType, graphql, { read: (column) => `${column}::text`, ...form });
  return { ...type, orm: new TextForm(type) };
}

/** GraphQL cannot represent infinity and NaN: they are null. */
const finiteTime = (column: string): string => `case when isfinite(${column}) then ${column} end`;
const finiteNumber = (column: string): string =>
  `case when ${column} not in ('NaN', 'Infinity', '-Infinity') then ${column} end`;

const isIntegerOf =
  (bits: number) =>
  (text: string): boolean =>
    /^-?\d{1,19}$/.test(text) && BigInt.asIntN(bits, BigInt(text)) === BigInt(text);
const isUuid = (text: string): boolean => /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
const isText = (text: string): boolean => !text.includes('\0');
const isDecimal = (text: string): boolean => /^-?\d{1,200}(?:\.\d{1,200})?$/.test(text);
const isDay = (text: string): boolean => {
  const time = new Date(`${text}T00:00:00.000Z`);
  return /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(time.getTime()) && time.toISOString().startsWith(text);
};

/** A time as `to_char` writes it, with microseconds. */
const isTime = (text: string): boolean =>
  isDay(text.slice(0, 10)) && /^T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z?$/.test(text.slice(10));

/** ISO 8601, with all parts: PostgreSQL writes that form only by a setting of the session. */
const isoInterval = (column: string): string => {
  const part = (unit: string): string => `extract(${unit} from ${column})::bigint`;
  const months = `(${part('year')} * 12 + ${part('month')})`;
  const seconds = `trim_scale(extract(second from ${column}))`;
  return `'P' || ${months} || 'M' || ${part('day')} || 'DT' || ${part('hour')} || 'H' || ${part('minute')} || 'M' || ${seconds} || 'S'`;
};

/** The types of columns by the names that the generator writes. */
export const column = {
  smallint: columnType('smallint', GraphQLInt, { filter: 'integer', isValid: isIntegerOf(16), orm: 'smallint' }),
  integer: columnType('integer', GraphQLInt, { filter: 'integer', isValid: isIntegerOf(32), orm: 'integer' }),
  bigint: textForm('bigint', BigInteger, { filter: 'bigint', isValid: isIntegerOf(64) }),
  numeric: textForm('numeric', Decimal, {
    filter: 'decimal',
    finite: finiteNumber,
    read: (value) => `(${finiteNumber(value)})::text`,
    isValid: isDecimal,
  }),
  money: textForm('money', Decimal, {
    read: (value) => `${value}::numeric::text`,
    write: (value) => `${value}::numeric::money`,
  }),
  real: columnType('real', GraphQLFloat, { filter: 'float', finite: finiteNumber, orm: 'float' }),
  double: columnType('double precision', GraphQLFloat, { filter: 'float', finite: finiteNumber, orm: 'double' }),
  boolean: columnType('boolean', GraphQLBoolean, {
    filter: 'boolean',
    isValid: (text) => text === 'true' || text === 'false',
    orm: 'boolean',
  }),
  text: columnType('text', GraphQLString, { filter: 'text', isValid: isText, orm: 'text' }),
  char: textForm('bpchar', GraphQLString, { filter: 'text', isValid: isText }),
  uuid: columnType('uuid', Uuid, { filter: 'uuid', isValid: isUuid, orm: 'uuid' }),
  date: columnType('date', GraphQLDate, { filter: 'date', finite: finiteTime, isValid: isDay, orm: 'date' }),
  timestamptz: columnType('timestamptz', GraphQLDateTime, { filter: 'datetime', finite: finiteTime, orm: 'datetime' }),
  /** For keys: with the microseconds that a date of JavaScript lacks. */
  exactTimestamptz: textForm('timestamptz', GraphQLDateTime, {
    read: (value) => `to_char(${value} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`,
    isValid: isTime,
  }),
  timestamp: textForm('timestamp', LocalDateTime, {
    filter: 'localDateTime',
    finite: finiteTime,
    read: (value) => `case when isfinite(${value}) then to_char(${value}, 'YYYY-MM-DD"T"HH24:MI:SS.US') end`,
    isValid: isTime,
  }),
  time: textForm('time', LocalTime, { filter: 'localTime' }),
  timetz: textForm('timetz', LocalTime),
  interval: textForm('interval', Duration, { read: isoInterval }),
  bytea: textForm('bytea', Bytes, {
    read: (value) => `translate(encode(${value}, 'base64'), E'\\n', '')`,
    write: (value) => `decode(${value}, 'base64')`,
  }),
  json: columnType('json', JSONValue, { orm: 'json' }),
  jsonb: columnType('jsonb', JSONValue, { orm: 'json' }),
  /** The system column `xmin`: the transaction that wrote the row as it is. */
  version: textForm('xid', GraphQLString),
} as const satisfies Record<string, ColumnType>;

/** A type without a scalar in GraphQL, such as `inet` or `int4range`: a string in PostgreSQL's own form. */
export const textOf = (sqlType: string): ColumnType =>
  textForm(sqlType, GraphQLString, { isValid: isText, filter: textFilterOf(sqlType) });

/** Others are not compared: PostgreSQL has no order or equality for them, or one that surprises, such as that of areas. */
function textFilterOf(sqlType: string): ColumnType['filter'] {
  if (sqlType === 'inet' || sqlType === 'cidr') return 'address';
  return /(?:^|\.)citext$/.test(sqlType) ? 'text' : null;
}

/** An enum. @param values the object that type-graphql has registered: the values of the database by their names in GraphQL */
export const enumOf = (sqlType: string, values: object): ColumnType =>
  textForm(sqlType, values, { isValid: (text) => Object.values(values).includes(text) });

/** An array: its first `maxItems` items. */
export function listOf(item: ColumnType): ColumnType {
  const sqlType = `${item.sqlType}[]`;
  return {
    ...columnType(sqlType, item.graphql),
    isList: true,
    write: (value) =>
      `coalesce((select array_agg(${item.write('given.item')} order by given.index) from unnest(${value}) with ordinality as given (item, index)), '{}')::${sqlType}`,
    read: (value) =>
      `case when ${value} is not null then coalesce((select json_agg(${item.read('item')}) from unnest((${value})[:${maxItems}]) as item), '[]') end`,
    orm: item.orm === 'integer' ? 'integer[]' : 'string[]',
  };
}
