import {
  GraphQLBoolean,
  GraphQLEnumType,
  GraphQLFloat,
  GraphQLInputObjectType,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLString,
  isInterfaceType,
  isObjectType,
  isScalarType,
  type GraphQLFieldConfig,
  type GraphQLFieldConfigMap,
  type GraphQLInputType,
  type GraphQLInterfaceType,
  type GraphQLNullableType,
  type GraphQLOutputType,
  type GraphQLSchema,
  type GraphQLType,
} from 'graphql';
import { GraphQLSafeInt } from 'graphql-scalars';
import type { Context } from '../../../graphql/context.js';
import type { PredictionRow } from '../prediction.types.js';
import { typeNameOf } from './names.js';
import { classProbability, sentences, type TypedField, type TypedModel } from './typed-model.js';

/** Answers a call of a typed field; the rows have the schema's names. */
export type AskTyped = (call: { inputs: Record<string, unknown>[]; version?: number | null }, context: Context) => Promise<PredictionRow[]>;

const scalars = { Int: GraphQLInt, SafeInt: GraphQLSafeInt, Float: GraphQLFloat, String: GraphQLString, Boolean: GraphQLBoolean };

const ClassProbability = new GraphQLObjectType({
  name: classProbability,
  description: 'One of the labels that a model knows, and how probable it is.',
  fields: {
    label: { type: new GraphQLNonNull(GraphQLString), description: 'The label, as the model names it.' },
    probability: { type: new GraphQLNonNull(GraphQLFloat), description: 'What the model gives for the label; the description of the output says what it means.' },
  },
});

/** The interface of all predictions, the typed ones among them. */
export function interfaceOf(base: GraphQLSchema): GraphQLInterfaceType {
  const type = base.getType('PredictionResult');
  if (!isInterfaceType(type)) throw new Error('The schema has no interface PredictionResult.');
  return type;
}

/**
 * The root field that asks a model: rows of its own input type, answers of its own type.
 * @param base the schema of the domains, whose types and resolvers the field shares
 */
export function typedField(typed: TypedModel, base: GraphQLSchema, ask: AskTyped): GraphQLFieldConfig<unknown, Context> {
  const { model, title, description } = typed;
  const prefix = typeNameOf(model);
  const enums = enumsOf(typed);
  const typeOf = (field: TypedField): GraphQLType => wrapped(enums.get(field.type) ?? scalarOf(field.type, base), field);

  const Input = new GraphQLInputObjectType({
    name: `${prefix}Input`,
    description: sentences([`A row for ${model}`, title]),
    fields: Object.fromEntries(
      typed.inputs.map((input) => [input.name, { type: typeOf(input) as GraphQLInputType, description: input.description }]),
    ),
  });
  const Prediction = new GraphQLObjectType<PredictionRow, Context>({
    name: `${prefix}Prediction`,
    description: sentences([`An answer of ${model} to one row`, title, description]),
    interfaces: [interfaceOf(base)],
    fields: { ...sharedFields(base, typed), ...Object.fromEntries(typed.outputs.map((output) => [output.name, outputField(output, typeOf(output))])) },
  });
  return {
    type: new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(Prediction))),
    description: sentences([
      `Asks ${model}`,
      title,
      'One answer per input, in the order of the inputs; recorded as those of `predict` are',
    ]),
    args: {
      inputs: { type: new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(Input))), description: 'Rows, 1 to 1000.' },
      version: {
        type: GraphQLInt,
        description: 'The version to ask; the current one if absent. One with other inputs or outputs is asked by `predict`.',
      },
    },
    extensions: { listSize: { lengthOf: 'inputs' } },
    resolve: (_source, call, context) => ask(call as Parameters<AskTyped>[0], context),
  };
}

/** The fields that every prediction of the model has beside its outputs: those of the interface, and what only money has. */
export function sharedFieldNames(base: GraphQLSchema, { hasMoney }: Pick<TypedModel, 'hasMoney'>): string[] {
  return [...Object.keys(interfaceOf(base).getFields()), ...(hasMoney ? ['outputIn'] : [])];
}

/** They are resolved as those of `Prediction` are. */
function sharedFields(base: GraphQLSchema, typed: TypedModel): GraphQLFieldConfigMap<PredictionRow, Context> {
  const type = base.getType('Prediction');
  if (!isObjectType(type)) throw new Error('The schema has no type Prediction.');
  const shared = new Set(sharedFieldNames(base, typed));
  return Object.fromEntries(Object.entries(type.toConfig().fields).filter(([name]) => shared.has(name)));
}

function outputField({ raw, labels, description }: TypedField, type: GraphQLType): GraphQLFieldConfig<PredictionRow, Context> {
  const config = { type: type as GraphQLOutputType, description };
  if (!labels) return { ...config, resolve: ({ output }) => output[raw] };
  return {
    ...config,
    extensions: { listSize: labels.length },
    // In the labels' own order: an object sorts keys that are numbers.
    resolve: ({ output }) => labels.map((label) => ({ label, probability: (output[raw] as Record<string, number>)[label] })),
  };
}

/** By name; an input and an output that have the same one share it. */
function enumsOf({ model, inputs, outputs }: TypedModel): Map<string, GraphQLEnumType> {
  const enums = new Map<string, GraphQLEnumType>();
  for (const { type, raw, values, isOpen } of [...inputs, ...outputs]) {
    if (!values || enums.has(type)) continue;
    const description = sentences([`The values of ${raw} that ${model} knows`, isOpen ? '`predict` takes other values as well' : '']);
    enums.set(type, new GraphQLEnumType({ name: type, description, values: Object.fromEntries(values.map((value) => [value, { description: `The value ${value} of ${raw}.` }])) }));
  }
  return enums;
}

/** A scalar that the schema has is taken from there: guarding a schema makes its types anew, and no two may share a name. */
function scalarOf(name: string, base: GraphQLSchema): GraphQLNullableType {
  if (name === classProbability) return ClassProbability;
  const known = base.getType(name);
  return isScalarType(known) ? known : scalars[name as keyof typeof scalars];
}

function wrapped(named: GraphQLNullableType, { depth, isNullable }: TypedField): GraphQLType {
  let type = named;
  for (let level = 0; level < depth; level += 1) type = new GraphQLList(new GraphQLNonNull(type));
  return isNullable ? type : new GraphQLNonNull(type);
}
