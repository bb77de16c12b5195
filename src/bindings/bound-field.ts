import { isObjectType, type GraphQLSchema } from 'graphql';
import { ownValue } from '../errors/own-value.js';
import type { Feature, FeatureSource } from '../graphql/lineage/features.js';
import type {
  Binding,
  BindingInput,
  InputField,
  Model,
  ModelVersion,
  OutputField,
} from '../inference/serving/predictor.js';
import { typeNameOf } from '../typed-models/names.js';
import { featureKind, kindsFor, unitOf } from './feature-kinds.js';

/** A field of a type that a model computes. */
export interface BoundField {
  model: Model;
  binding: Binding;
  source: FeatureSource;
  /** The type of the field. */
  typeName: string;
  /** The output that is its value. */
  output: OutputField;
  /** What the output estimates; null if that is not declared. */
  target: Feature | null;
  inputs: readonly BoundInput[];
}

/** An input of a model with the feature that it comes from. */
export interface BoundInput {
  /** In the model. */
  name: string;
  feature: Feature;
  /** `yearsSince`: the full years since the date. */
  as: 'value' | 'yearsSince';
}

/** The values that models may use, by type. */
export type FeatureSources = ReadonlyMap<string, FeatureSource>;

export const sourcesByType = (sources: readonly FeatureSource[]): FeatureSources =>
  new Map(sources.map((source) => [source.type, source]));

/** The bound fields of a model, whose bindings have no problems. */
export const boundFieldsOf = (model: Model, sources: FeatureSources): BoundField[] =>
  model.bindings.flatMap((binding) => {
    const { field } = resolveBinding(model, model.current, binding, sources);
    return field ?? [];
  });

/**
 * Finds what keeps the bindings of a model from being fields: unknown types, features, inputs and outputs, types and units that do not
 * fit, and names that exist. Each served version is checked, since each may become current.
 * @param base the schema of the domains without models
 * @returns problems with file and line
 */
export function bindingProblemsOf(model: Model, base: GraphQLSchema, sources: FeatureSources): string[] {
  const problems = model.bindings.flatMap((binding) => [
    ...nameProblems(binding, base),
    ...model.versions.flatMap((version) => resolveBinding(model, version, binding, sources).problems),
  ]);
  return [...new Set(problems)];
}

/** The fields that a model would add: `Employee.expectedSalary`. */
export const boundNamesOf = (model: Model): { name: string; place: string }[] =>
  model.bindings.map(({ type, field, places }) => ({ name: `${type}.${field}`, place: places.field ?? '' }));

const typeNameOfField = ({ type, field }: Binding): string => `${type}${typeNameOf(field)}Prediction`;

function nameProblems(binding: Binding, base: GraphQLSchema): string[] {
  const { type, field, places } = binding;
  const existing = base.getType(type);
  const typeName = typeNameOfField(binding);
  const isTaken = isObjectType(existing) && Object.hasOwn(existing.getFields(), field);
  return [
    ...(isTaken ? [`${places.field}: field ${type}.${field} exists in the schema; choose another name`] : []),
    ...(base.getType(typeName)
      ? [`${places.field}: field would have the type ${typeName}, which exists; choose another name`]
      : []),
  ];
}

interface Resolved {
  field: BoundField | null;
  problems: string[];
}

function resolveBinding(model: Model, version: ModelVersion, binding: Binding, sources: FeatureSources): Resolved {
  const { places } = binding;
  const source = sources.get(binding.type);
  if (!source) {
    const known = [...sources.keys()].join(', ') || 'none';
    return {
      field: null,
      problems: [`${places.type}: type ${binding.type} has no features; types with features: ${known}`],
    };
  }
  const problems: string[] = [];
  const featureAt = (path: string, place: string | undefined): Feature | null => {
    const feature = source.features.get(path);
    if (!feature)
      problems.push(
        `${place}: ${path} is no feature of ${source.type}; its features: ${[...source.features.keys()].join(', ')}`,
      );
    return feature ?? null;
  };
  const inputs = Object.entries(binding.inputs).flatMap(([name, from]): BoundInput[] => {
    const place = ownValue(places, `inputs.${name}`);
    const feature = featureAt('feature' in from ? from.feature : from.yearsSince, place);
    const input = version.inputs.find((one) => one.name === name);
    if (!input) {
      const known = version.inputs.map((one) => one.name).join(', ');
      problems.push(`${place}: inputs.${name} is no input of version ${version.version}, which has ${known}`);
    }
    if (!feature || !input) return [];
    problems.push(...inputProblems(input, feature, from).map((problem) => `${place}: inputs.${name} ${problem}`));
    return [{ name, feature, as: 'feature' in from ? 'value' : 'yearsSince' }];
  });
  const missing = version.inputs.filter(({ name, required }) => required && !Object.hasOwn(binding.inputs, name));
  if (missing.length > 0)
    problems.push(
      `${places.field}: inputs lacks ${missing.map(({ name }) => name).join(', ')}, which version ${version.version} requires`,
    );
  const target = binding.target === undefined ? null : featureAt(binding.target, places.target);
  const output = version.outputs.find(({ name }) => name === binding.output);
  problems.push(
    ...outputProblems(output, version, binding, target).map(
      (problem) => `${places.output}: output ${binding.output} ${problem}`,
    ),
  );
  if (problems.length > 0 || !output) return { field: null, problems };
  return { field: { model, binding, source, typeName: typeNameOfField(binding), output, target, inputs }, problems };
}

function inputProblems(input: InputField, feature: Feature, from: BindingInput): string[] {
  const kind = featureKind(feature, 'yearsSince' in from);
  if (kind === null) return [`needs a date for yearsSince; ${feature.path} is ${feature.column.type}`];
  const problems: string[] = [];
  if (input.rowShape.length > 0 || input.media !== undefined)
    problems.push('is a list, a text or an image to encode; a feature is a single value');
  else if (!kindsFor(input).includes(kind))
    problems.push(`takes ${kindsFor(input).join(' or ')}; ${feature.path} is ${kind}`);
  if (input.required && feature.isNullable)
    problems.push(
      `is required, and ${feature.path} may be null; give the input required: false if the model accepts a missing value`,
    );
  const unit = unitOf(feature, 'yearsSince' in from);
  if (unit !== null && input.unit !== undefined && input.unit !== unit)
    problems.push(`has the unit ${input.unit}; ${feature.path} has ${unit}`);
  return problems;
}

function outputProblems(
  output: OutputField | undefined,
  { version, outputs }: ModelVersion,
  { target: path }: Binding,
  target: Feature | null,
): string[] {
  if (!output) return [`is no output of version ${version}, which has ${outputs.map(({ name }) => name).join(', ')}`];
  if (output.labels) return ['is a vector with labels; bind an output that is one value or a plain list'];
  if (!target) return [];
  const kind = featureKind(target, false);
  const isNumber = output.type === 'float' || output.type === 'integer';
  const fits = isNumber ? kind === 'integer' || kind === 'float' : kind === output.type;
  if (!fits || output.rowShape.length > 0)
    return [`is ${output.type}${output.rowShape.length > 0 ? ' in a list' : ''}; the target ${path} is ${kind}`];
  return target.unit !== null && output.unit !== undefined && output.unit !== target.unit
    ? [`has the unit ${output.unit}; the target ${path} has ${target.unit}`]
    : [];
}
