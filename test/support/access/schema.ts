import { readFileSync } from 'node:fs';
import {
  buildSchema,
  getNamedType,
  isInputObjectType,
  isEnumType,
  isInterfaceType,
  isListType,
  isNonNullType,
  isObjectType,
  isRequiredArgument,
  isRequiredInputField,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLObjectType,
} from 'graphql';

/** The committed schema, which `npm run drift` compares with the code. */
const schema = buildSchema(readFileSync(new URL('../../../schema/schema.graphql', import.meta.url), 'utf8'));

export type Field = GraphQLField<unknown, unknown>;

export interface RootField {
  /** `Query.employees`. */
  name: string;
  operation: 'query' | 'mutation' | 'subscription';
  field: Field;
}

export const rootFields: readonly RootField[] = (['query', 'mutation', 'subscription'] as const).flatMap(
  (operation) => {
    const type = {
      query: schema.getQueryType(),
      mutation: schema.getMutationType(),
      subscription: schema.getSubscriptionType(),
    }[operation];
    return Object.values(type?.getFields() ?? {}).map((field) => ({
      name: `${type?.name ?? ''}.${field.name}`,
      operation,
      field,
    }));
  },
);

/** An object type, and the fields that lead to it from objects with IDs or from a root field. */
export interface Route {
  type: GraphQLObjectType;
  /** Null: by `nodes`. */
  root: Field | null;
  /** The type with IDs where the path starts, or the type of the root field. */
  start: GraphQLObjectType;
  path: readonly string[];
}

const isNode = (type: GraphQLObjectType): boolean => type.getInterfaces().some(({ name }) => name === 'Node');

const objectTypeOf = ({ type }: Field): GraphQLObjectType | null => {
  const named = getNamedType(type);
  return isObjectType(named) ? named : null;
};

export const nodeTypes: readonly GraphQLObjectType[] = Object.values(schema.getTypeMap()).filter(
  (type): type is GraphQLObjectType => isObjectType(type) && isNode(type),
);

/** The shortest route to each type that a query can reach. */
export const routes: ReadonlyMap<string, Route> = (() => {
  const found = new Map<string, Route>();
  for (const type of nodeTypes) found.set(type.name, { type, root: null, start: type, path: [] });
  for (const { operation, field } of rootFields) {
    const type = objectTypeOf(field);
    if (operation === 'query' && type && !found.has(type.name))
      found.set(type.name, { type, root: field, start: type, path: [] });
  }
  // A map is visited with what is added meanwhile.
  for (const { type, ...route } of found.values()) {
    for (const field of Object.values(type.getFields())) {
      const next = objectTypeOf(field);
      if (next && !found.has(next.name) && !field.args.some(isRequiredArgument))
        found.set(next.name, { ...route, type: next, path: [...route.path, field.name] });
    }
  }
  return found;
})();

/** The smallest value that has the type, and that no resolver accepts: empty texts and malformed IDs. */
function invalidValue(type: GraphQLInputType): unknown {
  if (isNonNullType(type)) return invalidValue(type.ofType);
  if (isListType(type)) return [];
  if (isEnumType(type)) return type.getValues()[0]?.name;
  if (isInputObjectType(type))
    return Object.fromEntries(
      Object.values(type.getFields())
        .filter(isRequiredInputField)
        .map((field) => [field.name, invalidValue(field.type)]),
    );
  return leafValues.get(type.name) ?? '';
}

/** Values of the scalars of existing tables. They are valid, since the tests may create rows of these tables. */
export const tableLeaves: readonly (readonly [string, unknown])[] = [
  ['BigInt', '4'],
  ['Decimal', '4'],
  ['UUID', '00000000-0000-4000-8000-000000000004'],
  ['LocalDateTime', '2024-01-04T10:15:30'],
  ['LocalTime', '10:15:34'],
  ['Duration', 'P4D'],
  ['Base64', 'BAQE'],
  ['Bytes', 'BAQE'],
  ['JSON', { number: 4 }],
];

const leafValues = new Map<string, unknown>([
  ['Int', 0],
  ['Float', 0],
  ['SafeInt', 0],
  ['Boolean', false],
  ['Date', '2024-01-31'],
  ['DateTime', '2024-01-31T10:00:00Z'],
  ['Currency', 'EUR'],
  ['JSONObject', {}],
  ...tableLeaves,
]);

/** A valid value of a scalar. */
export const plausibleValue = (scalar: string): unknown =>
  new Map<string, unknown>([
    ...tableLeaves,
    ['Int', 4],
    ['Float', 4],
    ['Boolean', true],
    ['Date', '2024-01-04'],
    ['DateTime', '2024-01-04T10:15:30.000Z'],
  ]).get(scalar);

/** A call of a field with all arguments in variables. */
export interface Call {
  /** `$id: ID!` for each. */
  declared: string[];
  /** `employee(id: $id)`. */
  text: string;
  variables: Record<string, unknown>;
}

/** @param prefix of the variables, for several calls in one document */
export function callOf(field: Field, values: Record<string, unknown> = {}, prefix = ''): Call {
  const given = field.args.filter((arg) => isRequiredArgument(arg) || arg.name in values);
  const passed = given.map(({ name }) => `${name}: $${prefix}${name}`).join(', ');
  return {
    declared: given.map(({ name, type }) => `$${prefix}${name}: ${String(type)}`),
    text: passed === '' ? field.name : `${field.name}(${passed})`,
    variables: Object.fromEntries(
      given.map(({ name, type }) => [`${prefix}${name}`, name in values ? values[name] : invalidValue(type)]),
    ),
  };
}

/** The selection of a field whose value has to be something: nothing for a leaf. */
export function anySelection({ type }: Field): string {
  const named = getNamedType(type);
  return isObjectType(named) || isInterfaceType(named) ? ' { __typename }' : '';
}

/** Selects the IDs of an object and of the objects around it. */
export function idSelection(type: GraphQLObjectType, depth: number): string {
  const inner = Object.values(type.getFields()).flatMap((field) => {
    const next = objectTypeOf(field);
    if (!next || depth === 0 || field.args.some(isRequiredArgument)) return [];
    const first = field.args.some(({ name }) => name === 'first') ? '(first: 3)' : '';
    return [`${field.name}${first}${idSelection(next, depth - 1)}`];
  });
  const id = 'id' in type.getFields() ? 'id ' : '';
  return ` { __typename ${id}${inner.join(' ')} }`;
}

export const document = (operation: string, declared: readonly string[], selection: string): string =>
  `${operation}${declared.length > 0 ? ` (${declared.join(', ')})` : ''} { ${selection} }`;
