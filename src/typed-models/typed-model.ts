import type { InputField, Model, ModelVersion, OutputField } from '../inference/serving/predictor.js';
import { moneyOutputs } from './money-outputs.js';
import { fieldNameOf, invalidReason, isValidEnumValue, typeNameOf } from './names.js';

/** A version of a model in terms of the schema: inputs and outputs of `predict<Model>`. */
export interface TypedModel {
  /** The name of the model's folder. */
  model: string;
  title: string;
  description: string;
  inputs: TypedField[];
  outputs: TypedField[];
  /** Whether an output is money; its predictions then have `outputIn`. */
  hasMoney: boolean;
}

/** An input or output as a field of the schema. */
export interface TypedField {
  /** The name in the schema: `kmDriven`. */
  name: string;
  /** The name in the manifest: `km_driven`. */
  raw: string;
  /** The name in the manifest as a second name of an input: a row may use either; null for outputs and invalid names. */
  alias: string | null;
  /** The name of the innermost type. */
  type: string;
  /** The enum values if `type` is an enum generated for this field. */
  values: string[] | null;
  /** Whether `predict` accepts values outside the enum. */
  isOpen: boolean;
  /** Number of lists around the type: 2 for `[[Float!]!]!`. */
  depth: number;
  isNullable: boolean;
  /** Whether the elements of the innermost list may be null. */
  hasNullableElements: boolean;
  /** The labels of a vector, in order; its type is `ClassProbability` if it holds floats. */
  labels: string[] | null;
  description: string;
}

/** The type of an output entry that pairs a label with its probability. */
export const classProbability = 'ClassProbability';

/** Values listed in a description. */
const maxListedValues = 50;

/** Describes a version of a model, by default the current one, in terms of the schema. */
export function typedModel(model: Model, version: ModelVersion = model.current): TypedModel {
  return {
    model: model.name,
    title: model.title,
    description: model.description ?? '',
    inputs: version.inputs.map((input) => typedInput(model.name, input, version)),
    outputs: version.outputs.map((output) => typedOutput(model.name, output)),
    hasMoney: moneyOutputs(version.outputs).length > 0,
  };
}

/** A comparable text of the signature: versions with equal shapes can serve the same typed field. */
export function shapeOf({ inputs, outputs, hasMoney }: TypedModel): string {
  const shapes = (fields: TypedField[]) =>
    fields.map(({ name, raw, type, values, depth, isNullable, hasNullableElements, labels }) => [
      name,
      raw,
      type,
      values,
      depth,
      isNullable,
      hasNullableElements,
      labels,
    ]);
  return JSON.stringify([shapes(inputs), shapes(outputs), hasMoney]);
}

function typedInput(model: string, input: InputField, version: ModelVersion): TypedField {
  const { isClosed, minimum = -Infinity, maximum = Infinity } = input;
  const values = enumValuesOf(input);
  const isInt =
    isSmallInteger(input.tensorType) || (isInt32(minimum) && isInt32(maximum)) || (isClosed && areInt32(input.values));
  return {
    ...typedField(model, input, values, isInt ? 'Int' : 'SafeInt'),
    ...(input.media === 'image' ? { type: 'Base64' } : {}),
    alias: aliasOf(input.name, version),
    isOpen: !isClosed,
    isNullable: !input.required,
    hasNullableElements: input.hasNullableElements === true,
    labels: null,
    description: sentences([
      input.description ?? `The input ${input.name}.`,
      unitText(input.unit),
      rangeText(input.minimum, input.maximum),
      values && !isClosed ? '`predict` accepts other values too.' : '',
      values ? '' : valuesText(isClosed ? 'One of' : 'Known values', input.values),
      shapeText(input.rowShape),
      input.hasNullableElements === true ? 'A missing value is null' : '',
      input.media === 'image' ? 'A JPEG or PNG file' : '',
      input.maxLength === undefined || input.media === 'image' ? '' : `At most ${input.maxLength} characters`,
    ]),
  };
}

function typedOutput(model: string, output: OutputField): TypedField {
  const listed = output.labels ? undefined : output.values;
  const values = output.labels ? null : enumValuesOf(output);
  const isInt = isSmallInteger(output.tensorType) || areInt32(listed);
  const field = typedField(model, output, values, isInt ? 'Int' : 'Int64');
  return {
    ...field,
    type: output.labels && output.type === 'float' ? classProbability : field.type,
    alias: null,
    isOpen: false,
    isNullable: false,
    hasNullableElements: false,
    labels: output.labels,
    description: sentences([
      output.description ?? `The output ${output.name}.`,
      unitText(output.unit),
      values ? '' : valuesText('Known values', listed),
      output.labels ? valuesText('In this order', output.labels) : shapeText(output.rowShape),
    ]),
  };
}

/** The name in the manifest, if the schema accepts it beside the name in camelCase. */
function aliasOf(raw: string, { inputs }: ModelVersion): string | null {
  if (raw === fieldNameOf(raw) || invalidReason(raw) !== null) return null;
  return inputs.some(({ name }) => fieldNameOf(name) === raw) ? null : raw;
}

function typedField(model: string, field: InputField | OutputField, values: string[] | null, integer: string) {
  const { name, type, rowShape } = field;
  const scalars = { float: 'Float', integer, string: 'String', boolean: 'Boolean' };
  return {
    name: fieldNameOf(name),
    raw: name,
    type: values ? typeNameOf(model, name) : scalars[type],
    values,
    depth: rowShape.length,
  };
}

/** The enum values; null if they are not valid enum names. */
function enumValuesOf({ type, values }: InputField | OutputField): string[] | null {
  return type === 'string' && values?.every(isValidEnumValue) ? values : null;
}

const isSmallInteger = (type: string): boolean => /^(?:u?int(?:8|16)|int32)$/.test(type);
const isInt32 = (value: number): boolean => value >= -(2 ** 31) && value < 2 ** 31;
const areInt32 = (values: readonly string[] | undefined): boolean =>
  values?.every((value) => isInt32(Number(value))) ?? false;

/** Joins non-empty parts, each ended with a full stop. */
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
  const rest = values.length - maxListedValues;
  return `${intro}: ${values.slice(0, maxListedValues).join(', ')}${rest > 0 ? `, and ${rest} more` : ''}`;
}

function shapeText(rowShape: readonly (number | null)[]): string {
  if (rowShape.length === 0) return '';
  const [innermost, ...outer] = rowShape.toReversed();
  const lists = outer.toReversed().map((size) => `${size ?? 'Any number of'} lists of `);
  return `${lists.join('')}${innermost ?? (lists.length > 0 ? 'any number of' : 'Any number of')} values`;
}
