import { existsSync } from 'node:fs';
import { mkdtemp, open, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { isAlive } from './process.js';

/**
 * Builds a folder under a name of its own and gives it its final name in one step, so that nobody ever finds half of it:
 * not after a crash, and not a second gateway that starts at the same moment. Where that one was faster, its folder stays.
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

/** A rename outlives a power failure only once its folder is on the disk. Windows cannot open folders and needs no such call. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Drafts carry their builder's process id; one whose builder is gone will never be finished. */
async function removeAbandonedDrafts(final: string): Promise<void> {
  const parent = path.dirname(final);
  const prefix = path.basename(draftPrefix(final));
  const drafts = (await readdir(parent)).filter((name) => name.startsWith(prefix));
  const abandoned = drafts.filter((name) => !isAlive(Number.parseInt(name.slice(prefix.length), 10)));
  // An initdb that outlived its gateway may still be writing there; what cannot be removed now is removed by the next start.
  await Promise.allSettled(abandoned.map((name) => rm(path.join(parent, name), { recursive: true, force: true, maxRetries: 2 })));
}
