import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ConfigError } from './config.js';
import { defaultDataDir } from './database/embedded-postgres.js';
import { codeOf } from './shared/error-code.js';

const minSecretLength = 32;

/** The folder that holds package.json, seen from src/ and from dist/ alike. */
export const projectDir = path.resolve(import.meta.dirname, '..');

/** Where data lies: the configured folder, or one beside the project that survives `npm ci`. */
export const dataDirOf = ({ dataDir }: { dataDir: string | undefined }): string => (dataDir === undefined ? defaultDataDir(projectDir) : path.resolve(dataDir));

/**
 * A secret that is made at the first start and kept, so that sessions outlive a restart. For development.
 * @throws ConfigError where the file holds something else
 */
export function keptSecret(dataDir: string): string {
  const file = path.join(dataDir, 'jwt-secret');
  mkdirSync(dataDir, { recursive: true });
  // Written whole before it gets its name: of two first starts at once, one gives the secret and the other reads all of it.
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, randomBytes(48).toString('base64url'), { mode: 0o600 });
  try {
    linkSync(draft, file);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  } finally {
    rmSync(draft);
  }
  const secret = readFileSync(file, 'utf8').trim();
  // An empty key would let anyone sign.
  if (secret.length < minSecretLength) throw new ConfigError([`JWT_SECRET is not set, and the one kept in ${file} is damaged; remove the file, and a new one is made, which ends every session`]);
  return secret;
}
