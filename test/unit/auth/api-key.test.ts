import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { createApiKeySecret, hashApiKey } from '../../../src/auth/api-key.js';

describe('an API key', () => {
  it('is branded, holds 256 random bits, and shows six of its letters as its prefix', () => {
    const { secret, prefix } = createApiKeySecret();
    expect(secret).toMatch(/^auspex_[A-Za-z0-9_-]{43}$/);
    expect(Buffer.from(secret.slice('auspex_'.length), 'base64url')).toHaveLength(32);
    expect(prefix).toBe(secret.slice(0, 13));
  });

  it('is another each time', () => {
    const secrets = Array.from({ length: 1000 }, () => createApiKeySecret().secret);
    expect(new Set(secrets).size).toBe(1000);
  });

  it('is found by the SHA-256 of the whole secret', () => {
    const { secret, hash } = createApiKeySecret();
    expect(hash).toBe(createHash('sha256').update(secret).digest('hex'));
    expect(hashApiKey(secret)).toBe(hash);
  });

  it.each([
    ['nothing', ''],
    ['the brand alone', 'auspex_'],
    ['another brand', `other_${'a'.repeat(43)}`],
    ['the brand in capitals', `AUSPEX_${'a'.repeat(43)}`],
    ['42 letters', `auspex_${'a'.repeat(42)}`],
    ['44 letters', `auspex_${'a'.repeat(44)}`],
    ['a letter that is none of base64url', `auspex_${'a'.repeat(42)}+`],
    ['a line break at its end', `auspex_${'a'.repeat(43)}\n`],
    ['space before it', ` auspex_${'a'.repeat(43)}`],
    ['two keys', `auspex_${'a'.repeat(43)}, auspex_${'a'.repeat(43)}`],
    ['a hash', createHash('sha256').update('a').digest('hex')],
    ['a megabyte', 'a'.repeat(1_000_000)],
  ])('is not looked up where what was sent is %s', (_name, sent) => {
    expect(hashApiKey(sent)).toBeNull();
  });
});
