import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ConfigError } from '../errors/operator-error.js';
import { systemErrorCode } from '../errors/system-error-code.js';

const minSecretLength = 32;

/** The folder of package.json, from src/ as well as from dist/. */
export const projectDir = path.resolve(import.meta.dirname, '..', '..');

/**
 * Reads the generated JWT secret of a development set-up and creates it on the first start, so that sessions outlive restarts.
 * @throws ConfigError if the file is damaged
 */
export function loadOrCreateSecret(dataDir: string): string {
  const file = path.join(dataDir, 'jwt-secret');
  mkdirSync(dataDir, { recursive: true });
  // Written completely before it is linked: of two concurrent first starts one wins, and both read the whole secret.
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, randomBytes(48).toString('base64url'), { mode: 0o600 });
  try {
    linkSync(draft, file);
  } catch (error) {
    if (systemErrorCode(error) !== 'EEXIST') throw error;
  } finally {
    rmSync(draft);
  }
  const secret = readFileSync(file, 'utf8').trim();
  // Anyone could sign tokens with an empty key.
  if (secret.length < minSecretLength)
    throw new ConfigError([
      `JWT_SECRET is not set, and the generated one in ${file} is damaged; remove the file to generate a new one, which ends every session`,
    ]);
  return secret;
}
