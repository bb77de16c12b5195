import type { Logger } from '../shared/logger.js';
import type { Backend } from './backend/backend.js';
import { Canary } from './canary.js';
import type { Deployment, Model, ModelProblems } from './model.js';
import { ModelStoreError, type StoredModel } from './model-store.js';
import type { PredictionCache } from './prediction-cache.js';
import type { ServedVersion } from './served-version.js';
import { Shadow } from './shadow.js';
import type { Signature } from './signature.js';
import { loadVersion } from './version-loader.js';

/** A model as it serves. Never changed, but replaced as a whole: whoever has one in hand goes on with it. */
export interface ServedModel {
  stored: StoredModel;
  versions: ReadonlyMap<number, ServedVersion>;
  current: ServedVersion;
  canary: Canary | null;
  shadow: Shadow | null;
  view: Model;
}

export interface RegistryOptions {
  backend: Backend;
  cache: PredictionCache;
  logger: Logger;
  /** What speaks against serving these models together, such as names that clash. */
  check: (models: readonly Model[]) => ModelProblems[];
}

/** The versions that are loaded, and which of them answer. */
export class Registry {
  readonly #models = new Map<string, ServedModel>();
  readonly #deployments = new Map<string, Deployment>();
  /** What is wrong with folders as they lie on disk. */
  readonly #problems = new Map<string, readonly string[]>();
  readonly #retiring = new Set<Promise<void>>();
  readonly #listeners = new Set<() => void>();

  constructor(private readonly options: RegistryOptions) {}

  /** By name, in the order of the alphabet. */
  models(): Model[] {
    return [...this.#models.keys()].sort().flatMap((name) => this.#models.get(name)?.view ?? []);
  }

  get(name: string): ServedModel | null {
    return this.#models.get(name) ?? null;
  }

  /** Folders with problems, those of models that do not serve at all among them. */
  problems(): ModelProblems[] {
    return [...this.#problems].map(([model, problems]) => ({ model, problems }));
  }

  /** Calls the listener after each change of what `models` and `problems` tell; answers how to stop that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Takes a model up as it lies on disk: loads what is not loaded yet beside what serves, then switches.
   * @throws ModelStoreError that names what is wrong; what serves goes on then
   */
  async take(stored: StoredModel): Promise<void> {
    const before = this.#models.get(stored.name);
    const { loaded, fresh } = await this.#load(stored, before);
    const served = this.#assembled(stored, loaded, before, []);
    const problems = this.#objections(served.view);
    if (problems.length > 0) {
      await Promise.all(fresh.map((version) => version.retire()));
      throw new ModelStoreError(problems);
    }
    // The same version, when it goes on, is told of the manifest's new limits only now that all is well.
    for (const { version, metrics } of stored.versions) loaded.get(version)?.configure(stored.manifest.serving, metrics);
    this.#models.set(stored.name, served);
    this.#problems.delete(stored.name);
    this.#retireAllBut(loaded, before);
    this.#tellListeners();
  }

  /** Serves the model no more. */
  remove(name: string): void {
    const before = this.#models.get(name);
    const wasKnown = this.#models.delete(name) || this.#problems.has(name);
    this.#problems.delete(name);
    this.#retireAllBut(new Map(), before);
    if (wasKnown) this.#tellListeners();
  }

  /** Notes what is wrong with a folder; what serves goes on. */
  refuse(name: string, problems: readonly string[]): void {
    this.#problems.set(name, problems);
    this.#reassemble(name);
    this.#tellListeners();
  }

  /** Switches every model to what was decided, all in one turn. Decisions for models that are not there wait for them. */
  apply(deployments: readonly Deployment[]): void {
    this.#deployments.clear();
    for (const deployment of deployments) this.#deployments.set(deployment.model, deployment);
    for (const name of this.#models.keys()) this.#reassemble(name);
    this.#tellListeners();
  }

  /** A canary has been stopped: what `models` tells follows. */
  noteCanary(name: string): void {
    this.#reassemble(name);
    this.#tellListeners();
  }

  /** Waits until nobody uses them, and releases all versions. */
  async close(): Promise<void> {
    this.#listeners.clear();
    for (const name of [...this.#models.keys()]) this.remove(name);
    await Promise.all(this.#retiring);
  }

  /** The versions of a model: those that serve already and have not changed, and those that are loaded for it now. */
  async #load(stored: StoredModel, before: ServedModel | undefined) {
    const loaded = new Map<number, ServedVersion>();
    const fresh: ServedVersion[] = [];
    const problems: string[] = [];
    for (const version of stored.versions) {
      const known = before?.versions.get(version.version);
      const wasStored = before?.stored.versions.find((one) => one.version === version.version);
      // Other golden rows count as a change: they are to be checked.
      if (known && wasStored && isSame({ ...version, metrics: null }, { ...wasStored, metrics: null })) {
        loaded.set(version.version, known);
        continue;
      }
      try {
        const served = await loadVersion(stored, version, this.options.backend, this.options.cache);
        loaded.set(version.version, served);
        fresh.push(served);
      } catch (error) {
        if (!(error instanceof ModelStoreError)) {
          await Promise.all(fresh.map((one) => one.retire()));
          throw error;
        }
        problems.push(...error.problems);
      }
    }
    if (problems.length === 0) return { loaded, fresh };
    await Promise.all(fresh.map((version) => version.retire()));
    throw new ModelStoreError(problems);
  }

  #objections(view: Model): readonly string[] {
    const others = this.models().filter(({ name }) => name !== view.name);
    const found = this.options.check([...others, view]);
    return found.flatMap(({ problems }) => problems);
  }

  #reassemble(name: string): void {
    const served = this.#models.get(name);
    if (served) this.#models.set(name, this.#assembled(served.stored, served.versions, served, this.#problems.get(name) ?? []));
  }

  /** A model with its roles given out, by the manifest and by what was decided since. */
  #assembled(
    stored: StoredModel,
    versions: ReadonlyMap<number, ServedVersion>,
    before: ServedModel | undefined,
    problemsOfFolder: readonly string[],
  ): ServedModel {
    const { name, manifest } = stored;
    const deployment = this.#deployments.get(name);
    const problems = [...problemsOfFolder];
    const promoted = deployment?.version ?? null;
    if (promoted !== null && !versions.has(promoted)) {
      problems.push(`${name}: version ${promoted} was promoted and is no longer served; ${stored.current} answers`);
    }
    const current = versions.get(promoted ?? stored.current) ?? versions.get(stored.current);
    if (!current) throw new ModelStoreError([`${name} has no version ${stored.current}`]);

    const candidate = (role: 'canary' | 'shadow'): ServedVersion | null => {
      const version = versions.get(manifest[role]?.version ?? 0);
      if (!version || version === current) return null;
      if (isSame(shapeOf(version.signature), shapeOf(current.signature))) return version;
      problems.push(`${name}: ${role} ${version.version.version} has other inputs or outputs than ${current.version.version}, which answers; it is not used`);
      return null;
    };
    const canary = canaryOf(candidate('canary'), manifest.canary, deployment, before?.canary ?? null);
    const shadow = shadowOf(candidate('shadow'), manifest.shadow, before?.shadow ?? null);
    const { title, description } = manifest;
    const view: Model = {
      name,
      title,
      ...(description === undefined ? {} : { description }),
      versions: [...versions.values()].map(({ version }) => version),
      current: current.version,
      canary: canary && { ...canary.rule, stopped: canary.stopped },
      get shadow() {
        return shadow?.view ?? null;
      },
      problems,
    };
    return { stored, versions, current, canary, shadow, view };
  }

  #retireAllBut(kept: ReadonlyMap<number, ServedVersion>, before: ServedModel | undefined): void {
    const staying = new Set(kept.values());
    for (const version of before?.versions.values() ?? []) {
      if (staying.has(version)) continue;
      const retiring = version
        .retire()
        .catch((error: unknown) => this.options.logger.error({ err: error, model: version.model }, 'a version could not be released'))
        .finally(() => this.#retiring.delete(retiring));
      this.#retiring.add(retiring);
    }
  }

  #tellListeners(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** The canary goes on with its record as long as version and rule stay what they were. */
function canaryOf(version: ServedVersion | null, rule: Canary['rule'] | undefined, deployment: Deployment | undefined, before: Canary | null): Canary | null {
  if (!version || !rule) return null;
  const decided = deployment?.stoppedCanary;
  const stopped = decided?.digest === version.version.digest ? decided.reason : null;
  if (before?.version !== version || !isSame(before.rule, rule)) return new Canary(version, rule, stopped);
  before.stopped = stopped ?? before.stopped;
  return before;
}

function shadowOf(version: ServedVersion | null, rule: Shadow['rule'] | undefined, before: Shadow | null): Shadow | null {
  if (!version || !rule) return null;
  if (before?.version !== version) return new Shadow(version, rule);
  before.rule = rule;
  return before;
}

/** What callers see of a signature: the names, types and shapes. */
function shapeOf({ inputs, outputs }: Signature): unknown {
  const shape = ({ name, type, rowShape }: Signature['inputs'][number] | Signature['outputs'][number]) => [name, type, rowShape];
  return [inputs.map(shape), outputs.map((output) => [shape(output), output.labels])];
}

/** Whether two values are the same as JSON. */
const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);
