import {
  GraphQLBoolean,
  GraphQLFloat,
  GraphQLID,
  GraphQLInt,
  GraphQLString,
  isInputObjectType,
  isInputType,
  isListType,
  isNonNullType,
  isRequiredInputField,
  typeFromAST,
  valueFromAST,
  type GraphQLInputObjectType,
  type GraphQLInputType,
  type GraphQLLeafType,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type VariableDefinitionNode,
} from 'graphql';
import { ownValue, setOwn } from '../../errors/own-value.js';

type Values = Record<string, unknown>;

/** The values of an operation's variables as `getVariableValues` of graphql-js coerces them; null if it must decide itself. */
export type VariableCoercion = (sent: Readonly<Values>) => Values | null;

/** Coerces a value. @throws if it is invalid, or if graphql-js must decide that */
type Coercion = (value: unknown) => unknown;

/** One for all, since the stack of an error is expensive. */
const undecided = new Error('The value may be invalid.');

/**
 * Compiles the variables of an operation to closures, which accept what is valid beyond doubt. They report no problems:
 * `variableError` finds these.
 */
export function compileVariables(schema: GraphQLSchema, operation: OperationDefinitionNode): VariableCoercion {
  const variables = (operation.variableDefinitions ?? []).map((definition) => compileVariable(schema, definition));
  return (sent) => {
    const coerced: Values = {};
    try {
      for (const addTo of variables) addTo(coerced, sent);
      return coerced;
    } catch {
      return null;
    }
  };
}

function compileVariable(
  schema: GraphQLSchema,
  { variable, type: typeNode, defaultValue }: VariableDefinitionNode,
): (coerced: Values, sent: Readonly<Values>) => void {
  const name = variable.name.value;
  const type = typeFromAST(schema, typeNode);
  if (!isInputType(type)) return undecide;
  const coerce = coercionOf(type);
  return (coerced, sent) => {
    if (Object.hasOwn(sent, name)) setOwn(coerced, name, coerce(ownValue(sent, name)));
    else if (defaultValue) setOwn(coerced, name, valueFromAST(defaultValue, type));
    else if (isNonNullType(type)) throw undecided;
  };
}

function undecide(): never {
  throw undecided;
}

function coercionOf(type: GraphQLInputType): Coercion {
  if (isNonNullType(type)) {
    const coerce = coercionOfPresent(type.ofType);
    return (value) => (value === null || value === undefined ? undecide() : coerce(value));
  }
  const coerce = coercionOfPresent(type);
  return (value) => (value === null || value === undefined ? null : coerce(value));
}

/** Coerces values other than null and undefined. */
function coercionOfPresent(type: GraphQLInputType): Coercion {
  if (isNonNullType(type)) return coercionOfPresent(type.ofType);
  if (isListType(type)) return compileList(coercionOf(type.ofType));
  return isInputObjectType(type) ? coercionOfObject(type) : compileLeaf(type);
}

function compileList(coerce: Coercion): Coercion {
  return (value) => {
    if (!Array.isArray(value)) {
      // graphql-js takes other collections for lists, too.
      if (typeof value === 'object' && value !== null && Symbol.iterator in value) throw undecided;
      return [coerce(value)];
    }
    const items: unknown[] = [];
    for (const item of value as unknown[]) items.push(coerce(item));
    return items;
  };
}

/** Compiled once for all operations. */
const objectCoercions = new WeakMap<GraphQLInputObjectType, Coercion>();

/** Compiles the type at its first value: it may contain itself. */
function coercionOfObject(type: GraphQLInputObjectType): Coercion {
  return (value) => {
    let coerce = objectCoercions.get(type);
    if (!coerce) objectCoercions.set(type, (coerce = compileObject(type)));
    return coerce(value);
  };
}

function compileObject(type: GraphQLInputObjectType): Coercion {
  const fields = Object.values(type.getFields()).map((field) => ({
    name: field.name,
    coerce: coercionOf(field.type),
    defaultValue: field.defaultValue,
    isRequired: isRequiredInputField(field),
  }));
  // eslint-disable-next-line auspex/own-names -- every object has a value of the names that are found
  if (fields.some(({ name }) => name in Object.prototype)) return undecide;
  const { isOneOf } = type;
  return (value) => {
    if (!isPlainObject(value)) throw undecided;
    const coerced: Values = {};
    let known = 0;
    for (const { name, coerce, defaultValue, isRequired } of fields) {
      // eslint-disable-next-line auspex/own-names -- a name of the schema that no plain object inherits
      const inside = value[name];
      if (inside !== undefined) {
        // eslint-disable-next-line auspex/own-names -- the same
        coerced[name] = coerce(inside);
        known += 1;
      } else if (defaultValue !== undefined) {
        // eslint-disable-next-line auspex/own-names -- the same
        coerced[name] = defaultValue;
      } else if (isRequired) throw undecided;
    }
    if (known !== countKeys(value) || (isOneOf && !hasOneValue(coerced))) throw undecided;
    return coerced;
  };
}

/** Without a list of the keys. A key that is inherited counts, too: graphql-js then decides. */
function countKeys(object: Readonly<Values>): number {
  let count = 0;
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- only their number matters
  for (const _key in object) count += 1;
  return count;
}

const isPlainObject = (value: unknown): value is Readonly<Values> => {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
};

function hasOneValue(object: Readonly<Values>): boolean {
  const [value, ...others] = Object.values(object);
  return value !== null && value !== undefined && others.length === 0;
}

/** Scalars of the specification have a check that is faster than their parser; a value that it does not accept is parsed. */
function compileLeaf(type: GraphQLLeafType): Coercion {
  const parse: Coercion = (value) => {
    const parsed: unknown = type.parseValue(value);
    return parsed === undefined ? undecide() : parsed;
  };
  switch (type) {
    case GraphQLInt:
      return (value) => (typeof value === 'number' && (value | 0) === value ? value : parse(value));
    case GraphQLFloat:
      return (value) => (typeof value === 'number' && Number.isFinite(value) ? value : parse(value));
    case GraphQLString:
    case GraphQLID:
      return (value) => (typeof value === 'string' ? value : parse(value));
    case GraphQLBoolean:
      return (value) => (typeof value === 'boolean' ? value : parse(value));
    default:
      return parse;
  }
}
