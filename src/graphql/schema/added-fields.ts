import {
  extendSchema,
  getNamedType,
  isObjectType,
  type DocumentNode,
  type GraphQLFieldResolver,
  type GraphQLResolveInfo,
  type GraphQLSchema,
} from 'graphql';
import type { Context } from '../context/context.js';
import { chained } from '../execution/promises.js';
import { lineageGuard, type LineageField } from '../lineage/lineage-guard.js';
import { OnForbidden } from '../permissions/on-forbidden.js';
import type { Permissions } from '../permissions/rules.js';
import type { CacheExtensions, CacheHintOptions } from './cache-control.js';
import { readsOf, type ReadsExtensions } from './reads.js';

/** A field that an extension adds to a type of a domain. Its value derives from fields of the schema. */
export interface AddedField {
  type: string;
  name: string;
  /** The fields that the value derives from: a viewer that may not read one of them may not read it either. */
  lineage: readonly LineageField[];
  /** The properties of other rows that the value needs, by the field that leads to them, with the properties of the row for that. */
  related: Readonly<Record<string, { properties: readonly string[]; reads: readonly string[] }>>;
  cacheHint: CacheHintOptions;
  /** The model that computes it, by whose time the field counts in the cost of an operation. */
  model: string;
  resolve: (row: object, context: Context, info: GraphQLResolveInfo) => unknown;
}

/** The argument of an added field, if its SDL declares it. */
interface OnForbiddenArgs {
  onForbidden?: OnForbidden;
}

/** Fields for types of a schema, and the types of their values. */
export interface AddedFields {
  /** Extends the types: `extend type Employee { ... }`. */
  sdl: DocumentNode;
  fields: readonly AddedField[];
}

/**
 * Adds fields to types of a schema. They are guarded by the rules of the fields that they derive from, and read what those and their
 * rules read.
 * @throws Error if a type or a field of the lineage is not in the schema
 */
export function withAddedFields(
  schema: GraphQLSchema,
  added: readonly AddedFields[],
  permissions: readonly Permissions[],
): GraphQLSchema {
  let extended = schema;
  for (const { sdl } of added) extended = extendSchema(extended, sdl, { assumeValid: true });
  for (const field of added.flatMap(({ fields }) => fields)) attach(extended, field, permissions);
  return extended;
}

function attach(schema: GraphQLSchema, added: AddedField, permissions: readonly Permissions[]): void {
  const field = fieldOf(schema, added.type, added.name);
  const guard = lineageGuard(added.lineage, permissions);
  const resolve: GraphQLFieldResolver<object, Context> = (row, args: OnForbiddenArgs, context, info) => {
    if (!guard) return added.resolve(row, context, info);
    return chained(guard(row, context, info), (verdict) => {
      if (verdict === true) return added.resolve(row, context, info);
      return args.onForbidden === OnForbidden.NULL ? null : verdict;
    });
  };
  field.resolve = resolve as GraphQLFieldResolver<unknown, Context>;
  field.extensions = {
    ...field.extensions,
    ...reads(schema, added),
    cacheControl: added.cacheHint,
    computedBy: added.model,
    ...(guard ? { isGuarded: true } : {}),
  } satisfies CacheExtensions & ReadsExtensions & { computedBy: string };
}

/** What the fields of the lineage, and their rules, read of their objects. */
function reads(schema: GraphQLSchema, { type, lineage, related }: AddedField): ReadsExtensions {
  const own = lineage.filter((one) => !one.objectOf).map(({ field }) => readsOf(fieldOf(schema, type, field)));
  const relations = Object.entries(related);
  const ofRow = [...own, ...relations.map(([, one]) => one.reads)];
  const ofRelated = relations.map(([name, { properties }]) => {
    const other = getNamedType(fieldOf(schema, type, name).type).name;
    return [name, uniqueOf(properties.flatMap((property) => readsOf(fieldOf(schema, other, property)) ?? property))];
  });
  return {
    // A field without a declaration reads all properties.
    ...(ofRow.includes(null) ? {} : { reads: uniqueOf(ofRow.flatMap((properties) => properties ?? [])) }),
    relatedReads: Object.fromEntries(ofRelated) as Record<string, string[]>,
  };
}

const uniqueOf = (names: readonly string[]): string[] => [...new Set(names)];

function fieldOf(schema: GraphQLSchema, typeName: string, name: string) {
  const type = schema.getType(typeName);
  const field = isObjectType(type) ? new Map(Object.entries(type.getFields())).get(name) : undefined;
  if (!field) throw new Error(`${typeName}.${name} is not in the schema.`);
  return field;
}
