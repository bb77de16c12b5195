import { parse, type DocumentNode, type GraphQLResolveInfo, type GraphQLSchema } from 'graphql';
import { ownValue } from '../errors/own-value.js';
import type { Context } from '../graphql/context/context.js';
import { chained, isPromise } from '../graphql/execution/promises.js';
import { featureValue, type Feature, type FeatureSource } from '../graphql/lineage/features.js';
import type { LineageField } from '../graphql/lineage/lineage-guard.js';
import type { TypeExtension } from '../graphql/module.js';
import type { AddedField, AddedFields } from '../graphql/schema/added-fields.js';
import type { InputWarning, Model, ModelProblems, Predictor } from '../inference/serving/predictor.js';
import { followModels } from '../typed-models/follow-models.js';
import {
  bindingProblemsOf,
  boundFieldsOf,
  boundNamesOf,
  sourcesByType,
  type FeatureSources,
  type BoundField,
  type BoundInput,
} from './bound-field.js';
import { BoundPredictions, unlimited, type ComputedRowQuota, type FieldPredictor } from './bound-predictions.js';
import { sdlOf } from './bound-type.js';
import type { RowPrediction } from './recent-predictions.js';
import { modelValue, yearsSince } from './feature-kinds.js';

/**
 * Finds bindings that cannot be fields. Of two that claim the same field, the later one in the list is reported.
 * @param base the schema of the domains without models
 */
export function bindingProblems(
  models: readonly Model[],
  base: GraphQLSchema,
  features: readonly FeatureSource[],
): ModelProblems[] {
  const sources = sourcesByType(features);
  const claimed = new Map<string, string>();
  return models.flatMap((model) => {
    const problems = [...bindingProblemsOf(model, base, sources), ...untypedProblems(model)];
    for (const { name, place } of boundNamesOf(model)) {
      const other = claimed.get(name);
      if (other === undefined) claimed.set(name, model.name);
      else problems.push(`${place}: field ${name} is bound by ${other}, too; rename one`);
    }
    return problems.length > 0 ? [{ model: model.name, problems }] : [];
  });
}

/** The values of fields have the types of the typed field. */
const untypedProblems = ({ isTyped, bindings }: Model): string[] =>
  isTyped
    ? []
    : bindings.map(
        ({ places }) => `${places.type}: bind needs a typed field, which the names of the model do not allow`,
      );

/** The fields that the manifests of models bind to types of the schema. */
export function boundFields(
  predictor: FieldPredictor & Pick<Predictor, 'models'>,
  features: readonly FeatureSource[],
  quota: ComputedRowQuota = unlimited,
): TypeExtension {
  const sources = sourcesByType(features);
  const predictions = new BoundPredictions(predictor, quota);
  const current = (): BoundField[] => fieldsOf(predictor.models(), sources);
  const sdl = (): string => sdlOf(current());
  return {
    fields: () => addedFields(current(), predictions),
    onChange: (listener) => followModels(predictor, sdl, listener),
  };
}

/** The fields that models bind, as extensions of their types; null if there are none. */
export const boundTypes =
  (features: readonly FeatureSource[]) =>
  (models: readonly Model[]): DocumentNode | null =>
    documentOf(fieldsOf(models, sourcesByType(features)));

const fieldsOf = (models: readonly Model[], sources: FeatureSources): BoundField[] =>
  models.flatMap((model) => boundFieldsOf(model, sources));

const documentOf = (fields: readonly BoundField[]): DocumentNode | null =>
  fields.length === 0 ? null : parse(sdlOf(fields), { noLocation: true });

function addedFields(fields: readonly BoundField[], predictions: BoundPredictions): AddedFields | null {
  const sdl = documentOf(fields);
  return sdl && { sdl, fields: fields.map((field) => addedField(field, predictions)) };
}

function addedField(field: BoundField, predictions: BoundPredictions): AddedField {
  const { source, binding, inputs, target } = field;
  const features = [...new Set([...inputs.map(({ feature }) => feature), ...(target ? [target] : [])])];
  const relations = Map.groupBy(
    features.filter(({ relation }) => relation !== null),
    ({ relation }) => relation,
  );
  return {
    type: source.type,
    name: binding.field,
    lineage: features.flatMap((feature) => lineageOf(source, feature)),
    related: Object.fromEntries(
      [...relations].flatMap(([relation, ofRelation]) =>
        relation
          ? [[relation.name, { reads: relation.reads, properties: ofRelation.map(({ column }) => column.name) }]]
          : [],
      ),
    ),
    cacheHint: {
      inheritMaxAge: true,
      of: ['Model', ...[...relations.keys()].flatMap((relation) => relation?.type ?? [])],
    },
    model: field.model.name,
    resolve: resolverOf(field, predictions),
  };
}

/** The fields that a feature is the value of: one, or the field that leads to the other object and the one of that. */
function lineageOf({ type }: FeatureSource, { relation, column }: Feature): LineageField[] {
  if (relation === null) return [{ type, field: column.name }];
  return [
    { type, field: relation.name },
    { type: relation.type, field: column.name, objectOf: relation.read },
  ];
}

function resolverOf(
  { model: { name: model }, output, inputs }: BoundField,
  predictions: BoundPredictions,
): AddedField['resolve'] {
  const pathOf = new Map(inputs.map(({ name, feature }) => [name, feature.path]));
  const names = inputs.map(({ name }) => name);
  const show = (prediction: RowPrediction): BoundValue => new BoundValue(prediction, output.name, pathOf);
  const predict = (values: readonly unknown[], context: Context): BoundValue | Promise<BoundValue> =>
    chained(predictions.predict(model, names, values, context), show);
  return (row, context, info) => {
    const values = inputs.map((input) => inputOf(input, row, context, info));
    return values.some(isPromise)
      ? Promise.all(values).then((loaded) => predict(loaded, context))
      : predict(values, context);
  };
}

/** The value of an input for an object. A promise only if another object is loaded for it. */
const inputOf = (input: BoundInput, row: object, context: Context, info: GraphQLResolveInfo): unknown =>
  chained(featureValue(input.feature, row, context, info), (value) => inputValue(input, value));

function inputValue({ feature, as }: BoundInput, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  return as === 'yearsSince' ? yearsSince(value, new Date()) : modelValue(feature, value);
}

/** A prediction with the names of the schema. What few operations select is made when it is read. */
class BoundValue {
  readonly value: unknown;
  readonly version: number;
  readonly source: RowPrediction['source'];

  constructor(
    private readonly prediction: RowPrediction,
    output: string,
    private readonly pathOf: ReadonlyMap<string, string>,
  ) {
    this.value = ownValue(prediction.output, output);
    this.version = prediction.version;
    this.source = prediction.source;
  }

  get computedAt(): Date {
    return new Date(this.prediction.computedAtMs);
  }

  get warnings(): readonly InputWarning[] | null {
    const { warnings } = this.prediction;
    if (warnings === null || warnings.length === 0) return warnings;
    return warnings.map((warning) => warning.renamed(this.pathOf.get(warning.field) ?? warning.field));
  }
}
