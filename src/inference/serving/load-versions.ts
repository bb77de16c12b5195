import type { Backend } from '../onnx/backend.js';
import { ModelRepositoryError, type BrokenVersion, type StoredModel } from '../repository/model-repository.js';
import { ContradictedVersion } from '../repository/problems.js';
import type { StoredVersion } from '../repository/version-folder.js';
import { isSame, type ServedModel } from './model-roles.js';
import type { PredictionCache } from './prediction-cache.js';
import { loadVersion } from './version-loader.js';
import type { VersionRuntime } from './version-runtime.js';

/** The versions of a model after a load, some of which may be those from before. */
export interface LoadedVersions {
  /** In ascending order. */
  versions: ReadonlyMap<number, VersionRuntime>;
  /** What was on disk when each of them was loaded, in the same order. */
  stored: StoredVersion[];
  /** Versions that this load created. */
  fresh: ReadonlySet<VersionRuntime>;
  /** Versions whose folder is broken, so that the version from before keeps serving with its limits. */
  kept: ReadonlySet<number>;
  /** Milliseconds that each fresh version took. */
  loadMs: ReadonlyMap<number, number>;
  /** Problems of versions that are broken, and of those that serve in spite of them. */
  problems: readonly string[];
}

interface FailedVersion extends BrokenVersion {
  /** The digest of the graph, if other files of the version contradict it. */
  contradicted?: string;
}

interface Entry {
  stored: StoredVersion;
  runtime: VersionRuntime;
}

/**
 * Loads the versions of a model that are new or changed. A version that fails its checks is replaced by the one from before
 * under its number, which passed them, unless its files now contradict that one as well.
 */
export async function loadVersions(
  model: StoredModel,
  before: ServedModel | undefined,
  { backend, cache }: { backend: Backend; cache: PredictionCache },
): Promise<LoadedVersions> {
  const entries = new Map<number, Entry>();
  const fresh = new Set<VersionRuntime>();
  const loadMs = new Map<number, number>();
  const broken: FailedVersion[] = [...model.broken];
  for (const stored of model.versions) {
    const { version } = stored;
    const known = entryBefore(before, version);
    if (known && isUnchanged(known, stored, model)) {
      entries.set(version, { stored, runtime: known.runtime });
      continue;
    }
    const startMs = performance.now();
    try {
      const runtime = await loadVersion(model, stored, backend, cache);
      entries.set(version, { stored, runtime });
      fresh.add(runtime);
      loadMs.set(version, performance.now() - startMs);
    } catch (error) {
      if (!(error instanceof ModelRepositoryError)) {
        await Promise.all(Array.from(fresh, (one) => one.retire()));
        throw error;
      }
      const contradicted = error instanceof ContradictedVersion ? { contradicted: error.digest } : {};
      broken.push({ version, problems: error.problems, ...contradicted });
    }
  }
  const kept = entriesToKeep(model, before, broken, entries.size > 0);
  const all = [...entries, ...kept].sort(([one], [other]) => one - other);
  return {
    versions: new Map(all.map(([version, { runtime }]) => [version, runtime])),
    stored: all.map(([, { stored }]) => stored),
    ...{ fresh, loadMs, kept: new Set(kept.keys()) },
    problems: [...broken, ...Array.from(entries.values(), ({ runtime }) => runtime)].flatMap(
      ({ problems }) => problems,
    ),
  };
}

function entryBefore(before: ServedModel | undefined, version: number): Entry | null {
  const runtime = before?.versions.get(version);
  const stored = before?.stored.versions.find((one) => one.version === version);
  return runtime && stored ? { runtime, stored } : null;
}

/** Changed golden rows count as a change, since they must be checked, and so do first batches of several rows. */
function isUnchanged({ stored: was, runtime }: Entry, stored: StoredVersion, { manifest }: StoredModel): boolean {
  const isFirstBatch = runtime.serving.maxBatch === 1 && manifest.serving.maxBatch > 1;
  return !isFirstBatch && isSame({ ...stored, metrics: null }, { ...was, metrics: null });
}

/** The versions from before that serve although their folders are broken. */
function entriesToKeep(
  { manifest }: StoredModel,
  before: ServedModel | undefined,
  broken: readonly FailedVersion[],
  hasOthers: boolean,
): Map<number, Entry> {
  const kept = new Map<number, Entry>();
  for (const { version, contradicted } of broken) {
    const known = entryBefore(before, version);
    if (!known) continue;
    const { runtime, stored } = known;
    // The graph that serves is the one that fails its checks, not a later one.
    const isContradicted =
      contradicted === runtime.version.digest && runtime.serving.maxBatch === manifest.serving.maxBatch;
    const hasPassed = stored.goldenDigest !== null;
    if (!isContradicted || (hasPassed && !hasOthers)) kept.set(version, known);
  }
  return kept;
}
