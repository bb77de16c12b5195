import { afterEach, describe, expect, it, jest } from '@jest/globals';
import bcrypt from 'bcrypt';
import { hashPassword, isPassword, passwordProblem } from '../../../src/auth/password.js';

afterEach(() => {
  jest.restoreAllMocks();
});

describe('passwordProblem', () => {
  it.each([
    ['12 letters', 'a'.repeat(12)],
    ['72 letters', 'a'.repeat(72)],
    ['12 characters of 4 bytes each', '🦊'.repeat(12)],
    ['72 bytes of mixed length', `${'é'.repeat(35)}ab`],
    ['space around it, which belongs to it', ' '.repeat(12)],
  ])('takes %s', (_name, password) => {
    expect(passwordProblem(password, 'password')).toBeNull();
  });

  it.each([
    ['nothing', '', 'must have 12 characters or more'],
    ['11 letters', 'a'.repeat(11), 'must have 12 characters or more'],
    ['11 characters of two UTF-16 units each', '🦊'.repeat(11), 'must have 12 characters or more'],
    ['73 letters', 'a'.repeat(73), 'must have 72 bytes or fewer'],
    ['73 bytes in 37 characters', `${'é'.repeat(36)}a`, 'must have 72 bytes or fewer'],
    ['a NUL', `${'a'.repeat(12)}\0`, 'must not contain'],
    ['half a character', `${'a'.repeat(12)}\ud83e`, 'must not contain'],
  ])('refuses %s, and names the field', (_name, password, message) => {
    expect(passwordProblem(password, 'newPassword')).toEqual({ field: 'newPassword', message: expect.stringContaining(message) });
  });
});

describe('isPassword', () => {
  const cheap = (password: string) => bcrypt.hashSync(password, 4);

  it('knows the right password from one that differs in a letter, in case or in a space', async () => {
    const hash = cheap('correct horse');
    expect(await isPassword('correct horse', hash)).toBe(true);
    for (const wrong of ['correct house', 'Correct horse', 'correct horse ', '']) expect(await isPassword(wrong, hash)).toBe(false);
  });

  it('lets nothing follow the 72 bytes that bcrypt reads', async () => {
    const [letters, accents] = ['a'.repeat(72), 'é'.repeat(36)];
    expect(await isPassword(letters, cheap(letters))).toBe(true);
    expect(await isPassword(`${letters}b`, cheap(letters))).toBe(false);
    expect(await isPassword(accents, cheap(accents))).toBe(true);
    expect(await isPassword(`${accents}b`, cheap(accents))).toBe(false);
  });

  it('lets nothing follow a NUL', async () => {
    expect(await isPassword('correct horse\0more', cheap('correct horse'))).toBe(false);
    expect(await isPassword('correct horse\0more', cheap('correct horse\0more'))).toBe(false);
  });

  it('is false without a hash, and compares at the cost of a real one all the same', async () => {
    const compare = jest.spyOn(bcrypt, 'compare');
    expect(await isPassword('anything at all', null)).toBe(false);
    expect(compare).toHaveBeenCalledTimes(1);
    expect(bcrypt.getRounds(String(compare.mock.calls[0]?.[1]))).toBe(12);
  });

  it('compares also what is too long to be right, so that time tells nothing', async () => {
    const compare = jest.spyOn(bcrypt, 'compare');
    await isPassword('a'.repeat(500), cheap('correct horse'));
    expect(compare).toHaveBeenCalledTimes(1);
  });
});

describe('hashPassword', () => {
  it('hashes at cost 12, each time with another salt, to what isPassword knows', async () => {
    const [one, other] = await Promise.all([hashPassword('correct horse'), hashPassword('correct horse')]);
    expect(bcrypt.getRounds(one)).toBe(12);
    expect(one).toHaveLength(60);
    expect(one).not.toBe(other);
    expect(await isPassword('correct horse', one)).toBe(true);
  });
});
