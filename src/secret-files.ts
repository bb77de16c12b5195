import { readFileSync, statSync } from 'node:fs';
import { codeOf } from './shared/error-code.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** What may lie in a file, as Docker and Kubernetes hand secrets over: `<name>_FILE` names the file. */
const secretNames = ['DATABASE_URL', 'DATABASE_REPLICA_URLS', 'REDIS_URL', 'JWT_SECRET'] as const;

/** The variables that name such files, for `.env.example` to be held against. */
export const secretFileVariables: readonly string[] = secretNames.map((name) => `${name}_FILE`);

const maxSecretBytes = 65_536;

/**
 * The environment with the secrets that lie in files, and what is wrong with those files, each problem by its variable. No
 * problem tells a value: who confuses the two variables puts the secret itself where the file's name belongs.
 */
export function withSecretFiles(env: Environment): { env: Environment; problems: readonly string[] } {
  const found: Record<string, string> = {};
  const problems: string[] = [];
  for (const name of secretNames) {
    const file = env[`${name}_FILE`]?.trim();
    if (file === undefined || file === '') continue;
    const secret = env[name]?.trim() ? { problem: `is set beside ${name}; leave one of them out` } : readSecret(file);
    if ('problem' in secret) problems.push(`${name}_FILE ${secret.problem}`);
    else found[name] = secret.text;
  }
  return { env: { ...env, ...found }, problems };
}

function readSecret(file: string): { text: string } | { problem: string } {
  try {
    // What is no file, such as a pipe, might never end.
    if (!statSync(file).isFile()) return { problem: 'must name a file; what it names is none' };
    if (statSync(file).size > maxSecretBytes) return { problem: `must name a file of ${maxSecretBytes} bytes at the most` };
    const text = readFileSync(file, 'utf8').trim();
    return text === '' ? { problem: 'names a file that is empty' } : { text };
  } catch (error) {
    return { problem: `names a file that cannot be read (${codeOf(error) ?? 'unknown'}); it must be there, and this process must be allowed to read it` };
  }
}
