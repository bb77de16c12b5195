import type { GraphQLSchema } from 'graphql';
import type { Model, ModelProblems } from '../../../inference/predictor.js';
import { sharedFieldNames } from './fields.js';
import { queryNameOf, typeNameOf, whyIllegal } from './names.js';
import { classProbability, typedModel, type TypedField, type TypedModel } from './typed-model.js';

/** A name that a model brings into the schema, and what it is the name of. */
interface Claim {
  name: string;
  of: string;
  /** Claims of one name and the same `meaning` are one and the same type. */
  meaning: string;
}

/**
 * What keeps models from getting typed fields: names that GraphQL does not take, and names that meet. Where two models
 * meet, the later one in the list is told. All versions are looked at, since each may become the current one.
 * @param base the schema of the domains alone
 */
export function namingProblems(models: readonly Model[], base: GraphQLSchema): ModelProblems[] {
  const prefixes = new Map<string, string>();
  const claimed = new Map<string, { model: string; claim: Claim }>();
  return models.flatMap((model) => {
    const prefix = typeNameOf(model.name);
    const twin = prefixes.get(prefix);
    if (twin !== undefined) return told(model.name, [`the models ${twin} and ${model.name} both become ${prefix}; rename one of the folders`]);
    prefixes.set(prefix, model.name);

    const versions = model.versions.map((version) => typedModel(model, version));
    const claims = new Map(versions.flatMap(claimsOf).map((claim) => [claim.name, claim]));
    const problems = versions.flatMap((typed) => [...fieldProblems(typed, base), ...meetingTypes(claimsOf(typed))]);
    for (const claim of claims.values()) {
      const other = claimed.get(claim.name);
      if (isTaken(claim.name, base)) problems.push(`${claim.of} would be ${claim.name}, a name that the schema has already; rename it`);
      else if (other) problems.push(`${claim.of} and ${other.claim.of} would both be ${claim.name}; rename one`);
      else claimed.set(claim.name, { model: model.name, claim });
    }
    return told(model.name, problems);
  });
}

function told(model: string, problems: readonly string[]): ModelProblems[] {
  const different = [...new Set(problems)].map((problem) => `${model}/model.yaml: ${problem}`);
  return different.length > 0 ? [{ model, problems: different }] : [];
}

/** Problems of the fields, each within its own type. */
function fieldProblems(typed: TypedModel, base: GraphQLSchema): string[] {
  const taken = new Set(sharedFieldNames(base, typed));
  return [
    ...illegal('the model', typed.model, typeNameOf(typed.model)),
    ...[...typed.inputs.map(withKind('input')), ...typed.outputs.map(withKind('output'))].flatMap(({ kind, raw, name }) =>
      illegal(`the ${kind}`, raw, name),
    ),
    ...meetings('inputs', typed.inputs),
    ...meetings('outputs', typed.outputs),
    ...typed.outputs
      .filter(({ name }) => taken.has(name))
      .map(({ raw, name }) => `the output ${raw} becomes ${name}, which every prediction has already; rename it`),
  ];
}

const withKind =
  (kind: string) =>
  ({ raw, name }: TypedField) => ({ kind, raw, name });

function illegal(what: string, raw: string, name: string): string[] {
  const reason = whyIllegal(name);
  return reason === null ? [] : [`${what} ${JSON.stringify(raw)} ${reason}; rename it`];
}

function meetings(what: string, fields: readonly TypedField[]): string[] {
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

/** Types and root fields that the model brings. */
function claimsOf({ model, inputs, outputs }: TypedModel): Claim[] {
  const prefix = typeNameOf(model);
  const own = [queryNameOf(model), `${prefix}Input`, `${prefix}Prediction`].map((name) => ({ name, of: `the model ${model}`, meaning: name }));
  const enums = [...inputs, ...outputs].flatMap(({ type, raw, values }): Claim[] =>
    values ? [{ name: type, of: `the values of ${raw} of the model ${model}`, meaning: JSON.stringify(values) }] : [],
  );
  return [...own, ...enums];
}

/** Types of one model that meet; an input and an output with the same values share their enum. */
function meetingTypes(claims: readonly Claim[]): string[] {
  const first = new Map<string, Claim>();
  return claims.flatMap((claim) => {
    const other = first.get(claim.name);
    if (!other) first.set(claim.name, claim);
    return other && other.meaning !== claim.meaning ? [`${other.of} and ${claim.of} would both be ${claim.name}; rename one`] : [];
  });
}

/** Types are called otherwise than root fields are, by their first letter: one look finds both. */
const isTaken = (name: string, base: GraphQLSchema): boolean =>
  name === classProbability || base.getType(name) !== undefined || base.getQueryType()?.getFields()[name] !== undefined;
