import pg from 'pg';

/** A table or view of the database, as the catalog describes it. */
export interface CatalogTable {
  schema: string;
  table: string;
  kind: 'table' | 'partitioned table' | 'foreign table' | 'view' | 'materialized view';
  comment: string | null;
  /** Whether the role may select from it. */
  isReadable: boolean;
  columns: CatalogColumn[];
  /** Sets of columns that identify a row: the primary key first, then unique indexes of columns that are not null. */
  keys: string[][];
  foreignKeys: CatalogForeignKey[];
  indexes: CatalogIndex[];
}

export interface CatalogColumn {
  name: string;
  comment: string | null;
  type: CatalogType;
  isNullable: boolean;
  hasDefault: boolean;
  /** The most characters of a text; null if the type has no such limit. */
  maxLength: number | null;
  /** The database computes it, so that it cannot be set. */
  isGenerated: boolean;
}

/** A type without its domains. */
export interface CatalogType {
  /** As `format_type` writes it, with its schema unless that is `pg_catalog`. */
  name: string;
  kind: 'base' | 'enum' | 'range' | 'composite' | 'other';
  isList: boolean;
  /** The values of an enum. */
  labels: string[];
}

export interface CatalogForeignKey {
  columns: string[];
  schema: string;
  table: string;
  references: string[];
}

/** A valid index over all rows. */
interface CatalogIndex {
  /** Its columns up to the first expression. */
  columns: string[];
  method: string;
  /** Whether it sorts its first column in the collation of the column and the default order of its type. */
  isInColumnOrder: boolean;
  isUnique: boolean;
}

/** A row of the statement below. */
interface TableRow extends Omit<CatalogTable, 'columns' | 'kind'> {
  kind: keyof typeof kinds;
  columns: (Omit<CatalogColumn, 'type' | 'maxLength'> & { type: string; modifier: number })[];
}

const kinds = {
  r: 'table',
  p: 'partitioned table',
  f: 'foreign table',
  v: 'view',
  m: 'materialized view',
} as const;

/** Reads the tables and views of a schema. Partitions and what extensions own are omitted. */
export async function readCatalog(client: pg.Client, schema: string): Promise<CatalogTable[]> {
  // Types outside pg_catalog then have their schema in their name.
  await client.query("select set_config('search_path', '', false)");
  const { rows } = await client.query<TableRow>(tablesSql, [schema]);
  const types = new Map((await client.query<TypeRow>(typesSql)).rows.map((type) => [type.oid, type]));
  return rows.map((row) => ({
    ...row,
    kind: kinds[row.kind],
    columns: row.columns.map(({ modifier, ...column }) => ({ ...column, ...resolved(types, { ...column, modifier }) })),
  }));
}

/** The columns of an array of attribute numbers, in its order; null if one of them is an expression. */
const namesOf = (numbers: string, relation: string): string => `(
  select array_agg(attname::text order by position) from unnest(${numbers}) with ordinality as listed (number, position)
  join pg_attribute on attrelid = ${relation} and attnum = number)`;

const tablesSql = `
  select n.nspname as schema, c.relname as table, c.relkind as kind, obj_description(c.oid, 'pg_class') as comment,
    has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select') as "isReadable",
    (select json_agg(json_build_object(
        'name', a.attname, 'comment', col_description(c.oid, a.attnum), 'type', a.atttypid::text, 'modifier', a.atttypmod,
        'isNullable', not a.attnotnull, 'hasDefault', a.atthasdef or a.attidentity <> '',
        'isGenerated', a.attgenerated <> '' or a.attidentity = 'a') order by a.attnum)
      from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
    coalesce((select json_agg(${namesOf('i.indkey[0:i.indnkeyatts - 1]', 'c.oid')} order by i.indisprimary desc, i.indnkeyatts, i.indexrelid)
      from pg_index i where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
        and not exists (select from unnest(i.indkey[0:i.indnkeyatts - 1]) as part (number)
          join pg_attribute a on a.attrelid = c.oid and a.attnum = number where not a.attnotnull)), '[]') as keys,
    coalesce((select json_agg(json_build_object(
        'columns', ${namesOf('f.conkey', 'c.oid')}, 'schema', tn.nspname, 'table', t.relname,
        'references', ${namesOf('f.confkey', 't.oid')}) order by f.conkey, f.oid)
      from pg_constraint f join pg_class t on t.oid = f.confrelid join pg_namespace tn on tn.oid = t.relnamespace
      where f.conrelid = c.oid and f.contype = 'f' and f.conparentid = 0), '[]') as "foreignKeys",
    coalesce((select json_agg(json_build_object(
        'columns', coalesce((select array_agg(a.attname::text order by position)
          from unnest(i.indkey[0:i.indnkeyatts - 1]) with ordinality as part (number, position)
          join pg_attribute a on a.attrelid = c.oid and a.attnum = number
          where position < coalesce((select min(p) from unnest(i.indkey) with ordinality as o (n, p) where n = 0), 1000)), '{}'),
        'method', am.amname, 'isInColumnOrder', i.indcollation[0] = coalesce((select attcollation from pg_attribute where attrelid = c.oid and attnum = i.indkey[0]), 0)
          and exists (select from pg_opclass used join pg_opclass usual on usual.opcfamily = used.opcfamily where used.oid = i.indclass[0] and usual.opcdefault), 'isUnique', i.indisunique))
      from pg_index i join pg_class ic on ic.oid = i.indexrelid join pg_am am on am.oid = ic.relam
      where i.indrelid = c.oid and i.indisvalid and i.indpred is null), '[]') as indexes
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = $1 and c.relkind in ('r', 'p', 'f', 'v', 'm') and not c.relispartition
    and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
  order by c.relname`;

interface TypeRow {
  oid: string;
  name: string;
  kind: string;
  category: string;
  base: string;
  item: string;
  isNotNull: boolean;
  modifier: number;
  hasDefault: boolean;
  labels: string[] | null;
}

const typesSql = `
  select t.oid::text, format_type(t.oid, null) as name, t.typtype as kind, t.typcategory as category,
    t.typbasetype::text as base, t.typelem::text as item, t.typnotnull as "isNotNull",
    t.typtypmod as modifier, t.typdefault is not null as "hasDefault",
    (select array_agg(enumlabel::text order by enumsortorder) from pg_enum where enumtypid = t.oid) as labels
  from pg_type t`;

/** What a column's type says about it. */
type TypedColumn = Pick<CatalogColumn, 'type' | 'isNullable' | 'hasDefault' | 'maxLength'>;

/** A column of which the type may be a domain or an array. */
interface UnresolvedColumn extends Pick<CatalogColumn, 'isNullable' | 'hasDefault'> {
  type: string;
  /** The length of a text and four more; -1 for none. */
  modifier: number;
}

/** Follows domains to their type. */
function resolved(types: ReadonlyMap<string, TypeRow>, column: UnresolvedColumn): TypedColumn {
  const type = types.get(column.type);
  if (!type) throw new Error(`The catalog has no type ${column.type}.`);
  const { isNullable, hasDefault, modifier } = column;
  if (type.kind === 'd')
    return resolved(types, {
      type: type.base,
      isNullable: isNullable && !type.isNotNull,
      hasDefault: hasDefault || type.hasDefault,
      modifier: modifier === -1 ? type.modifier : modifier,
    });
  if (type.category === 'A') {
    const item = resolved(types, { type: type.item, isNullable: true, hasDefault, modifier });
    return { ...item, type: { ...item.type, isList: true }, isNullable };
  }
  const kind = ({ b: 'base', e: 'enum', r: 'range', m: 'range', c: 'composite' } as const)[type.kind] ?? 'other';
  const hasLength = /^character(?: varying)?$/.test(type.name) && modifier > lengthOffset;
  return {
    type: { name: type.name, kind, isList: false, labels: type.labels ?? [] },
    isNullable,
    hasDefault,
    maxLength: hasLength ? modifier - lengthOffset : null,
  };
}

const lengthOffset = 4;
