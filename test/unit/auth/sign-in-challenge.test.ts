import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { SignInChallenges } from '../../../src/auth/sign-in-challenge.js';
import { SigningKeys } from '../../../src/auth/signing-keys.js';
import { TokenSigner } from '../../../src/auth/token.js';
import { Role } from '../../../src/auth/viewer.js';
import { newId } from '../../../src/database/base.entity.js';

const secret = 'kHq3v9ZtL0mWcXy7RbNfD2sPaGjUeTiO4w';
const challenges = new SignInChallenges(new SigningKeys({ secrets: [secret] }));
const account = { id: newId(), passwordHash: '$2b$12$one' };

afterEach(() => {
  jest.useRealTimers();
});

describe('SignInChallenges', () => {
  it('identify the account that proved its password', () => {
    const { challenge } = challenges.sign('code', account);
    const verified = challenges.verify('code', challenge);
    expect(verified?.userId).toBe(account.id);
    expect(verified?.isOf(account)).toBe(true);
    expect(verified?.isOf({ ...account, passwordHash: '$2b$12$two' })).toBe(false);
    expect(verified?.isOf({ ...account, id: newId() })).toBe(false);
    expect(challenge).not.toContain(account.passwordHash);
  });

  it.each([
    ['code', 'setup'],
    ['setup', 'code'],
  ] as const)('of the kind %s are not valid as %s', (kind, other) => {
    expect(challenges.verify(other, challenges.sign(kind, account).challenge)).toBeNull();
  });

  it('expire after five minutes for a code, and fifteen for the setup', () => {
    const now = Date.now();
    for (const [kind, minutes] of [
      ['code', 5],
      ['setup', 15],
    ] as const) {
      jest.useFakeTimers({ now, doNotFake: ['nextTick', 'setImmediate'] });
      const { challenge, expiresAt } = challenges.sign(kind, account);
      expect(expiresAt.getTime()).toBe(Math.floor(now / 1000) * 1000 + minutes * 60_000);
      jest.setSystemTime(expiresAt.getTime() - 2000);
      expect(challenges.verify(kind, challenge)).not.toBeNull();
      jest.setSystemTime(expiresAt.getTime() + 1000);
      expect(challenges.verify(kind, challenge)).toBeNull();
      jest.useRealTimers();
    }
  });

  it('are no access tokens, nor are access tokens challenges', () => {
    const tokens = new TokenSigner(secret, 900);
    const { challenge } = challenges.sign('code', account);
    expect(tokens.verify(challenge)).toMatchObject({ kind: 'anonymous' });
    const { token } = tokens.sign({ userId: account.id, role: Role.USER, employeeId: null, sessionId: newId() });
    expect(challenges.verify('code', token)).toBeNull();
    expect(
      new SignInChallenges(new SigningKeys({ secrets: [`another ${secret}`] })).verify('code', challenge),
    ).toBeNull();
    expect(challenges.verify('code', 'nonsense')).toBeNull();
  });
});
