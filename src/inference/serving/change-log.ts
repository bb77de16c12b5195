import type { Logger } from '../../telemetry/logger.js';
import type { Deployment } from './model.js';
import type { ServedModel } from './model-roles.js';

/** Logs what changes in the served models: one line for each version and promotion. */
export class ChangeLog {
  constructor(private readonly log: Logger) {}

  /** @param loadMs milliseconds that each loaded version took, by its number; other versions are unchanged */
  loaded(
    now: ServedModel,
    before: ServedModel | undefined,
    loadMs: ReadonlyMap<number, number>,
    startMs: number,
  ): void {
    const { name } = now.view;
    for (const [version, ms] of loadMs) {
      this.#notesFallback(now, version);
      const replaced = before?.versions.get(version);
      const fields = { ...namesOf(now, version), durationMs: rounded(ms) };
      if (!replaced) this.log.info(fields, 'model version loaded');
      else this.log.info({ ...fields, previousDigest: replaced.version.digest }, 'model version replaced');
    }
    const removed = [...(before?.versions.keys() ?? [])].filter((version) => !now.versions.has(version));
    for (const version of removed) this.log.info({ model: name, modelVersion: version }, 'model version removed');
    if (loadMs.size === 0 && removed.length === 0)
      this.log.info({ ...currentOf(now), durationMs: sinceMs(startMs) }, 'model manifest applied');
  }

  /** A version that does not run where its manifest prefers. */
  #notesFallback(now: ServedModel, version: number): void {
    const { executionProvider: provider, executionFallback: reason } = now.versions.get(version)?.version ?? {};
    if (reason == null) return;
    this.log.warn({ ...namesOf(now, version), provider, reason }, 'execution provider unavailable; using the next');
  }

  /** The promotions that differ from those before. @param startMs when their reading began, by `performance.now()` */
  deployed(now: ServedModel, before: Deployment | undefined, after: Deployment | undefined, startMs: number): void {
    const promoted = after?.version ?? null;
    if (promoted === (before?.version ?? null)) return;
    const fields = { ...currentOf(now), durationMs: sinceMs(startMs) };
    if (promoted === null) this.log.info(fields, 'promotion cleared; the manifest selects the version');
    else if (promoted === now.current.version.version) this.log.info(fields, 'model version promoted');
  }

  /** Logs once that a promotion overrides the manifest. */
  overrides(now: ServedModel, before: ServedModel | undefined): void {
    const { overrides, manifestVersion } = now.view;
    if (overrides.length === 0 || overrides.join() === before?.view.overrides.join()) return;
    this.log.info({ ...currentOf(now), manifestVersion, overrides }, 'promotion overrides the manifest');
  }
}

const currentOf = (model: ServedModel) => namesOf(model, model.current.version.version);

/** `version` is that of the gateway, in every line of the log. */
const namesOf = ({ view, versions }: ServedModel, version: number) => ({
  model: view.name,
  modelVersion: version,
  digest: versions.get(version)?.version.digest,
});

const rounded = (ms: number): number => Math.round(ms * 100) / 100;
const sinceMs = (startMs: number): number => rounded(performance.now() - startMs);
