import fc from 'fast-check';
import {
  GraphQLBoolean,
  GraphQLEnumType,
  GraphQLFloat,
  GraphQLID,
  GraphQLInt,
  GraphQLInterfaceType,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLScalarType,
  GraphQLSchema,
  GraphQLString,
  GraphQLUnionType,
  isAbstractType,
  isLeafType,
  isListType,
  isNonNullType,
  type GraphQLFieldConfig,
  type GraphQLFieldResolver,
  type GraphQLOutputType,
  type GraphQLResolveInfo,
} from 'graphql';
import { methodResolver } from '../../../src/graphql/execution/field-reader.js';

/** A field of a random type: its type with wrappers, its resolver, and whether it has arguments. */
interface RandomField {
  named: string;
  /** From the inside out; `!` for non-null, `[` for a list. */
  wrappers: string;
  /** `method` needs no info. */
  resolver: 'none' | 'method' | 'full';
  hasArgs: boolean;
}

/** Fields by type. A seed decides what each resolver returns. */
export interface RandomSchema {
  types: readonly (readonly RandomField[])[];
  seed: number;
}

const leafNames = ['String', 'Int', 'Float', 'Boolean', 'ID', 'Color', 'Odd'];
export const objectNames = ['Query', 'A', 'B', 'C'];
const abstractNames = ['Node', 'Any'];

const fieldArbitrary: fc.Arbitrary<RandomField> = fc.record({
  named: fc.constantFrom(...leafNames, ...objectNames.slice(1), ...objectNames.slice(1), ...abstractNames),
  wrappers: fc.constantFrom('', '', '', '!', '[', '[!', '![', '![!', '[[', '![![!'),
  resolver: fc.constantFrom('none', 'none', 'method', 'full'),
  hasArgs: fc.boolean(),
});

export const schemaArbitrary: fc.Arbitrary<RandomSchema> = fc.record({
  types: fc.array(fc.array(fieldArbitrary, { minLength: 3, maxLength: 5 }), {
    minLength: objectNames.length,
    maxLength: objectNames.length,
  }),
  seed: fc.nat(),
});

/** The name of a type's field. */
export const fieldName = (index: number): string => `f${index}`;

/** The calls of resolvers, for comparing what two executors call. */
export interface Calls {
  log: string[];
}

/** Builds the schema. Its resolvers return the same at the same position, whichever executor calls them. */
export function buildRandomSchema({ types, seed }: RandomSchema, calls: Calls = { log: [] }): GraphQLSchema {
  const color = new GraphQLEnumType({
    name: 'Color',
    values: { RED: { value: 1 }, BLUE: { value: 'blue' }, GREEN: {} },
  });
  const odd = new GraphQLScalarType({
    name: 'Odd',
    serialize: (value) => {
      if (value === 'throws') throw new Error('not odd');
      return value === 'nothing' ? null : { odd: value, at: new Date(0) };
    },
  });
  const node = new GraphQLInterfaceType({
    name: 'Node',
    fields: { id: { type: GraphQLID } },
    resolveType: (value: Made) => typeOf(value),
  });
  const byName = new Map<string, GraphQLOutputType>(
    [GraphQLString, GraphQLInt, GraphQLFloat, GraphQLBoolean, GraphQLID, color, odd, node].map((type) => [
      type.name,
      type,
    ]),
  );
  const objects = types.map(
    (fields, index) =>
      new GraphQLObjectType<Made>({
        name: objectNames[index] ?? '',
        interfaces: index === 0 ? [] : [node],
        ...(index === 3 ? { isTypeOf: (value: Made) => decide(value.h, 'isTypeOf', 12) !== 0 } : {}),
        fields: () =>
          Object.fromEntries([
            ['id', { type: GraphQLID, resolve: ({ h }: Made) => String(h % 1000) }],
            ...fields.map((field, at) => [fieldName(at), configOf(field, fieldName(at))]),
          ]),
      }),
  );
  for (const object of objects) byName.set(object.name, object);
  const any = new GraphQLUnionType({
    name: 'Any',
    types: objects.slice(1),
    resolveType: (value: Made) => typeOf(value),
  });
  byName.set('Any', any);

  function configOf(
    { named, wrappers, resolver, hasArgs }: RandomField,
    name: string,
  ): GraphQLFieldConfig<Made, unknown> {
    let type = byName.get(named) ?? GraphQLString;
    for (const wrapper of wrappers)
      type = wrapper === '!' ? (isNonNullType(type) ? type : new GraphQLNonNull(type)) : new GraphQLList(type);
    return {
      type,
      ...(hasArgs ? { args: { x: { type: GraphQLInt, defaultValue: 7 }, y: { type: GraphQLString } } } : {}),
      ...(resolver === 'method'
        ? {
            resolve: methodResolver((source) => {
              calls.log.push(name);
              const { h, schema: made } = source as unknown as Made;
              return produce(type, hash(h, name), made);
            }) as GraphQLFieldResolver<unknown, unknown>,
          }
        : {}),
      ...(resolver === 'full'
        ? {
            resolve: (source: Made, args: object, _context: unknown, info: GraphQLResolveInfo) => {
              calls.log.push(`${info.parentType.name}.${name}`);
              return produce(type, hash(source.h, name + JSON.stringify(args)), source.schema);
            },
          }
        : {}),
    };
  }
  const schema: GraphQLSchema = new GraphQLSchema({
    query: objects[0] ?? null,
    mutation: new GraphQLObjectType({ name: 'Mutation', fields: objects[0]?.toConfig().fields ?? {} }),
    types: [...objects, GraphQLInt, GraphQLString, GraphQLBoolean],
    assumeValid: true,
  });
  roots.set(schema, make(hash(seed, 'root'), schema, objectNames[0] ?? ''));
  return schema;
}

const roots = new WeakMap<GraphQLSchema, Made>();

export const rootOf = (schema: GraphQLSchema): unknown => roots.get(schema);

/** A value of an object type, and a hash that decides about its fields. */
interface Made {
  h: number;
  schema: GraphQLSchema;
  typeName: string;
}

function make(h: number, schema: GraphQLSchema, typeName: string): Made {
  const made: Made & Record<string, unknown> = { h, schema, typeName };
  const type = schema.getType(typeName);
  if (!(type instanceof GraphQLObjectType)) return made;
  for (const { name, type: fieldType, resolve } of Object.values(type.getFields())) {
    if (resolve) continue;
    const of = (): unknown => produce(fieldType, hash(h, name), schema);
    // A property, a method or a getter; computed when it is read, since types contain each other.
    if (decide(h, `kind ${name}`, 4) === 0) made[name] = (args: object) => (Object.keys(args).length > 1 ? null : of());
    else Object.defineProperty(made, name, { get: of, enumerable: true });
  }
  return made;
}

function typeOf(value: Made): string | undefined | Promise<string> {
  const kind = decide(value.h, 'resolveType', 30);
  if (kind === 0) return 'Missing';
  if (kind === 1) return 'Query';
  if (kind === 2) throw new Error('no type');
  if (kind === 3) return undefined;
  return kind < 8 ? later(value.typeName, kind - 4) : value.typeName;
}

/** What a resolver returns for a type: mostly a value, sometimes an error, null or a promise of either. */
function produce(type: GraphQLOutputType, h: number, schema: GraphQLSchema): unknown {
  const kind = decide(h, 'kind', 45);
  if (kind === 0) return null;
  if (kind === 1) return undefined;
  if (kind === 2) return new Error(`returned ${h % 100}`);
  if (kind === 3) throw new Error(`thrown ${h % 100}`);
  if (kind === 4) return rejected(new Error(`rejected ${h % 100}`), h % 3);
  if (kind === 5) throw `text ${h % 100}`; // eslint-disable-line @typescript-eslint/only-throw-error -- resolvers may throw anything
  if (kind < 15) return later(valueOf(type, h, schema), h % 4);
  return valueOf(type, h, schema);
}

function valueOf(type: GraphQLOutputType, h: number, schema: GraphQLSchema): unknown {
  if (isNonNullType(type)) return valueOf(type.ofType, h, schema);
  if (isListType(type)) {
    if (decide(h, 'no list', 20) === 0) return 'no list';
    const length = decide(h, 'length', 6);
    const items = Array.from({ length }, (_, index) => produceItem(type.ofType, hash(h, String(index)), schema));
    const kind = decide(h, 'iterable', 8);
    return kind === 0 ? new Set(items) : kind === 1 ? items.values() : items;
  }
  if (isLeafType(type)) return leaves[decide(h, 'leaf', leaves.length)];
  if (isAbstractType(type)) return make(h, schema, objectNames[1 + decide(h, 'type', 3)] ?? '');
  return make(h, schema, type.name);
}

/** An item cannot be thrown while the list is made. */
function produceItem(type: GraphQLOutputType, h: number, schema: GraphQLSchema): unknown {
  try {
    return produce(type, h, schema);
  } catch (error) {
    return rejected(error, 0);
  }
}

const leaves = [
  'text',
  '',
  'quote " \\ \n',
  '\ud800',
  'ü',
  1,
  0,
  -0,
  1.5,
  1e21,
  2 ** 31,
  NaN,
  Infinity,
  true,
  false,
  'blue',
  'GREEN',
  'throws',
  'nothing',
  'x'.repeat(70),
  { toString: () => 'object' },
  new Date(5),
];

async function later<Value>(value: Value, microtasks: number): Promise<Value> {
  for (let count = 0; count < microtasks; count++) await Promise.resolve();
  return value;
}

async function rejected(error: unknown, microtasks: number): Promise<never> {
  for (let count = 0; count < microtasks; count++) await Promise.resolve();
  throw error;
}

/** A deterministic number below the bound. */
const decide = (h: number, about: string, bound: number): number => hash(h, about) % bound;

/** FNV-1a. */
function hash(h: number, text: string): number {
  let result = (h ^ 2_166_136_261) >>> 0;
  for (let index = 0; index < text.length; index++)
    result = Math.imul(result ^ text.charCodeAt(index), 16_777_619) >>> 0;
  return (result ^ (result >>> 13)) >>> 0;
}
