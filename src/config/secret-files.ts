import { readFileSync, statSync } from 'node:fs';
import { systemErrorCode } from '../errors/system-error-code.js';
import { secretNames } from './schema.js';

type Environment = Readonly<Record<string, string | undefined>>;

const maxSecretBytes = 65_536;

/**
 * Reads the secrets whose files are named by `<name>_FILE`.
 * @returns the environment with these secrets, and the problems with their files. Problems contain no values: a user may have
 * set the secret itself instead of the file's name.
 */
export function withSecretFiles(env: Environment): { env: Environment; problems: readonly string[] } {
  const found: Record<string, string> = {};
  const problems: string[] = [];
  for (const name of secretNames) {
    const file = env[`${name}_FILE`]?.trim();
    if (file === undefined || file === '') continue;
    const secret = env[name]?.trim() ? { problem: `is set beside ${name}; remove one of them` } : readSecret(file);
    if ('problem' in secret) problems.push(`${name}_FILE ${secret.problem}`);
    else found[name] = secret.text;
  }
  return { env: { ...env, ...found }, problems };
}

function readSecret(file: string): { text: string } | { problem: string } {
  try {
    // Reading a pipe or a device may never end.
    if (!statSync(file).isFile()) return { problem: 'must name a regular file' };
    if (statSync(file).size > maxSecretBytes) return { problem: `must name a file of at most ${maxSecretBytes} bytes` };
    const text = readFileSync(file, 'utf8').trim();
    return text === '' ? { problem: 'names an empty file' } : { text };
  } catch (error) {
    return {
      problem: `names a file that cannot be read (${systemErrorCode(error) ?? 'unknown'}); check that it exists and that this process may read it`,
    };
  }
}
