import type { Logger } from '../../telemetry/logger.js';
import { ModelRepositoryError, readModel, scanModel, servedFolders } from '../repository/model-repository.js';
import { problemsOf, publicProblems, UnreadableFolder } from '../repository/problems.js';
import type { ModelRegistry } from './model-registry.js';

/**
 * Loads every model of the repository. Folders that cannot be read are skipped; the problems of others are recorded, and what
 * passes its checks serves.
 * @param options `logsProblems`: false if the caller reports them
 * @returns every problem of every model, and the folders to load again
 * @throws ModelRepositoryError if the repository cannot be read
 */
export async function loadAll(
  registry: ModelRegistry,
  storeDir: string,
  logger: Logger,
  { logsProblems }: { logsProblems: boolean },
): Promise<{ problems: readonly string[]; toRetry: readonly string[] }> {
  const { names, excess } = await servedFolders(storeDir);
  const problems: string[] = [];
  const toRetry: string[] = [];
  for (const name of names) {
    const loaded = await loadFolder(registry, storeDir, name, logger, logsProblems);
    problems.push(...loaded.problems);
    if (!loaded.isFinal) toRetry.push(name);
  }
  if (excess) {
    const { name, problem } = excess;
    if (logsProblems) logger.error({ storeDir, problems: [problem] }, 'model store too large');
    registry.recordProblems(name, [problem]);
    problems.push(problem);
  }
  return { problems, toRetry };
}

/** Loads a changed folder, or records its problems. @returns whether retrying the unchanged folder is pointless */
export async function applyChange(
  registry: ModelRegistry,
  storeDir: string,
  name: string,
  logger: Logger,
): Promise<boolean> {
  return (await loadFolder(registry, storeDir, name, logger)).isFinal;
}

interface Loaded {
  problems: readonly string[];
  /** Whether retrying the unchanged folder is pointless. */
  isFinal: boolean;
}

async function loadFolder(
  registry: ModelRegistry,
  storeDir: string,
  name: string,
  logger: Logger,
  logsProblems = true,
): Promise<Loaded> {
  const report = (problems: readonly string[], message: string, err?: unknown) => {
    // A retry that fails as before is not logged again.
    const shown = publicProblems(problems, storeDir);
    const isKnown = registry.problemsOf(name).join() === shown.join();
    if (isKnown || problems.length === 0) return;
    if (logsProblems) logger.error({ model: name, problems, ...(err === undefined ? {} : { err }) }, message);
    registry.recordProblems(name, shown);
  };
  try {
    const before = await scanModel(storeDir, name);
    const stored = await readModel(storeDir, name);
    if (!stored) {
      if (registry.remove(name)) logger.info({ model: name }, 'model removed');
      return { problems: [], isFinal: true };
    }
    const problems = await registry.load(stored, async () => (await scanModel(storeDir, name)) === before);
    report(problems, 'model has problems; versions that pass their checks serve');
    return { problems, isFinal: true };
  } catch (error) {
    const problems = problemsOf(error, storeDir);
    if (error instanceof UnreadableFolder && registry.get(name) === null) {
      logger.warn({ problems }, 'unreadable folder skipped');
      registry.remove(name);
      return { problems: [], isFinal: true };
    }
    const isFinal = error instanceof ModelRepositoryError;
    const isServed = registry.get(name) !== null;
    const message = isServed ? 'model reload failed; keeping current version' : 'model load failed; not served';
    report(problems, message, isFinal ? undefined : error);
    return { problems, isFinal };
  }
}
