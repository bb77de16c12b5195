import { isObjectType, type GraphQLField, type GraphQLFieldResolver, type GraphQLSchema } from 'graphql';
import { getMetadataStorage } from 'type-graphql';
import { ownValue } from '../../errors/own-value.js';
import { methodResolver, propertyResolver } from '../execution/field-reader.js';
import type { Context } from '../context/context.js';

type Storage = ReturnType<typeof getMetadataStorage>;
type FieldResolverMetadata = Storage['fieldResolvers'][number];
type ParameterMetadata = NonNullable<FieldResolverMetadata['params']>[number];
type Resolver = GraphQLFieldResolver<unknown, Context, Record<string, unknown>>;
type Field = GraphQLField<unknown, Context>;

/**
 * Replaces field resolvers of type-graphql that only read a property, or only call a method with values that they do not convert. Its own
 * wrapper costs as much as the execution of a field, and makes a promise of every method with arguments.
 * @param instances the resolvers by their class
 */
export function resolveDirectly(schema: GraphQLSchema, instances: ReadonlyMap<unknown, object>): GraphQLSchema {
  const storage = getMetadataStorage();
  for (const { name, target, fields = [] } of storage.objectTypes) {
    for (const metadata of fields) {
      const field = fieldOf(schema, name, metadata.schemaName);
      const method = storage.fieldResolvers.find(
        ({ getObjectType, methodName }) => getObjectType?.() === target && methodName === metadata.name,
      );
      // Without a resolver, the field is simple: graphql-js reads the property.
      if (!method && field?.resolve && isPlain(metadata)) field.resolve = propertyResolver(metadata.name) as Resolver;
    }
  }
  for (const metadata of storage.fieldResolvers) {
    const type = storage.objectTypes.find(({ target }) => target === metadata.getObjectType?.());
    const field = type && fieldOf(schema, type.name, metadata.schemaName);
    const instance = instances.get(metadata.target);
    const resolve = instance && directResolver(storage, metadata, instance);
    if (field && resolve) field.resolve = resolve;
  }
  return schema;
}

function fieldOf(schema: GraphQLSchema, typeName: string, name: string): Field | undefined {
  const type = schema.getType(typeName);
  return isObjectType(type) ? type.getFields()[name] : undefined;
}

/** Whether neither middleware nor an authorization surrounds it. */
const isPlain = ({ middlewares = [], roles }: Pick<FieldResolverMetadata, 'middlewares' | 'roles'>): boolean =>
  middlewares.length === 0 && roles === undefined;

/** Null if type-graphql does more than call the method. */
function directResolver(storage: Storage, metadata: FieldResolverMetadata, instance: object): Resolver | null {
  const { kind, methodName, params = [] } = metadata;
  if (kind !== 'external' || !isPlain(metadata)) return null;
  // eslint-disable-next-line auspex/own-names -- a method of a resolver class, which is inherited
  const method: unknown = Reflect.get(instance, methodName);
  const inOrder = params.toSorted((one, other) => one.index - other.index);
  const values = inOrder.map((param) => valueOf(storage, param));
  if (typeof method !== 'function' || !values.every((value) => value !== null)) return null;
  const call = method.bind(instance) as (...parameters: unknown[]) => unknown;
  const kinds = inOrder.map((param) => param.kind).join();
  if (kinds === 'root') return methodResolver((root) => call(root)) as Resolver;
  if (kinds === 'root,context') return methodResolver((root, context) => call(root, context)) as Resolver;
  if (values.length > 3) return (...sent) => call(...values.map((value) => value(...sent)));
  const [first = nothing, second = nothing, third = nothing] = values;
  return (root, args, context, info) =>
    call(first(root, args, context, info), second(root, args, context, info), third(root, args, context, info));
}

const nothing: Resolver = () => undefined;

/** Reads a parameter as it was sent; null if type-graphql converts or validates it. */
function valueOf(storage: Storage, param: ParameterMetadata): Resolver | null {
  switch (param.kind) {
    case 'root':
      return param.propertyName === undefined && (!param.getType || param.getType() === Object) ? (root) => root : null;
    case 'context':
      return param.propertyName === undefined ? (_root, _args, context) => context : null;
    case 'info':
      return (_root, _args, _context, info) => info;
    case 'arg': {
      const type: unknown = param.getType();
      const isConverted = storage.inputTypes.some(({ target }) => target === type) || param.validateFn !== undefined;
      return isConverted ? null : (_root, args) => ownValue(args, param.name);
    }
    case 'args':
      return asSent.has(param.getType()) ? (_root, args) => args : null;
    default:
      return null;
  }
}

const asSent = new Set<unknown>();

/** Lets field resolvers receive arguments of a class as plain objects: its methods, if any, and its defaults are not needed. */
export function passAsSent<Class extends object>(argumentsClass: Class): Class {
  asSent.add(argumentsClass);
  return argumentsClass;
}
