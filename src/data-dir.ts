import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { defaultDataDir } from './database/embedded-postgres.js';

/** The folder that holds package.json, seen from src/ and from dist/ alike. */
export const projectDir = path.resolve(import.meta.dirname, '..');

/** Where data lies: the configured folder, or one beside the project that survives `npm ci`. */
export const dataDirOf = ({ dataDir }: { dataDir: string | undefined }): string => (dataDir === undefined ? defaultDataDir(projectDir) : path.resolve(dataDir));

/** A secret that is made at the first start and kept, so that sessions outlive a restart. For development. */
export function keptSecret(dataDir: string): string {
  const file = path.join(dataDir, 'jwt-secret');
  mkdirSync(dataDir, { recursive: true });
  try {
    writeFileSync(file, randomBytes(48).toString('base64url'), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return readFileSync(file, 'utf8').trim();
}
