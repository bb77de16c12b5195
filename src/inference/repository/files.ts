import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { systemErrorCode } from '../../errors/system-error-code.js';

/** The SHA-256 of a file in hex, read as a stream. */
export async function sha256OfFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Bytes that are hashed in one turn of the event loop, some milliseconds. */
const hashedPerTurn = 1024 * 1024;

/** The SHA-256 of bytes in hex; other work gets a turn between slices. */
export async function sha256OfBytes(bytes: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  for (let start = 0; start < bytes.length; start += hashedPerTurn) {
    if (start > 0) await nextTurn();
    hash.update(bytes.subarray(start, start + hashedPerTurn));
  }
  return hash.digest('hex');
}

/** Names of folders, including linked ones, in alphabetical order. */
export async function visibleFolders(folder: string): Promise<string[]> {
  const entries = await readdir(folder);
  const kinds = await Promise.all(entries.map((name) => stat(join(folder, name)).catch(() => null)));
  return entries.filter((name, index) => !name.startsWith('.') && kinds[index]?.isDirectory() === true).sort();
}

/** Null if the file does not exist. @throws the error of the file system if that cannot be determined */
export async function fileSize(file: string): Promise<number | null> {
  const found = await stat(file).catch((error: unknown) => {
    if (absent.has(systemErrorCode(error) ?? '')) return null;
    throw error;
  });
  return found?.isFile() === true ? found.size : null;
}

/** Error codes for a path that does not exist: a missing name, a file in place of a folder, links in a circle. */
const absent = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);

/** Paths of the files in a folder and in the folders directly in it, relative to it; at most `maxFiles`. */
export async function filesBelow(folder: string, maxFiles: number): Promise<string[]> {
  const files: string[] = [];
  for (const entry of await namesIn(folder)) {
    const inside = await namesIn(join(folder, entry));
    files.push(...(inside.length === 0 ? [entry] : inside.map((name) => join(entry, name))));
    if (files.length >= maxFiles) break;
  }
  return files.slice(0, maxFiles);
}

/** Names in alphabetical order; none if it is not a readable folder. */
async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).sort();
}

/** A size in messages: `1.5 MiB`. */
export function megabytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

/** Whether a path is inside one of the folders after resolving links. False if it does not exist. */
export async function isInside(file: string, folders: readonly string[]): Promise<boolean> {
  const [target, ...roots] = await Promise.all([file, ...folders].map((path) => realpath(path).catch(() => null)));
  return (
    target != null && roots.some((root) => root != null && target.startsWith(`${root}${root.endsWith(sep) ? '' : sep}`))
  );
}
