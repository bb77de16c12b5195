import type { GraphQLSchema } from 'graphql';
import type { Model, ModelProblems } from '../inference/serving/predictor.js';
import { reservedFieldNames } from './typed-field.js';
import { queryNameOf, typeNameOf, invalidReason } from './names.js';
import { classProbability, typedModel, type TypedField, type TypedModel } from './typed-model.js';

/** A name that a model adds to the schema. */
interface Claim {
  name: string;
  /** The named part of the model, for messages. */
  of: string;
  /** Claims with equal name and meaning are the same type. */
  meaning: string;
}

/**
 * Finds names that keep a model from having a typed field: invalid GraphQL names, and collisions within the model or with the
 * schema. Such a model is served by `predict` alone. All versions are checked, since each may become current.
 * @param base the schema of the domains without models
 */
export function typingProblems(model: Model, base: GraphQLSchema): string[] {
  const versions = model.versions.map((version) => typedModel(model, version));
  const problems = versions.flatMap((typed) => [...fieldProblems(typed, base), ...typeCollisions(claimsOf(typed))]);
  const taken = versions
    .flatMap(claimsOf)
    .filter(({ name }) => isTaken(name, base))
    .map(({ of, name }) => `${of} would be ${name}, which already exists in the schema; rename it`);
  return inManifest(model.name, [...problems, ...taken]);
}

/**
 * Finds models whose typed fields would collide. Of two colliding models the later one in the list is reported.
 * @param base the schema of the domains without models
 */
export function namingProblems(models: readonly Model[], base: GraphQLSchema): ModelProblems[] {
  const prefixes = new Map<string, string>();
  const claimed = new Map<string, { model: string; claim: Claim }>();
  return models.flatMap((model) => {
    if (typingProblems(model, base).length > 0) return [];
    const prefix = typeNameOf(model.name);
    const twin = prefixes.get(prefix);
    if (twin !== undefined)
      return reported(model.name, [
        `the models ${twin} and ${model.name} both become ${prefix}; rename one of the folders`,
      ]);
    prefixes.set(prefix, model.name);

    const problems: string[] = [];
    const versions = model.versions.map((version) => typedModel(model, version));
    const claims = new Map(versions.flatMap(claimsOf).map((claim) => [claim.name, claim]));
    for (const claim of claims.values()) {
      const other = claimed.get(claim.name);
      if (other) problems.push(`${claim.of} and ${other.claim.of} would both be ${claim.name}; rename one`);
      else claimed.set(claim.name, { model: model.name, claim });
    }
    return reported(model.name, problems);
  });
}

function reported(model: string, problems: readonly string[]): ModelProblems[] {
  return problems.length > 0 ? [{ model, problems: inManifest(model, problems) }] : [];
}

/** Distinct problems with their file. */
function inManifest(model: string, problems: readonly string[]): string[] {
  return [...new Set(problems)].map((problem) => `${model}/model.yaml: ${problem}`);
}

/** Problems of fields within their types. */
function fieldProblems(typed: TypedModel, base: GraphQLSchema): string[] {
  const taken = new Set(reservedFieldNames(base, typed));
  return [
    ...invalidName('the model', typed.model, typeNameOf(typed.model)),
    ...[...typed.inputs.map(withKind('input')), ...typed.outputs.map(withKind('output'))].flatMap(
      ({ kind, raw, name }) => invalidName(`the ${kind}`, raw, name),
    ),
    ...fieldCollisions('inputs', typed.inputs),
    ...fieldCollisions('outputs', typed.outputs),
    ...typed.outputs
      .filter(({ name }) => taken.has(name))
      .map(({ raw, name }) => `the output ${raw} becomes ${name}, which every prediction already has; rename it`),
  ];
}

const withKind =
  (kind: string) =>
  ({ raw, name }: TypedField) => ({ kind, raw, name });

function invalidName(what: string, raw: string, name: string): string[] {
  const reason = invalidReason(name);
  return reason === null ? [] : [`${what} ${JSON.stringify(raw)} ${reason}; rename it`];
}

function fieldCollisions(what: string, fields: readonly TypedField[]): string[] {
  const first = new Map<string, string>();
  return fields.flatMap(({ name, raw }) => {
    const other = first.get(name);
    if (other === undefined) {
      first.set(name, raw);
      return [];
    }
    return [`the ${what} ${other} and ${raw} both become ${name}; rename one`];
  });
}

/** Types and root fields of the model. */
function claimsOf({ model, inputs, outputs }: TypedModel): Claim[] {
  const prefix = typeNameOf(model);
  const own = [queryNameOf(model), `${prefix}Input`, `${prefix}Prediction`].map((name) => ({
    name,
    of: `the model ${model}`,
    meaning: name,
  }));
  const enums = [...inputs, ...outputs].flatMap(({ type, raw, values }): Claim[] =>
    values ? [{ name: type, of: `the values of ${raw} of the model ${model}`, meaning: JSON.stringify(values) }] : [],
  );
  return [...own, ...enums];
}

/** Colliding types of one model; an input and an output with the same values share their enum. */
function typeCollisions(claims: readonly Claim[]): string[] {
  const first = new Map<string, Claim>();
  return claims.flatMap((claim) => {
    const other = first.get(claim.name);
    if (!other) first.set(claim.name, claim);
    return other && other.meaning !== claim.meaning
      ? [`${other.of} and ${claim.of} would both be ${claim.name}; rename one`]
      : [];
  });
}

/** Types start with a capital and root fields do not, so one check covers both. */
const isTaken = (name: string, base: GraphQLSchema): boolean =>
  name === classProbability || base.getType(name) !== undefined || base.getQueryType()?.getFields()[name] !== undefined;
