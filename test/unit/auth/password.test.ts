import { afterEach, describe, expect, it, jest } from '@jest/globals';
import bcrypt from 'bcrypt';
import { hashPassword, verifyPassword, passwordProblem } from '../../../src/auth/password.js';

afterEach(() => {
  jest.restoreAllMocks();
});

describe('passwordProblem', () => {
  it.each([
    ['12 letters', 'a'.repeat(12)],
    ['72 letters', 'a'.repeat(72)],
    ['12 characters of 4 bytes each', '🦊'.repeat(12)],
    ['72 bytes of mixed length', `${'é'.repeat(35)}ab`],
    ['spaces, which are significant', ' '.repeat(12)],
  ])('accepts %s', (_name, password) => {
    expect(passwordProblem(password, 'password')).toBeNull();
  });

  it.each([
    ['empty text', '', 'must have 12 characters or more'],
    ['11 letters', 'a'.repeat(11), 'must have 12 characters or more'],
    ['11 characters of two UTF-16 units each', '🦊'.repeat(11), 'must have 12 characters or more'],
    ['73 letters', 'a'.repeat(73), 'must have 72 bytes or fewer'],
    ['73 bytes in 37 characters', `${'é'.repeat(36)}a`, 'must have 72 bytes or fewer'],
    ['a NUL', `${'a'.repeat(12)}\0`, 'must not contain'],
    ['an incomplete surrogate pair', `${'a'.repeat(12)}\ud83e`, 'must not contain'],
  ])('rejects %s and names the field', (_name, password, message) => {
    expect(passwordProblem(password, 'newPassword')).toEqual({
      field: 'newPassword',
      message: expect.stringContaining(message),
    });
  });
});

describe('verifyPassword', () => {
  const cheap = (password: string) => bcrypt.hashSync(password, 4);

  it('rejects a password that differs in a letter, in case or in a space', async () => {
    const hash = cheap('correct horse');
    expect(await verifyPassword('correct horse', hash)).toBe(true);
    for (const wrong of ['correct house', 'Correct horse', 'correct horse ', ''])
      expect(await verifyPassword(wrong, hash)).toBe(false);
  });

  it('rejects text after the 72 bytes that bcrypt reads', async () => {
    const [letters, accents] = ['a'.repeat(72), 'é'.repeat(36)];
    expect(await verifyPassword(letters, cheap(letters))).toBe(true);
    expect(await verifyPassword(`${letters}b`, cheap(letters))).toBe(false);
    expect(await verifyPassword(accents, cheap(accents))).toBe(true);
    expect(await verifyPassword(`${accents}b`, cheap(accents))).toBe(false);
  });

  it('rejects text after a NUL', async () => {
    expect(await verifyPassword('correct horse\0more', cheap('correct horse'))).toBe(false);
    expect(await verifyPassword('correct horse\0more', cheap('correct horse\0more'))).toBe(false);
  });

  it('returns false without a hash, after a comparison at full cost', async () => {
    const compare = jest.spyOn(bcrypt, 'compare');
    expect(await verifyPassword('anything at all', null)).toBe(false);
    expect(compare).toHaveBeenCalledTimes(1);
    expect(bcrypt.getRounds(String(compare.mock.calls[0]?.[1]))).toBe(12);
  });

  it('compares a password that is too long, so that timing reveals nothing', async () => {
    const compare = jest.spyOn(bcrypt, 'compare');
    await verifyPassword('a'.repeat(500), cheap('correct horse'));
    expect(compare).toHaveBeenCalledTimes(1);
  });
});

describe('hashPassword', () => {
  it('hashes at cost 12 with a new salt each time', async () => {
    const [one, other] = await Promise.all([hashPassword('correct horse'), hashPassword('correct horse')]);
    expect(bcrypt.getRounds(one)).toBe(12);
    expect(one).toHaveLength(60);
    expect(one).not.toBe(other);
    expect(await verifyPassword('correct horse', one)).toBe(true);
  });
});
