/* Removes from node_modules what nothing reads at run time: `node prune-packages.mjs node_modules`. Licences stay. */
import { readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';

const packages = path.resolve(process.argv[2] ?? 'node_modules');
const here = `${process.platform}-${process.arch}`;

/** Programs of other platforms: each folder of these is one platform's. */
const platforms = [
  ...foldersOf('onnxruntime-node/bin/napi-v6').flatMap((platform) =>
    foldersOf(`onnxruntime-node/bin/napi-v6/${platform}`).map((arch) => ({ folder: `onnxruntime-node/bin/napi-v6/${platform}/${arch}`, name: `${platform}-${arch}` })),
  ),
  ...foldersOf('bcrypt/prebuilds').map((name) => ({ folder: `bcrypt/prebuilds/${name}`, name })),
];
const isUnread = /\.map$|\.d\.[cm]?ts$|^(changelog|history)\b/i;

const before = sizeOf(packages);
if (!platforms.some(({ folder, name }) => name === here && folder.startsWith('onnxruntime-node'))) {
  process.stderr.write(`onnxruntime-node brings nothing for ${here}; build the image for linux-x64 or linux-arm64\n`);
  process.exit(1);
}
for (const { folder, name } of platforms) if (name !== here) rmSync(path.join(packages, folder), { recursive: true });
removeFiles(packages);
const after = sizeOf(packages);
process.stdout.write(`node_modules for ${here}: ${megabytes(before)} MB, of which ${megabytes(after)} MB are read at run time\n`);

function foldersOf(folder) {
  return readdirSync(path.join(packages, folder), { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
}

function removeFiles(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const at = path.join(folder, entry.name);
    if (entry.isDirectory()) removeFiles(at);
    else if (entry.isFile() && isUnread.test(entry.name)) rmSync(at);
  }
}

function sizeOf(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true }).reduce((sum, entry) => (entry.isFile() ? sum + statSync(path.join(entry.parentPath, entry.name)).size : sum), 0);
}

function megabytes(bytes) {
  return Math.round(bytes / 1_000_000);
}
