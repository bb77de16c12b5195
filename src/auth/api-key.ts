import { hashToken, randomToken } from './token.js';

const brand = 'auspex_';
const form = /^auspex_[A-Za-z0-9_-]{43}$/;

/** A new API key: the secret to show once, its beginning to show later, and the hash to store. */
export function createApiKeySecret(): { secret: string; prefix: string; hash: string } {
  const secret = `${brand}${randomToken()}`;
  return { secret, prefix: secret.slice(0, brand.length + 6), hash: hashToken(secret) };
}

/** The hash to look a sent key up by; null for what cannot be one. */
export const hashApiKey = (secret: string): string | null => (form.test(secret) ? hashToken(secret) : null);
