import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { createApiKeySecret, hashApiKey } from '../../../src/auth/api-key.js';

describe('API keys', () => {
  it('have the prefix auspex_ and 256 random bits, and are recognizable by six characters', () => {
    const { secret, prefix } = createApiKeySecret();
    expect(secret).toMatch(/^auspex_[A-Za-z0-9_-]{43}$/);
    expect(Buffer.from(secret.slice('auspex_'.length), 'base64url')).toHaveLength(32);
    expect(prefix).toBe(secret.slice(0, 13));
  });

  it('are unique', () => {
    const secrets = Array.from({ length: 1000 }, () => createApiKeySecret().secret);
    expect(new Set(secrets).size).toBe(1000);
  });

  it('are stored as the SHA-256 of the whole secret', () => {
    const { secret, hash } = createApiKeySecret();
    expect(hash).toBe(createHash('sha256').update(secret).digest('hex'));
    expect(hashApiKey(secret)).toBe(hash);
  });

  it.each([
    ['empty text', ''],
    ['the prefix alone', 'auspex_'],
    ['another prefix', `other_${'a'.repeat(43)}`],
    ['the prefix in capitals', `AUSPEX_${'a'.repeat(43)}`],
    ['42 letters', `auspex_${'a'.repeat(42)}`],
    ['44 letters', `auspex_${'a'.repeat(44)}`],
    ['a character outside base64url', `auspex_${'a'.repeat(42)}+`],
    ['a trailing line break', `auspex_${'a'.repeat(43)}\n`],
    ['a leading space', ` auspex_${'a'.repeat(43)}`],
    ['two keys', `auspex_${'a'.repeat(43)}, auspex_${'a'.repeat(43)}`],
    ['a hash', createHash('sha256').update('a').digest('hex')],
    ['a megabyte', 'a'.repeat(1_000_000)],
  ])('are malformed if the text is %s', (_name, sent) => {
    expect(hashApiKey(sent)).toBeNull();
  });
});
