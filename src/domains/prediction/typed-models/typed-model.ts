import type { InputField, Model, ModelVersion, OutputField } from '../../../inference/predictor.js';
import { moneyOutputs } from '../prediction.money.js';
import { fieldNameOf, isLegalEnumValue, typeNameOf } from './names.js';

/** A version of a model as the schema tells it: what `predict<Model>` takes and gives. */
export interface TypedModel {
  /** The model's name in the store. */
  model: string;
  title: string;
  description: string;
  inputs: TypedField[];
  outputs: TypedField[];
  /** Whether an output is money, so that its predictions have `outputIn`. */
  hasMoney: boolean;
}

/** An input or output as a field of the schema. */
export interface TypedField {
  /** The name in the schema: `kmDriven`. */
  name: string;
  /** The name in the model's rows: `km_driven`. */
  raw: string;
  /** The name of the type, inside of all lists. */
  type: string;
  /** The values, where `type` is an enum of this field's own. */
  values: string[] | null;
  /** Whether `predict` takes values that the enum lacks. */
  isOpen: boolean;
  /** Lists around the type: 2 for `[[Float!]!]!`. */
  depth: number;
  isNullable: boolean;
  /** The labels, where the value is a list of `ClassProbability`. */
  labels: string[] | null;
  description: string;
}

/** One entry of an output that has a number for each of its labels. */
export const classProbability = 'ClassProbability';

/** Values told in a description. */
const maxToldValues = 50;

/** The model as the schema tells it, by its current version or by another one. */
export function typedModel(model: Model, version: ModelVersion = model.current): TypedModel {
  return {
    model: model.name,
    title: model.title,
    description: model.description ?? '',
    inputs: version.inputs.map((input) => typedInput(model.name, input)),
    outputs: version.outputs.map((output) => typedOutput(model.name, output)),
    hasMoney: moneyOutputs(version.outputs).length > 0,
  };
}

/** What two versions must share so that one can be asked by the fields of the other. */
export function shapeOf({ inputs, outputs, hasMoney }: TypedModel): string {
  const shapes = (fields: TypedField[]) =>
    fields.map(({ name, raw, type, values, depth, isNullable, labels }) => [name, raw, type, values, depth, isNullable, labels]);
  return JSON.stringify([shapes(inputs), shapes(outputs), hasMoney]);
}

function typedInput(model: string, input: InputField): TypedField {
  const { isClosed, minimum = -Infinity, maximum = Infinity } = input;
  const values = enumValuesOf(input);
  const isInt = input.tensorType === 'int32' || (isInt32(minimum) && isInt32(maximum)) || (isClosed && areInt32(input.values));
  return {
    ...typedField(model, input, values, isInt),
    isOpen: !isClosed,
    isNullable: !input.required,
    labels: null,
    description: sentences([
      input.description ?? `The input ${input.name}.`,
      unitText(input.unit),
      rangeText(input.minimum, input.maximum),
      values && !isClosed ? '`predict` takes other values as well.' : '',
      values ? '' : valuesText(isClosed ? 'One of' : 'Known values', input.values),
      shapeText(input.rowShape),
    ]),
  };
}

function typedOutput(model: string, output: OutputField): TypedField {
  const labels = output.type === 'float' ? output.labels : null;
  const told = output.labels ? undefined : output.values;
  const values = output.labels ? null : enumValuesOf(output);
  const field = typedField(model, output, values, output.tensorType === 'int32' || areInt32(told));
  return {
    ...field,
    type: labels ? classProbability : field.type,
    isOpen: false,
    isNullable: false,
    labels,
    description: sentences([
      output.description ?? `The output ${output.name}.`,
      unitText(output.unit),
      values ? '' : valuesText('Known values', told),
      output.labels ? valuesText('In this order', output.labels) : shapeText(output.rowShape),
    ]),
  };
}

function typedField(model: string, field: InputField | OutputField, values: string[] | null, isInt: boolean) {
  const { name, type, rowShape } = field;
  const scalars = { float: 'Float', integer: isInt ? 'Int' : 'SafeInt', string: 'String', boolean: 'Boolean' };
  return { name: fieldNameOf(name), raw: name, type: values ? typeNameOf(model, name) : scalars[type], values, depth: rowShape.length };
}

/** The values as an enum has them; null where they cannot be one. */
function enumValuesOf({ type, values }: InputField | OutputField): string[] | null {
  return type === 'string' && values?.every(isLegalEnumValue) ? values : null;
}

const isInt32 = (value: number): boolean => value >= -(2 ** 31) && value < 2 ** 31;
const areInt32 = (values: readonly string[] | undefined): boolean => values?.every((value) => isInt32(Number(value))) ?? false;

// ---------------------------------------------------------------- words

/** Joins what is there, each with a full stop. */
export const sentences = (parts: readonly string[]): string =>
  parts
    .map((part) => part.trim())
    .filter(Boolean)
    .map((part) => (/[.!?]$/.test(part) ? part : `${part}.`))
    .join(' ');

const unitText = (unit: string | undefined): string => (unit === undefined ? '' : `Unit: ${unit}`);

function rangeText(minimum: number | undefined, maximum: number | undefined): string {
  if (minimum !== undefined && maximum !== undefined) return `From ${minimum} to ${maximum}`;
  if (minimum !== undefined) return `${minimum} or more`;
  return maximum === undefined ? '' : `${maximum} or less`;
}

function valuesText(intro: string, values: readonly string[] | undefined): string {
  if (!values) return '';
  const rest = values.length - maxToldValues;
  return `${intro}: ${values.slice(0, maxToldValues).join(', ')}${rest > 0 ? `, and ${rest} more` : ''}`;
}

function shapeText(rowShape: readonly (number | null)[]): string {
  if (rowShape.length === 0) return '';
  const [innermost, ...outer] = rowShape.toReversed();
  const lists = outer.toReversed().map((size) => `${size ?? 'Any number of'} lists of `);
  return `${lists.join('')}${innermost ?? (lists.length > 0 ? 'any number of' : 'Any number of')} values`;
}
