import { Canary, type CanaryState } from '../rollout/canary.js';
import { Shadow } from '../rollout/shadow.js';
import { ModelRepositoryError, type StoredModel } from '../repository/model-repository.js';
import type { Signature } from '../signature/types.js';
import type { Deployment, Model } from './model.js';
import type { VersionRuntime } from './version-runtime.js';

/** A served model. Immutable: it is replaced as a whole, so pending calls finish with the old one. */
export interface ServedModel {
  stored: StoredModel;
  versions: ReadonlyMap<number, VersionRuntime>;
  current: VersionRuntime;
  canary: Canary | null;
  shadow: Shadow | null;
  view: Model;
}

/** What the roles of the versions of a model depend on. */
export interface RoleInputs {
  stored: StoredModel;
  versions: ReadonlyMap<number, VersionRuntime>;
  /** Canaries and shadows keep their record across reloads. */
  before: ServedModel | undefined;
  deployment: Deployment | undefined;
  problemsOfFolder: readonly string[];
  /** Finds names of a model that allow no typed field. */
  typingProblems: (model: Model) => readonly string[];
}

/**
 * Assigns the roles of a model from its manifest and deployment.
 * @throws ModelRepositoryError if there is no version
 */
export function assignRoles(inputs: RoleInputs): ServedModel {
  const { stored, versions, before, deployment, typingProblems } = inputs;
  const { name, manifest } = stored;
  const problems = [...inputs.problemsOfFolder];
  const promoted = deployment?.version ?? null;
  const current =
    versions.get(promoted ?? stored.current) ??
    versions.get(stored.current) ??
    fallback(stored.current, versions, before);
  if (!current) throw new ModelRepositoryError([`${name} has no version ${stored.current}`]);
  const serving = current.version.version;
  if (promoted !== null && serving !== promoted)
    problems.push(`${name}: version ${promoted} was promoted and is no longer served; ${serving} serves`);
  if (!versions.has(stored.current) && serving !== promoted)
    problems.push(`${name}: version ${stored.current} cannot be served; ${serving} serves in its place`);

  const candidate = (role: 'canary' | 'shadow'): VersionRuntime | null => {
    const version = versions.get(manifest[role]?.version ?? 0);
    if (!version || version === current) return null;
    if (haveSameShape(version.signature, current.signature)) return version;
    problems.push(
      `${name}: ${role} ${version.version.version} has other inputs or outputs than ${current.version.version}, which serves; it is not used`,
    );
    return null;
  };
  const canary = canaryOf(
    { version: candidate('canary'), current },
    manifest.canary,
    deployment,
    before?.canary ?? null,
  );
  const shadow = shadowOf({ version: candidate('shadow'), current }, manifest.shadow, before?.shadow ?? null);
  const { title, description } = manifest;
  const view: Model = {
    name,
    title,
    ...(description === undefined ? {} : { description }),
    versions: [...versions.values()].map(({ version }) => version),
    current: current.version,
    manifestVersion: stored.current,
    get canary() {
      return canary && viewOf(canary);
    },
    get shadow() {
      return shadow?.view ?? null;
    },
    history: manifest.history,
    bindings: manifest.bind,
    isTyped: true,
    get problems() {
      return [...problems, ...[...versions.values()].flatMap(openBreakers)];
    },
    overrides: serving === promoted ? overridesOf(stored, serving) : [],
  };
  const untypable = typingProblems(view);
  view.isTyped = untypable.length === 0;
  problems.push(...untypable.map((problem) => `${problem}; until then only predict serves this model`));
  return { stored, versions, current, canary, shadow, view };
}

function openBreakers({ model, version: { version }, breaker }: VersionRuntime): string[] {
  return breaker.isOpen
    ? [
        `${model}: version ${version} fails on every row, also on one that it is known to run; calls fail at once until it works again`,
      ]
    : [];
}

/** The version in place of one that cannot be served: the one that served before, or the next lower one, or the highest. */
function fallback(
  missing: number,
  versions: ReadonlyMap<number, VersionRuntime>,
  before: ServedModel | undefined,
): VersionRuntime | undefined {
  const numbers = [...versions.keys()];
  const lower = numbers.filter((version) => version < missing);
  const next = lower.length > 0 ? Math.max(...lower) : Math.max(...numbers);
  return versions.get(before?.current.version.version ?? next) ?? versions.get(next);
}

/** What a promotion overrides in the manifest. */
function overridesOf({ name, manifest, current }: StoredModel, serving: number): string[] {
  if (serving === current) return [];
  const unused = (['canary', 'shadow'] as const).filter((role) => manifest[role]?.version === serving);
  return [
    `${name}: version ${serving} is promoted and overrides the manifest, which selects version ${current}; clearDeployment returns the choice to the manifest`,
    ...unused.map(
      (role) => `${name}: ${role} ${serving} of the manifest has no effect, because it is the current version`,
    ),
  ];
}

/** A canary keeps its evidence while its version, the current version and its rule are unchanged, and nobody restarts it. */
function canaryOf(
  { version, current }: { version: VersionRuntime | null; current: VersionRuntime },
  rule: Canary['rule'] | undefined,
  deployment: Deployment | undefined,
  before: Canary | null,
): Canary | null {
  if (!version || !rule) return null;
  const { stoppedCanary, canaryStep, canaryRestarts = 0 } = deployment ?? {};
  const { digest } = version.version;
  const state: CanaryState = {
    stopped: stoppedCanary?.digest === digest ? stoppedCanary.reason : null,
    percent: canaryStep?.digest === digest ? canaryStep.percent : null,
    restarts: canaryRestarts,
  };
  if (!before || !isSame(before.rule, rule)) return new Canary(version, current, rule, state);
  if (before.version !== version || before.current !== current || before.state.restarts !== state.restarts)
    return new Canary(version, current, rule, state);
  // A canary that has just stopped here is not recorded yet.
  before.state = { ...state, stopped: state.stopped ?? before.state.stopped };
  return before;
}

function viewOf({ rule, percent, state, evidence }: Canary): NonNullable<Model['canary']> {
  const { canary, current, slow } = evidence;
  return {
    ...rule,
    percent,
    stopped: state.stopped,
    calls: canary.calls,
    failures: canary.failures,
    slowCalls: slow,
    currentCalls: current.calls,
    currentFailures: current.failures,
  };
}

/** A shadow keeps its record while its version and the current version are unchanged. */
function shadowOf(
  { version, current }: { version: VersionRuntime | null; current: VersionRuntime },
  rule: Shadow['rule'] | undefined,
  before: Shadow | null,
): Shadow | null {
  if (!version || !rule) return null;
  if (before?.version !== version || before.current !== current) return new Shadow(version, current, rule);
  before.rule = rule;
  return before;
}

/** Whether two versions have inputs and outputs of the same names, types and shapes, so that one can replace the other. */
export const haveSameShape = (one: Pick<Signature, 'inputs' | 'outputs'>, other: typeof one): boolean =>
  isSame(shapeOf(one), shapeOf(other));

/** The public part of a signature: names, types and shapes. */
function shapeOf({ inputs, outputs }: Pick<Signature, 'inputs' | 'outputs'>): unknown {
  const shape = ({ name, type, rowShape }: Signature['inputs'][number] | Signature['outputs'][number]) => [
    name,
    type,
    rowShape,
  ];
  return [inputs.map(shape), outputs.map((output) => [shape(output), output.labels])];
}

/** Whether two values are equal as JSON. */
export const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);
