import { describe, expect, it } from '@jest/globals';
import { SecretCipher } from '../../../src/auth/secret-cipher.js';

const [older, newer] = ['kHq3v9ZtL0mWcXy7RbNfD2sPaGjUeTiO4w', 'vT5rQ0xYw8LkZp3BnM6sHd1FgJc9aEuI2o'];

describe('SecretCipher', () => {
  it('decrypts what it encrypted, differently each time', () => {
    const cipher = new SecretCipher([older]);
    const encrypted = cipher.encrypt('a secret', 'owner');
    expect(encrypted).not.toContain('a secret');
    expect(cipher.encrypt('a secret', 'owner')).not.toBe(encrypted);
    expect(cipher.decrypt(encrypted, 'owner')).toEqual({ plain: 'a secret', isCurrent: true });
  });

  it('decrypts with former keys and reports that they are not current', () => {
    const encrypted = new SecretCipher([older]).encrypt('a secret', 'owner');
    expect(new SecretCipher([newer, older]).decrypt(encrypted, 'owner')).toEqual({
      plain: 'a secret',
      isCurrent: false,
    });
  });

  it('names the missing key and the remedy, and no secret', () => {
    const encrypted = new SecretCipher([older]).encrypt('a secret', 'owner');
    expect(() => new SecretCipher([newer]).decrypt(encrypted, 'owner')).toThrow(
      /^A stored secret needs the encryption key [\da-f]{8}; append the former key to MFA_ENCRYPTION_KEYS\.$/,
    );
  });

  it('rejects the text of another owner, and a changed or cut one', () => {
    const cipher = new SecretCipher([older]);
    const encrypted = cipher.encrypt('a secret', 'owner');
    const [id = '', encoded = ''] = encrypted.split('.');
    const bytes = Buffer.from(encoded, 'base64url');
    bytes[14] = (bytes[14] ?? 0) ^ 1;
    expect(() => cipher.decrypt(encrypted, 'another')).toThrow();
    expect(() => cipher.decrypt(`${id}.${bytes.toString('base64url')}`, 'owner')).toThrow();
    expect(() => cipher.decrypt(encrypted.slice(0, -8), 'owner')).toThrow();
    expect(() => cipher.decrypt('', 'owner')).toThrow();
  });
});
