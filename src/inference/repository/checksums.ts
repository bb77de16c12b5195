import { join } from 'node:path';
import { isInside, sha256OfFile } from './files.js';
import { readTextIfAny } from './text-files.js';

/** The files of a version that are compared with its checksums. */
export interface ChecksumTarget {
  folder: string;
  /** The version in messages: `iris/1`. */
  label: string;
  /** SHA-256 of the files that are loaded, in hexadecimal; other listed files are read. */
  sums: ReadonlyMap<string, string>;
  /** Files that the list must contain. */
  required: readonly string[];
}

/** Name of the list, as `sha256sum` writes it. */
const checksumsName = 'SHA256SUMS';

/**
 * Compares the files of a version with its `SHA256SUMS`, which shows a model that was replaced without its golden rows, and a
 * folder that is not completely copied.
 * @returns null if there is no list
 */
export async function problemsOfChecksums(target: ChecksumTarget): Promise<string[] | null> {
  const { folder, label, required } = target;
  const source = await readTextIfAny(join(folder, checksumsName), `${label}/${checksumsName}`);
  if (source === null) return null;
  const listed = new Set<string>();
  const problems: string[] = [];
  for (const [index, line] of source.split('\n').entries()) {
    if (line.trim() === '') continue;
    const place = `${label}/${checksumsName}:${index + 1}`;
    const entry = parsed(line);
    if (entry) {
      listed.add(entry.file);
      const problem = await problemOf(target, entry);
      if (problem !== null) problems.push(`${place}: ${entry.file} ${problem}`);
    } else problems.push(`${place}: must be a SHA-256 in hexadecimal, two spaces and the name of a file beside it`);
  }
  const missing = required.filter((file) => !listed.has(file));
  return [...problems, ...missing.map((file) => `${label}/${checksumsName}: does not list ${file}`)];
}

interface Entry {
  digest: string;
  file: string;
}

function parsed(line: string): Entry | null {
  const [, digest, file] =
    /^([0-9a-f]{64}) [ *](?:\.\/)?((?!\.\.?\/)[\w.-]+(?:\/[\w.-]+)?)$/i.exec(line.trimEnd()) ?? [];
  return digest === undefined || file === undefined ? null : { digest: digest.toLowerCase(), file };
}

async function problemOf({ folder, sums }: ChecksumTarget, { digest, file }: Entry): Promise<string | null> {
  const path = join(folder, file);
  const read = async () => ((await isInside(path, [folder])) ? sha256OfFile(path).catch(() => null) : null);
  const actual = sums.get(file) ?? (await read());
  if (actual === null) return 'is not there';
  if (actual === digest) return null;
  return 'is not the file that the training wrote; train again, or regenerate the checksums';
}
