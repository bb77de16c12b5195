import { readConfig } from '../../src/config/config.js';
import { ConfigError } from '../../src/errors/operator-error.js';

/** The problems that `readConfig` reports. */
export function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}
