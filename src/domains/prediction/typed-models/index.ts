import type { SchemaExtension } from '../../../graphql/domain.js';
import type { Model, ModelVersion, Predictor } from '../../../inference/predictor.js';
import { BadUserInput, Conflict } from '../../../shared/errors.js';
import { mayPredict } from '../prediction.permissions.js';
import type { AskModel } from '../prediction.service.js';
import { typedField, type AskTyped } from './fields.js';
import { queryNameOf } from './names.js';
import { shapeOf, typedModel, type TypedModel } from './typed-model.js';

export { namingProblems } from './naming-problems.js';
export { SignatureContract } from './signature-contract.js';

/**
 * A root field for each model, with types made of its current version's signature: `predictCarPrice`. They follow the
 * models: a model that comes, goes, or gets other inputs or outputs changes the schema.
 */
export function typedModels(predictor: Pick<Predictor, 'models' | 'model' | 'onChange'>, ask: AskModel): SchemaExtension {
  const told = (): string => JSON.stringify(predictor.models().map((model) => typedModel(model)));
  const askTyped = (typed: TypedModel): AskTyped => {
    const shape = shapeOf(typed);
    return async ({ inputs, version }, context) => {
      const model = predictor.model(typed.model);
      const asked = model ? versionToAsk(model, shape, version ?? null) : (version ?? null);
      const rows = inputs.map((input) => asRow(typed, input));
      try {
        return await ask({ model: typed.model, version: asked, rows }, context);
      } catch (error) {
        throw inNamesOf(typed, error);
      }
    };
  };
  return {
    rule: mayPredict,
    queries: (base) =>
      Object.fromEntries(
        predictor.models().map((model) => {
          const typed = typedModel(model);
          return [queryNameOf(model.name), typedField(typed, base, askTyped(typed))];
        }),
      ),
    onChange(listener) {
      let before = told();
      return predictor.onChange(() => {
        const now = told();
        if (now === before) return;
        before = now;
        listener();
      });
    },
  };
}

/**
 * The version to ask, one of the shape that the field was made of; null where the predictor may choose,
 * since whatever it could choose has it.
 * @throws BadUserInput where the version that was asked for has not
 * @throws Conflict where none has any more: the models changed while the operation was under way
 */
function versionToAsk(model: Model, shape: string, asked: number | null): number | null {
  const fitting = model.versions.filter((version) => shapeOfVersion(model, version) === shape).map(({ version }) => version);
  if (asked !== null) {
    const isServed = model.versions.some(({ version }) => version === asked);
    if (isServed && !fitting.includes(asked)) {
      const message = `${asked} of ${model.name} has other inputs or outputs than ${queryNameOf(model.name)}; ask it by predict(model: ${JSON.stringify(model.name)}, version: ${asked})`;
      throw BadUserInput.ofFields([{ field: 'version', message }]);
    }
    return asked;
  }
  const candidates = [model.current.version, ...(model.canary?.stopped === null ? [model.canary.version] : [])];
  if (candidates.every((version) => fitting.includes(version))) return null;
  const stand = fitting.includes(model.current.version) ? model.current.version : fitting.at(-1);
  if (stand === undefined) throw new Conflict(`${model.name} has other inputs or outputs since a moment ago; read the schema again, then ask again.`);
  return stand;
}

/** Remembered: every call of a typed field compares it. */
const shapes = new WeakMap<ModelVersion, string>();

function shapeOfVersion(model: Model, version: ModelVersion): string {
  const shape = shapes.get(version) ?? shapeOf(typedModel(model, version));
  shapes.set(version, shape);
  return shape;
}

/** The row as the model names it. */
function asRow({ inputs }: TypedModel, input: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(inputs.filter(({ name }) => Object.hasOwn(input, name)).map(({ name, raw }) => [raw, input[name]]));
}

/** The error with the fields of rows as the caller wrote them; `pixels[3]` names an element. */
function inNamesOf({ inputs, outputs }: TypedModel, error: unknown): unknown {
  if (!(error instanceof BadUserInput)) return error;
  const names = new Map([...outputs, ...inputs].map(({ raw, name }) => [raw, name]));
  const renamed = (text: string): string => names.get(text) ?? text;
  return BadUserInput.ofFields(
    error.fields.map((problem) =>
      problem.row === undefined ? problem : { ...problem, field: problem.field.replace(/^[^[]*/, renamed), message: problem.message.replaceAll(/[^\s[;]+(?=\[\d)/g, renamed) },
    ),
  );
}
