import { BadUserInput, Conflict } from '../../errors/app-error.js';
import type { QueryExtension } from '../../graphql/module.js';
import type { Model, ModelVersion, Predictor } from '../../inference/serving/predictor.js';
import { followModels } from '../../typed-models/follow-models.js';
import { queryNameOf } from '../../typed-models/names.js';
import { typedField, type PredictTyped } from '../../typed-models/typed-field.js';
import { shapeOf, typedModel, type TypedModel } from '../../typed-models/typed-model.js';
import { canPredict } from './prediction.permissions.js';
import type { Predict } from './prediction.service.js';
import type { PredictionRow } from './prediction.types.js';

/**
 * A root field for each model, typed from the signature of its current version: `predictCarPrice`. The fields follow the
 * models: adding, removing or changing the signature of a model changes the schema.
 */
export function typedPredictions(
  predictor: Pick<Predictor, 'models' | 'model' | 'onChange'>,
  predict: Predict,
): QueryExtension {
  const signatures = (): string => JSON.stringify(typedOnly(predictor.models()).map((model) => typedModel(model)));
  const predictTyped = (typed: TypedModel): PredictTyped => {
    const shape = shapeOf(typed);
    const names = new Map(typed.inputs.map(({ raw, name }) => [raw, name]));
    return async ({ inputs, version: requested, onInvalid }, context) => {
      const model = predictor.model(typed.model);
      const version = model ? selectVersion(model, shape, requested ?? null) : (requested ?? null);
      try {
        const outcomes = await predict({ model: typed.model, version, rows: inputs, onInvalid }, context);
        return outcomes.map((outcome) => {
          if (outcome instanceof BadUserInput) return withFieldNames(typed, outcome);
          if (outcome) renameWarnings(outcome, names);
          return outcome;
        });
      } catch (error) {
        throw error instanceof BadUserInput ? withFieldNames(typed, error) : error;
      }
    };
  };
  return {
    rule: canPredict,
    queries: (base) =>
      Object.fromEntries(
        typedOnly(predictor.models()).map((model) => {
          const typed = typedModel(model);
          return [queryNameOf(model.name), typedField(typed, base, predictTyped(typed))];
        }),
      ),
    onChange: (listener) => followModels(predictor, signatures, listener),
  };
}

const typedOnly = (models: readonly Model[]): Model[] => models.filter(({ isTyped }) => isTyped);

/**
 * Selects a version whose signature matches the typed field. @returns null if the predictor may choose, since all its
 * candidates match
 * @throws BadUserInput if the requested version has another signature
 * @throws Conflict if no version matches any longer, because the models changed during the operation
 */
function selectVersion(model: Model, shape: string, requested: number | null): number | null {
  const matching = model.versions
    .filter((version) => shapeOfVersion(model, version) === shape)
    .map(({ version }) => version);
  if (requested !== null) {
    const isServed = model.versions.some(({ version }) => version === requested);
    if (isServed && !matching.includes(requested)) {
      const message = `${requested} of ${model.name} has other inputs or outputs than ${queryNameOf(model.name)}; use predict(model: ${JSON.stringify(model.name)}, version: ${requested})`;
      throw BadUserInput.ofFields([{ field: 'version', message }]);
    }
    return requested;
  }
  const candidates = [model.current.version, ...(model.canary?.stopped === null ? [model.canary.version] : [])];
  if (candidates.every((version) => matching.includes(version))) return null;
  const fallback = matching.includes(model.current.version) ? model.current.version : matching.at(-1);
  if (fallback === undefined)
    throw new Conflict(`The inputs or outputs of ${model.name} have just changed; read the schema again and retry.`);
  return fallback;
}

/** Memoized: every call of a typed field compares shapes. */
const shapes = new WeakMap<ModelVersion, string>();

function shapeOfVersion(model: Model, version: ModelVersion): string {
  const shape = shapes.get(version) ?? shapeOf(typedModel(model, version));
  shapes.set(version, shape);
  return shape;
}

/** Puts the names in the schema into the warnings of a prediction, in place: a copy of each row is a good part of its memory. */
function renameWarnings(outcome: PredictionRow, names: ReadonlyMap<string, string>): void {
  if (!outcome.warnings || outcome.warnings.length === 0) return;
  outcome.warnings = outcome.warnings.map((warning) => warning.renamed(names.get(warning.field) ?? warning.field));
}

/** Renames the fields in an error to the names in the schema, also in elements such as `pixels[3]`. */
function withFieldNames({ inputs, outputs }: TypedModel, error: BadUserInput): BadUserInput {
  const names = new Map([...outputs, ...inputs].map(({ raw, name }) => [raw, name]));
  const renamed = (text: string): string => names.get(text) ?? text;
  return BadUserInput.ofFields(
    error.fields.map((problem) =>
      problem.row === undefined
        ? problem
        : {
            ...problem,
            field: problem.field.replace(/^[^[]*/, renamed),
            message: problem.message.replaceAll(/([^\s[;]+)(\[\d)?/g, (whole, name: string, index?: string) =>
              index === undefined ? whole : `${renamed(name)}${index}`,
            ),
          },
    ),
    error.note,
  );
}
