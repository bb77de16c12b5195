import { ownValue } from '../errors/own-value.js';
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
  getNamedType,
  getNullableType,
  isEnumType,
  isInterfaceType,
  isObjectType,
  isScalarType,
  type GraphQLFieldConfig,
  type GraphQLFieldConfigMap,
  type GraphQLInputFieldConfig,
  type GraphQLInputType,
  type GraphQLInterfaceType,
  type GraphQLNamedType,
  type GraphQLNullableType,
  type GraphQLOutputType,
  type GraphQLSchema,
  type GraphQLType,
} from 'graphql';
import { GraphQLSafeInt } from 'graphql-scalars';
import { BadUserInput } from '../errors/app-error.js';
import { readBy } from '../graphql/execution/field-reader.js';
import { shortened } from '../errors/input-validation.js';
import type { OnInvalid } from '../inference/serving/predictor.js';
import type { Path } from 'graphql/jsutils/Path.js';
import type { Context } from '../graphql/context/context.js';
import { Base64 } from './base64.js';
import { Int64 } from './int64.js';
import { typeNameOf } from './names.js';
import { classProbability, sentences, type TypedField, type TypedModel } from './typed-model.js';

/** The part of a prediction that typed fields resolve; other fields use the resolvers of `Prediction`. */
interface TypedResult {
  /** By the names in the manifest. */
  output: Record<string, unknown>;
}

/**
 * Runs a typed field; inputs have the names in the schema or in the manifest.
 * @returns one result per input, in order; for an invalid row its error, or null
 */
export type PredictTyped = (
  call: { inputs: Record<string, unknown>[]; version?: number | null; onInvalid: OnInvalid },
  context: Context,
) => Promise<(TypedResult | Error | null)[]>;

const scalars = {
  Int: GraphQLInt,
  SafeInt: GraphQLSafeInt,
  Int64,
  Base64,
  Float: GraphQLFloat,
  String: GraphQLString,
  Boolean: GraphQLBoolean,
};

const ClassProbability = new GraphQLObjectType({
  name: classProbability,
  description: 'A label of a model with its probability.',
  fields: {
    label: { type: new GraphQLNonNull(GraphQLString), description: 'The label in the model.' },
    probability: {
      type: new GraphQLNonNull(GraphQLFloat),
      description: 'The score of the label; see the description of the output.',
    },
  },
});

/** The interface of all predictions. */
function interfaceOf(base: GraphQLSchema): GraphQLInterfaceType {
  const type = base.getType('PredictionResult');
  if (!isInterfaceType(type)) throw new Error('The schema has no interface PredictionResult.');
  return type;
}

/**
 * Builds the root field of a model, with its input type, result type and enums.
 * @param base the schema of the domains, whose types and resolvers the field uses
 */
export function typedField(
  typed: TypedModel,
  base: GraphQLSchema,
  predict: PredictTyped,
): GraphQLFieldConfig<unknown, Context> {
  const { model, title, description } = typed;
  const prefix = typeNameOf(model);
  const enums = enumsOf(typed);
  const typeOf = (field: TypedField): GraphQLType =>
    wrapped(enums.get(field.type) ?? scalarOf(field.type, base), field);

  const Input = new GraphQLInputObjectType({
    name: `${prefix}Input`,
    description: sentences([`An input row of ${model}`, title]),
    fields: Object.fromEntries(typed.inputs.flatMap((input) => inputFields(input, typeOf(input) as GraphQLInputType))),
  });
  const Prediction = new GraphQLObjectType<TypedResult, Context>({
    name: `${prefix}Prediction`,
    description: sentences([`The result of ${model} for one row`, title, description]),
    interfaces: [interfaceOf(base)],
    fields: {
      ...sharedFields(base, typed),
      ...Object.fromEntries(typed.outputs.map((output) => [output.name, outputField(output, typeOf(output))])),
    },
  });
  return {
    type: new GraphQLNonNull(new GraphQLList(Prediction)),
    description: sentences([
      `Runs ${model}`,
      title,
      'One prediction per input, in the order of the inputs; recorded like those of `predict`',
      'Null for an invalid row with `onInvalid: NULL`, and for one whose selected output has an undeclared value',
    ]),
    args: {
      inputs: { type: new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(Input))), description: 'Rows, 1 to 1000.' },
      version: {
        type: GraphQLInt,
        description:
          'The version to run; the current one if absent. Versions with other inputs or outputs are available through `predict`.',
      },
      onInvalid: {
        type: new GraphQLNonNull(onInvalidOf(base)),
        defaultValue: 'FAIL' satisfies OnInvalid,
        description: 'What an invalid row does to the other rows.',
      },
    },
    extensions: { listSize: { lengthOf: 'inputs', model } },
    resolve: (_source, call, context) => predict(call as Parameters<PredictTyped>[0], context),
  };
}

function onInvalidOf(base: GraphQLSchema): GraphQLEnumType {
  const type = base.getType('OnInvalid');
  if (!isEnumType(type)) throw new Error('The schema has no enum OnInvalid.');
  return type;
}

/** The fields of an input: one, or one per spelling. Then neither can be required by its type, so `predict` checks it. */
function inputFields(
  { name, alias, description, isNullable }: TypedField,
  type: GraphQLInputType,
): [string, GraphQLInputFieldConfig][] {
  if (alias === null) return [[name, { type, description }]];
  const nullable = getNullableType(type);
  const required = isNullable ? '' : `Required, unless ${alias} is given`;
  return [
    [name, { type: nullable, description: sentences([description, required]) }],
    [alias, { type: nullable, description: `The same as ${name}, in the spelling of \`predict\`; send one of them.` }],
  ];
}

/** Names of the fields besides the outputs: those of the interface, and `outputIn` if an output is money. */
function sharedFieldNames(base: GraphQLSchema, { hasMoney }: Pick<TypedModel, 'hasMoney'>): string[] {
  return [...Object.keys(interfaceOf(base).getFields()), ...(hasMoney ? ['outputIn'] : [])];
}

/** Names that outputs must not have: clients identify objects by `id`, and a typed prediction is part of a recorded one. */
export const reservedFieldNames = (base: GraphQLSchema, typed: Pick<TypedModel, 'hasMoney'>): string[] => [
  'id',
  'predictionId',
  ...sharedFieldNames(base, typed),
];

/** These fields use the resolvers of `Prediction`. */
function sharedFields(base: GraphQLSchema, typed: TypedModel): GraphQLFieldConfigMap<TypedResult, Context> {
  const type = base.getType('Prediction');
  if (!isObjectType(type)) throw new Error('The schema has no type Prediction.');
  const shared = new Set(sharedFieldNames(base, typed));
  const { fields } = type.toConfig();
  if (!fields.id) throw new Error('Prediction has no id.');
  return {
    predictionId: { ...fields.id, description: 'ID of the recorded Prediction, for `prediction` and `node`.' },
    ...Object.fromEntries(Object.entries(fields).filter(([name]) => shared.has(name))),
  };
}

/** Labels that cost as much as one object with resolvers: a response may hold the probabilities of 1000 rows. */
const labelsPerObject = 10;

function outputField(output: TypedField, type: GraphQLType): GraphQLFieldConfig<TypedResult, Context> {
  const { raw, labels, description } = output;
  const config = { type: type as GraphQLOutputType, description };
  if (labels && output.type === classProbability)
    return {
      ...config,
      extensions: { listSize: Math.ceil(labels.length / labelsPerObject) },
      resolve: ({ output: values }) =>
        inOrder(labels, ownValue(values, raw)).map((probability, index) => ({ label: labels[index], probability })),
    };
  const isDeclared = declaredBy(getNamedType(config.type));
  const resolve: GraphQLFieldConfig<TypedResult, Context>['resolve'] = (
    { output: values },
    _args,
    _context,
    { path },
  ) => {
    const value = labels ? inOrder(labels, ownValue(values, raw)) : ownValue(values, raw);
    const undeclared = isDeclared && [value].flat(Infinity).find((element) => !isDeclared(element));
    if (undeclared == null) return value;
    const message = `is ${shortened(JSON.stringify(undeclared))}, which the model does not declare; read it with predict, or report it to the owner of the model`;
    throw BadUserInput.ofFields([{ ...rowOf(path), field: output.name, message }]);
  };
  if (labels) return { ...config, resolve };
  return { ...config, resolve: readBy(resolve, ({ output: values }: TypedResult) => ownValue(values, raw)) };
}

/** The values of a labelled vector in the order of its labels: an object sorts numeric keys. */
const inOrder = (labels: readonly string[], values: unknown): unknown[] =>
  labels.map((label) => ownValue(values as Record<string, unknown>, label));

/** Whether a type can represent a value: a model may return others than its manifest declares. Null if it can represent all. */
function declaredBy(type: GraphQLNamedType): ((value: unknown) => boolean) | null {
  if (isEnumType(type)) return (value) => type.getValue(String(value)) !== undefined;
  return type.name === GraphQLInt.name ? (value) => typeof value === 'number' && value === (value | 0) : null;
}

const rowOf = ({ prev }: Path): { row?: number } => (typeof prev?.key === 'number' ? { row: prev.key } : {});

/** Enums by name; an input and an output with the same name share one. */
function enumsOf({ model, inputs, outputs }: TypedModel): Map<string, GraphQLEnumType> {
  const enums = new Map<string, GraphQLEnumType>();
  for (const { type, raw, values, isOpen } of [...inputs, ...outputs]) {
    if (!values || enums.has(type)) continue;
    const description = sentences([
      `Known values of ${raw} of ${model}`,
      isOpen ? '`predict` accepts other values too' : '',
    ]);
    enums.set(
      type,
      new GraphQLEnumType({
        name: type,
        description,
        values: Object.fromEntries(values.map((value) => [value, { description: `The value ${value} of ${raw}.` }])),
      }),
    );
  }
  return enums;
}

/** Uses the scalar of the schema if it has one: the guarded schema has copies of its types, and names must be unique. */
function scalarOf(name: string, base: GraphQLSchema): GraphQLNullableType {
  if (name === classProbability) return ClassProbability;
  const known = base.getType(name);
  return isScalarType(known) ? known : scalars[name as keyof typeof scalars];
}

function wrapped(named: GraphQLNullableType, { depth, isNullable, hasNullableElements }: TypedField): GraphQLType {
  let type = named;
  for (let level = 0; level < depth; level += 1)
    type = new GraphQLList(level === 0 && hasNullableElements ? type : new GraphQLNonNull(type));
  return isNullable ? type : new GraphQLNonNull(type);
}
