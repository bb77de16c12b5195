import { hashToken, randomToken } from './token.js';

const secretPrefix = 'auspex_';
const secretPattern = /^auspex_[A-Za-z0-9_-]{43}$/;

/** Creates an API key: the secret, shown once, its prefix, to recognize it later, and the hash to store. */
export function createApiKeySecret(): { secret: string; prefix: string; hash: string } {
  const secret = `${secretPrefix}${randomToken()}`;
  return { secret, prefix: secret.slice(0, secretPrefix.length + 6), hash: hashToken(secret) };
}

/** @returns the hash to look up an API key by; null if the text is malformed. */
export const hashApiKey = (secret: string): string | null => (secretPattern.test(secret) ? hashToken(secret) : null);
