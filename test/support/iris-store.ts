import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

const iris = path.join(import.meta.dirname, '..', '..', 'model-store', 'iris');

/** A model store with several identical versions of `iris`; a response names the version that served it. */
export interface IrisStore {
  dir: string;
  /** Adds a version with this number. */
  addVersion(version: number): Promise<void>;
  removeVersion(version: number): Promise<void>;
  /** Rewrites the manifest of iris with `lines` instead of `current: 1`, which is the default. */
  writeManifest(lines?: string): Promise<void>;
  remove(): Promise<void>;
}

export async function makeIrisStore({
  versions,
  manifest,
}: {
  versions: number[];
  manifest?: string;
}): Promise<IrisStore> {
  const dir = await mkdtemp(path.join(tmpdir(), 'auspex-iris-'));
  const folder = path.join(dir, 'iris');
  const store: IrisStore = {
    dir,
    addVersion: (version) => cp(path.join(iris, '1'), path.join(folder, String(version)), { recursive: true }),
    removeVersion: (version) => rm(path.join(folder, String(version)), { recursive: true }),
    async writeManifest(lines = 'current: 1') {
      const source = await readFile(path.join(iris, 'model.yaml'), 'utf8');
      await writeFile(
        path.join(folder, 'model.yaml'),
        source.replace('current: 1', () => lines),
      );
    },
    remove: () => rm(dir, { recursive: true, force: true }),
  };
  for (const version of versions) await store.addVersion(version);
  await store.writeManifest(manifest);
  return store;
}

/** A valid input of iris. */
export const flower = '{ petal_length: 4.0, petal_width: 1.35 }';
