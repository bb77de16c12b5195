import type { Logger } from '../../telemetry/logger.js';
import type { Backend } from '../onnx/backend.js';
import type { Deployment, Model, ModelProblems } from './model.js';
import { ModelRepositoryError, type StoredModel } from '../repository/model-repository.js';
import { changedWhileLoading } from '../repository/problems.js';
import { ChangeLog } from './change-log.js';
import { loadVersions } from './load-versions.js';
import { assignRoles, type RoleInputs, type ServedModel } from './model-roles.js';
import type { PredictionCache } from './prediction-cache.js';
import type { VersionRuntime } from './version-runtime.js';

export interface RegistryOptions {
  backend: Backend;
  cache: PredictionCache;
  logger: Logger;
  /** Finds problems of serving these models together, such as colliding names. */
  check: (models: readonly Model[]) => ModelProblems[];
  /** Finds names of a model that allow no typed field. */
  typingProblems: (model: Model) => readonly string[];
}

/** The loaded versions, and the roles that they serve in. */
export class ModelRegistry {
  readonly #models = new Map<string, ServedModel>();
  readonly #deployments = new Map<string, Deployment>();
  /** Problems of folders on disk. */
  readonly #problems = new Map<string, readonly string[]>();
  readonly #retiring = new Set<Promise<void>>();
  readonly #listeners = new Set<() => void>();
  readonly #changes: ChangeLog;
  #hasDeployments = false;

  constructor(private readonly options: RegistryOptions) {
    this.#changes = new ChangeLog(options.logger);
  }

  /** Served models by name. */
  models(): Model[] {
    return [...this.#models.keys()].sort().flatMap((name) => this.#models.get(name)?.view ?? []);
  }

  get(name: string): ServedModel | null {
    return this.#models.get(name) ?? null;
  }

  /** Folders with problems, including those of models that are not served. */
  problems(): ModelProblems[] {
    return [...this.#problems].map(([model, problems]) => ({ model, problems }));
  }

  /** Problems of one folder; empty if there are none. */
  problemsOf(name: string): readonly string[] {
    return this.#problems.get(name) ?? [];
  }

  /** Calls the listener after each change of `models` or `problems`. @returns a function that unsubscribes */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Applies a model from disk: loads new versions beside the serving ones, then switches. Versions that fail their checks are left
   * out, or keep serving as they were.
   * @param isCurrent whether the folder is still as it was read
   * @returns the problems of versions that are broken, and those that do not prevent serving
   * @throws ModelRepositoryError with the problems if the model cannot be served; what served before is unchanged then, unless its
   * own files contradict it
   */
  async load(
    stored: StoredModel,
    isCurrent: () => Promise<boolean> = () => Promise.resolve(true),
  ): Promise<readonly string[]> {
    const startMs = performance.now();
    const before = this.#models.get(stored.name);
    const loaded = await loadVersions(stored, before, this.options);
    const { versions, problems } = loaded;
    const discard = () => Promise.all(Array.from(loaded.fresh, (version) => version.retire()));
    if (!(await isCurrent())) {
      await discard();
      throw new ModelRepositoryError([changedWhileLoading(stored.name)]);
    }
    if (versions.size === 0) {
      if (before) this.#withdraw(before);
      throw new ModelRepositoryError(problems);
    }
    const present = { ...stored, versions: loaded.stored };
    const served = this.#withRoles({ stored: present, versions, before, problemsOfFolder: [] });
    const objections = this.#objections(served.view);
    if (objections.length > 0) {
      await discard();
      throw new ModelRepositoryError([...problems, ...objections]);
    }
    for (const version of loaded.fresh) version.breaker.onChange = (isOpen) => this.#noteBreaker(version, isOpen);
    // Unchanged versions get the new limits of the manifest only after everything has loaded.
    for (const { version, metrics } of loaded.stored)
      if (!loaded.kept.has(version)) versions.get(version)?.configure(stored.manifest.serving, metrics);
    this.#problems.delete(stored.name);
    this.#changes.loaded(served, before, loaded.loadMs, startMs);
    this.#serve(served, before);
    this.#retireAllBut(versions, before);
    this.#notifyListeners();
    const withRole = new Set([served.current, served.canary?.version, served.shadow?.version]);
    await Promise.all(Array.from(loaded.fresh, (version) => version.shrink(withRole.has(version))));
    return problems;
  }

  /** Stops serving a model, and removes its problems. @returns whether there was anything of it */
  remove(name: string): boolean {
    const before = this.#models.get(name);
    const wasKnown = this.#models.delete(name) || this.#problems.has(name);
    this.#problems.delete(name);
    this.#retireAllBut(new Map(), before);
    if (wasKnown) this.#notifyListeners();
    return wasKnown;
  }

  /** Records the problems of a folder; serving versions are unchanged. */
  recordProblems(name: string, problems: readonly string[]): void {
    this.#problems.set(name, problems);
    this.#reassemble(name);
    this.#notifyListeners();
  }

  /**
   * Applies deployments to all models at once; those of unknown models apply when the model is loaded.
   * @param startMs when their reading began, by `performance.now()`
   */
  apply(deployments: readonly Deployment[], startMs = performance.now()): void {
    const before = new Map(this.#deployments);
    this.#deployments.clear();
    for (const deployment of deployments) this.#deployments.set(deployment.model, deployment);
    for (const name of this.#models.keys()) this.#reassemble(name);
    // The first deployments are those of earlier processes.
    if (this.#hasDeployments)
      for (const [name, served] of this.#models)
        this.#changes.deployed(served, before.get(name), this.#deployments.get(name), startMs);
    this.#hasDeployments = true;
    this.#notifyListeners();
  }

  /** Updates `models` after a canary stopped. */
  updateCanary(name: string): void {
    this.#reassemble(name);
    this.#notifyListeners();
  }

  /** Releases all versions once they are idle. */
  async close(): Promise<void> {
    this.#listeners.clear();
    for (const name of [...this.#models.keys()]) this.remove(name);
    await Promise.all(this.#retiring);
  }

  /** Stops serving a model whose files contradict all of its versions. */
  #withdraw(before: ServedModel): void {
    this.#models.delete(before.view.name);
    this.#retireAllBut(new Map(), before);
    this.#notifyListeners();
  }

  #objections(view: Model): readonly string[] {
    const others = this.models().filter(({ name }) => name !== view.name);
    const found = this.options.check([...others, view]);
    return found.flatMap(({ problems }) => problems);
  }

  #reassemble(name: string): void {
    const served = this.#models.get(name);
    if (!served) return;
    const problemsOfFolder = this.problemsOf(name);
    this.#serve(this.#withRoles({ ...served, before: served, problemsOfFolder }), served);
  }

  #serve(served: ServedModel, before: ServedModel | undefined): void {
    this.#models.set(served.view.name, served);
    this.#changes.overrides(served, before);
  }

  #withRoles(parts: Pick<RoleInputs, 'stored' | 'versions' | 'before' | 'problemsOfFolder'>): ServedModel {
    const { stored, versions, before, problemsOfFolder } = parts;
    const deployment = this.#deployments.get(stored.name);
    const { typingProblems } = this.options;
    return assignRoles({ stored, versions, before, problemsOfFolder, deployment, typingProblems });
  }

  #retireAllBut(kept: ReadonlyMap<number, VersionRuntime>, before: ServedModel | undefined): void {
    const staying = new Set(kept.values());
    for (const version of before?.versions.values() ?? []) {
      if (staying.has(version)) continue;
      const retiring = version
        .retire()
        .catch((error: unknown) =>
          this.options.logger.error({ err: error, model: version.model }, 'model version release failed'),
        )
        .finally(() => this.#retiring.delete(retiring));
      this.#retiring.add(retiring);
    }
  }

  #noteBreaker({ model, version: { version } }: VersionRuntime, isOpen: boolean): void {
    const { logger } = this.options;
    if (isOpen) logger.error({ model, modelVersion: version }, 'model version fails on every row; calls fail at once');
    else logger.info({ model, modelVersion: version }, 'model version recovered');
    this.#notifyListeners();
  }

  #notifyListeners(): void {
    for (const listener of this.#listeners) listener();
  }
}
