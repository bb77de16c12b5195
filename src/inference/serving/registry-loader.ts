import type { Logger } from '../../telemetry/logger.js';
import { ModelRepositoryError, readModel, readModelRepository } from '../repository/model-repository.js';
import { problemsOf, publicProblems, UnreadableFolder } from '../repository/problems.js';
import type { ModelRegistry } from './model-registry.js';

/**
 * Loads every model of the repository; folders that cannot be read are skipped.
 * @throws ModelRepositoryError with every problem of every model
 */
export async function loadAll(registry: ModelRegistry, storeDir: string, logger: Logger): Promise<void> {
  const problems: string[] = [];
  const skipped = (unreadable: readonly string[]) => logSkipped(logger, unreadable);
  for (const stored of await readModelRepository(storeDir, skipped)) {
    await registry.load(stored).catch((error: unknown) => {
      if (!(error instanceof ModelRepositoryError)) throw error;
      problems.push(...error.problems);
    });
  }
  if (problems.length > 0) throw new ModelRepositoryError(problems);
}

/** Loads a changed folder, or records its problems. @returns whether retrying the unchanged folder is pointless */
export async function applyChange(
  registry: ModelRegistry,
  storeDir: string,
  name: string,
  logger: Logger,
): Promise<boolean> {
  try {
    const stored = await readModel(storeDir, name);
    if (stored) {
      await registry.load(stored);
    } else if (registry.remove(name)) {
      logger.info({ model: name }, 'model removed');
    }
    return true;
  } catch (error) {
    const problems = problemsOf(error, storeDir);
    const isRepositoryError = error instanceof ModelRepositoryError;
    const isServed = registry.get(name) !== null;
    if (error instanceof UnreadableFolder && !isServed) {
      logSkipped(logger, problems);
      registry.remove(name);
      return true;
    }
    // A retry that fails as before is not logged again.
    const shown = publicProblems(problems, storeDir);
    if (registry.problemsOf(name).join() !== shown.join()) {
      logger.error(
        { model: name, problems, ...(isRepositoryError ? {} : { err: error }) },
        isServed ? 'model reload failed; keeping current version' : 'model load failed; not served',
      );
      registry.recordProblems(name, shown);
    }
    return isRepositoryError;
  }
}

function logSkipped(logger: Logger, problems: readonly string[]): void {
  logger.warn({ problems }, 'unreadable folder skipped');
}
