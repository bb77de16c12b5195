import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileSize, isInside, megabytes, sha256OfFile } from './files.js';
import { ModelRepositoryError } from './model-manifest.js';
import type { StoredVersion } from './version-folder.js';

/** A tokenizer in the folder of a version. */
export interface TokenizerFile {
  /** Its name there. */
  name: string;
  /** SHA-256 in hexadecimal. */
  digest: string;
}

const maxTokenizerBytes = 32 * 1024 * 1024;

/** Finds and hashes tokenizers. @throws ModelRepositoryError if one is missing, too large or outside the folder */
export async function findTokenizers(
  versionDir: string,
  label: string,
  names: readonly string[],
): Promise<TokenizerFile[]> {
  const found: TokenizerFile[] = [];
  for (const name of names) {
    const file = join(versionDir, name);
    const size = await fileSize(file);
    if (size === null) throw new ModelRepositoryError([`${label} has no ${name}, which preprocess names; add it`]);
    if (!(await isInside(file, [versionDir])))
      throw new ModelRepositoryError([
        `${label}/${name} is a link to a file outside of its folder; copy the file instead`,
      ]);
    if (size > maxTokenizerBytes)
      throw new ModelRepositoryError([`${label}/${name} is larger than ${megabytes(maxTokenizerBytes)}`]);
    found.push({ name, digest: await sha256OfFile(file) });
  }
  return found;
}

/** Contents of the tokenizers by their names. @throws ModelRepositoryError if a file no longer matches its digest */
export async function readTokenizers({
  label,
  modelFile,
  tokenizers,
}: Pick<StoredVersion, 'label' | 'modelFile' | 'tokenizers'>): Promise<Map<string, string>> {
  const contents = new Map<string, string>();
  for (const { name, digest } of tokenizers) {
    const bytes = await readFile(join(modelFile, '..', name));
    if (createHash('sha256').update(bytes).digest('hex') !== digest)
      throw new ModelRepositoryError([
        `${label}/${name} changed while it was being loaded; wait until it is written and start again`,
      ]);
    contents.set(name, bytes.toString());
  }
  return contents;
}

/** The digest of a version: of its graph, or, with tokenizers, of the lines of `sha256sum` for the graph and for them. */
export function digestOfVersion({ digest, tokenizers }: Pick<StoredVersion, 'digest' | 'tokenizers'>): string {
  if (tokenizers.length === 0) return digest;
  const lines = [`${digest}  model.onnx\n`, ...tokenizers.map((file) => `${file.digest}  ${file.name}\n`)];
  return createHash('sha256').update(lines.join('')).digest('hex');
}
