/*
 * Removes packages and files from node_modules that are not needed at run time, except licenses: `node prune-packages.mjs node_modules`.
 * The optional packages in package.json are for development machines; those of other packages are binaries that they need.
 */
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';

const packages = path.resolve(process.argv[2] ?? 'node_modules');
const currentPlatform = `${process.platform}-${process.arch}`;

/** Folders with native binaries, one per platform. */
const platforms = [
  ...foldersOf('onnxruntime-node/bin/napi-v6').flatMap((platform) =>
    foldersOf(`onnxruntime-node/bin/napi-v6/${platform}`).map((arch) => ({
      folder: `onnxruntime-node/bin/napi-v6/${platform}/${arch}`,
      name: `${platform}-${arch}`,
    })),
  ),
  ...foldersOf('bcrypt/prebuilds').map((name) => ({ folder: `bcrypt/prebuilds/${name}`, name })),
];
const isUnneeded = /\.map$|\.d\.[cm]?ts$|^(changelog|history)\b/i;

const before = sizeOf(packages);
if (!platforms.some(({ folder, name }) => name === currentPlatform && folder.startsWith('onnxruntime-node'))) {
  process.stderr.write(
    `onnxruntime-node has no binary for ${currentPlatform}; build the image for linux-x64 or linux-arm64\n`,
  );
  process.exit(1);
}
const { optionalDependencies } = JSON.parse(readFileSync(path.join(packages, '..', 'package.json'), 'utf8'));
for (const name of Object.keys(optionalDependencies))
  rmSync(path.join(packages, name), { recursive: true, force: true });
for (const { folder, name } of platforms)
  if (name !== currentPlatform) rmSync(path.join(packages, folder), { recursive: true });
removeFiles(packages);
const after = sizeOf(packages);
process.stdout.write(
  `node_modules for ${currentPlatform}: ${megabytes(before)} MB, pruned to ${megabytes(after)} MB\n`,
);

function foldersOf(folder) {
  return readdirSync(path.join(packages, folder), { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? [entry.name] : [],
  );
}

function removeFiles(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const at = path.join(folder, entry.name);
    if (entry.isDirectory()) removeFiles(at);
    else if (entry.isFile() && isUnneeded.test(entry.name)) rmSync(at);
  }
}

function sizeOf(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true }).reduce(
    (sum, entry) => (entry.isFile() ? sum + statSync(path.join(entry.parentPath, entry.name)).size : sum),
    0,
  );
}

function megabytes(bytes) {
  return Math.round(bytes / 1_000_000);
}
