import { relative } from 'node:path';
import { shortened } from '../../errors/input-validation.js';
import { systemErrorCode } from '../../errors/system-error-code.js';
import { ModelRepositoryError } from './model-manifest.js';

/** An entry of the repository that this process may not read, such as `lost+found` of a volume. */
export class UnreadableFolder extends ModelRepositoryError {}

/** The files of a version contradict each other: its golden rows or checksums do not fit the graph with this digest. */
export class ContradictedVersion extends ModelRepositoryError {
  constructor(
    problems: readonly string[],
    readonly digest: string,
  ) {
    super(problems);
  }
}

export function isPermissionError(error: unknown): boolean {
  return ['EACCES', 'EPERM'].includes(systemErrorCode(error) ?? '');
}

/**
 * The problems to report for an error of a model: its own problems or its message.
 * @param storeDir the repository, which the path of an unreadable file leaves out
 */
export function problemsOf(error: unknown, storeDir = ''): readonly string[] {
  if (error instanceof ModelRepositoryError) return error.problems;
  const path = pathOf(error);
  if (systemErrorCode(error) !== undefined && path !== null) return [unreadable(relative(storeDir, path), error)];
  return [error instanceof Error ? error.message : String(error)];
}

/** @param error the error of the file system */
export function unreadable(what: string, error: unknown): string {
  const remedy = isPermissionError(error) ? 'give the user of this process permission to read it' : 'check the volume';
  return `${what} cannot be read (${systemErrorCode(error)}); ${remedy}`;
}

/** @param what a file or folder */
export const changedWhileLoading = (what: string): string =>
  `${what} changed while it was being loaded; it is loaded again once it is unchanged`;

function pathOf(error: unknown): string | null {
  if (typeof error !== 'object' || error === null || !('path' in error)) return null;
  return typeof error.path === 'string' ? error.path : null;
}

/** Problems of one folder that callers see. */
const maxShown = 20;
const maxLength = 500;

/** An absolute path of at least two names; not the end of a relative path or a URL. */
const absolutePath = /(?<![\w.:/-])\/[\w.@+-]+\/[\w.@+/-]*/g;

/**
 * Problems as callers may see them: at most 20 lines of at most 500 characters, without paths outside the repository, such as
 * those that libraries put into their messages.
 */
export function publicProblems(problems: readonly string[], storeDir: string): readonly string[] {
  const shown = problems.slice(0, maxShown).map((problem) => {
    // Cut before as well: the work depends on the length of the text.
    const inside = problem
      .slice(0, 4 * maxLength)
      .replaceAll(`${storeDir}/`, '')
      .replace(absolutePath, '<path>');
    return shortened(inside.replace(/[\p{Cc}\u2028\u2029]+/gu, ' '), maxLength);
  });
  const rest = problems.length - shown.length;
  return rest > 0 ? [...shown, `and ${rest} more; run npm run models:check`] : shown;
}
