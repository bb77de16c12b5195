import {
  defaultFieldResolver,
  getNamedType,
  isNonNullType,
  isListType,
  isObjectType,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
} from 'graphql';
import { isPromise } from '../execution/promises.js';
import { ownValue } from '../../errors/own-value.js';
import type { Viewer } from '../../auth/viewer.js';
import type { Context } from '../context/context.js';
import type { CacheExtensions } from '../schema/cache-control.js';
import type { Permissions } from './rules.js';

/** Whether the viewer may see an object, by the name of its type. */
export type Visibility = Readonly<Record<string, (viewer: Viewer, object: { id: string }) => boolean>>;

/** A field of another type that leads to objects of a type with restricted visibility. */
interface Reference {
  name: string;
  field: GraphQLField<unknown, Context>;
  /** The type it leads to, directly or as a connection. */
  type: string;
}

/**
 * Makes each field that refers to one object of these types null if the viewer may not see the object. Fields with a rule of
 * their own keep it beside the filter.
 */
export function filterReferences(schema: GraphQLSchema, visibility: Visibility): GraphQLSchema {
  for (const { field, type } of referencesOf(schema, visibility)) {
    const isVisible = ownValue(visibility, type);
    if (!isVisible || !isNullableObject(field)) continue;
    const { resolve = defaultFieldResolver } = field;
    field.resolve = (parent, args, context, info) => {
      const visible = (object: unknown): unknown =>
        object && isVisible(context.viewer, object as { id: string }) ? object : null;
      const object: unknown = resolve(parent, args, context, info);
      return isPromise(object) ? object.then(visible) : visible(object);
    };
    // A response with this field depends on the viewer.
    field.extensions = { ...field.extensions, isGuarded: true, isFiltered: true } satisfies CacheExtensions;
  }
  return schema;
}

/**
 * Checks that each field leading to these types is filtered, or has a rule because it cannot be null.
 * @throws Error that names each field without either
 */
export function assertReferencesFiltered(
  schema: GraphQLSchema,
  visibility: Visibility,
  permissions: readonly Permissions[],
): void {
  const ruled = new Set(
    permissions.flatMap((one) =>
      Object.entries(one).flatMap(([type, fields]) => Object.keys(fields).map((field) => `${type}.${field}`)),
    ),
  );
  const open = referencesOf(schema, visibility).filter(
    ({ name, field }) => field.extensions.isFiltered !== true && !ruled.has(name),
  );
  if (open.length > 0)
    throw new Error(
      `Fields lead to objects that not every viewer may see: ${open.map(({ name }) => name).join(', ')}. Make them nullable, so that they can be filtered, or add a rule to the *.permissions.ts of the domain.`,
    );
}

function referencesOf(schema: GraphQLSchema, visibility: Visibility): Reference[] {
  const targets = new Map(
    Object.keys(visibility).flatMap((type) => [
      [type, type],
      [`${type}Connection`, type],
    ]),
  );
  return objectTypesOf(schema, visibility).flatMap((parent) =>
    Object.values(parent.getFields()).flatMap((field) => {
      const type = targets.get(getNamedType(field.type).name);
      return type === undefined ? [] : [{ name: `${parent.name}.${field.name}`, field, type }];
    }),
  );
}

/** The types whose fields need a filter: not the root types, which have rules, nor the parts of a guarded connection. */
function objectTypesOf(schema: GraphQLSchema, visibility: Visibility): GraphQLObjectType<unknown, Context>[] {
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  const parts = new Set(Object.keys(visibility).flatMap((type) => [`${type}Connection`, `${type}Edge`]));
  return Object.values(schema.getTypeMap())
    .filter((type): type is GraphQLObjectType<unknown, Context> => isObjectType(type))
    .filter((type) => !roots.includes(type) && !parts.has(type.name));
}

const isNullableObject = ({ type }: GraphQLField<unknown, Context>): boolean =>
  !isNonNullType(type) && !isListType(type) && !getNamedType(type).name.endsWith('Connection');
