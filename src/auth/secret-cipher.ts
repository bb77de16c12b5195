import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const algorithm = 'aes-256-gcm';
const ivBytes = 12;
const tagBytes = 16;

interface EncryptionKey {
  /** Identifies the key in encrypted texts; reveals nothing about it. */
  id: string;
  key: Buffer;
}

/** A secret as it was before its encryption. */
interface Decrypted {
  plain: string;
  /** Whether the first key encrypted it. Otherwise encrypt it again, so that its key can be removed. */
  isCurrent: boolean;
}

/**
 * Encrypts secrets that the database stores but that, unlike passwords, must be read again: AES-256-GCM (NIST SP 800-38D) with
 * keys derived by HKDF (RFC 5869). The first key encrypts; the others decrypt what they encrypted before a rotation.
 */
export class SecretCipher {
  readonly #current: EncryptionKey;
  readonly #keys: ReadonlyMap<string, EncryptionKey>;

  /** @param secrets of at least 32 random characters each, or private keys. @throws Error without any */
  constructor([first, ...older]: readonly (string | Buffer)[]) {
    if (first === undefined) throw new Error('Stored secrets need a key.');
    this.#current = keyOf(first);
    this.#keys = new Map([...older.map((secret) => keyOf(secret)), this.#current].map((key) => [key.id, key]));
  }

  /** @param owner bound to the result: the text of one owner cannot be decrypted as that of another */
  encrypt(plain: string, owner: string): string {
    const { id, key } = this.#current;
    const iv = randomBytes(ivBytes);
    const cipher = createCipheriv(algorithm, key, iv, { authTagLength: tagBytes }).setAAD(Buffer.from(owner));
    const encrypted = Buffer.concat([iv, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return `${id}.${encrypted.toString('base64url')}`;
  }

  /** @throws Error if no key fits, or the text was changed or belongs to another owner. The message contains no secret. */
  decrypt(text: string, owner: string): Decrypted {
    const [id = '', encoded = ''] = text.split('.', 2);
    const known = this.#keys.get(id);
    if (!known)
      throw new Error(`A stored secret needs the encryption key ${id}; append the former key to MFA_ENCRYPTION_KEYS.`);
    const encrypted = Buffer.from(encoded, 'base64url');
    const iv = encrypted.subarray(0, ivBytes);
    const decipher = createDecipheriv(algorithm, known.key, iv, { authTagLength: tagBytes })
      .setAAD(Buffer.from(owner))
      .setAuthTag(encrypted.subarray(-tagBytes));
    const plain = Buffer.concat([decipher.update(encrypted.subarray(ivBytes, -tagBytes)), decipher.final()]);
    return { plain: plain.toString('utf8'), isCurrent: id === this.#current.id };
  }
}

const keyOf = (secret: string | Buffer): EncryptionKey => ({
  id: derive(secret, 'auspex:stored-secrets:id', 4).toString('hex'),
  key: derive(secret, 'auspex:stored-secrets', 32),
});

const derive = (secret: string | Buffer, purpose: string, bytes: number): Buffer =>
  Buffer.from(hkdfSync('sha256', secret, '', purpose, bytes));
