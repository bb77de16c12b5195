import { existsSync } from 'node:fs';
import { mkdtemp, open, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { isAlive } from './process.ts';

/**
 * Builds a folder under a temporary name and renames it, so that a crash or a concurrent start never leaves a partial folder.
 * If another process was faster, its folder stays.
 */
export async function publishFolder(final: string, build: (draft: string) => Promise<void>): Promise<void> {
  await removeAbandonedDrafts(final);
  const draft = await mkdtemp(`${draftPrefix(final)}${process.pid}-`);
  try {
    await build(draft);
    await renameUnlessPresent(draft, final);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

function draftPrefix(final: string): string {
  return `${final}.draft-`;
}

async function renameUnlessPresent(draft: string, final: string): Promise<void> {
  try {
    await rename(draft, final);
  } catch (error) {
    if (existsSync(final)) return;
    throw error;
  }
  await syncFolder(path.dirname(final));
}

/** Makes the rename survive a power failure. Windows cannot open folders and does not need it. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A draft's name holds its builder's pid; drafts of ended processes are removed. */
async function removeAbandonedDrafts(final: string): Promise<void> {
  const parent = path.dirname(final);
  const prefix = path.basename(draftPrefix(final));
  const drafts = (await readdir(parent)).filter((name) => name.startsWith(prefix));
  const abandoned = drafts.filter((name) => !isAlive(Number.parseInt(name.slice(prefix.length), 10)));
  // An orphaned initdb may still be writing; the next start removes the rest.
  await Promise.allSettled(
    abandoned.map((name) => rm(path.join(parent, name), { recursive: true, force: true, maxRetries: 2 })),
  );
}
