import { describe, expect, it } from '@jest/globals';
import { PasswordPolicy } from '../../../src/auth/password-policy.js';

const policy = new PasswordPolicy(null);
const email = 'Ada.Lovelace@analytical.example';

describe('PasswordPolicy', () => {
  it.each([
    ['a common one', 'password1234', 'is easy to guess'],
    ['a common one in capitals', 'PASSWORD1234', 'is easy to guess'],
    ['common digits', '123456789012', 'is easy to guess'],
    ['a common word with digits and signs', 'Summer2026!!', 'is easy to guess'],
    ['the address', 'ada.lovelace@analytical.example', 'is easy to guess'],
    ['the name in the address', 'Ada.Lovelace', 'is easy to guess'],
    ['the domain with digits', 'analytical.example1', 'is easy to guess'],
    ['the name of the product with digits', 'auspex123456', 'is easy to guess'],
    ['the published demo password', 'auspex-demo-2026', 'is easy to guess'],
    ['a repeated word', 'auspexauspex', 'must not repeat'],
    ['a repeated letter', 'aaaaaaaaaaaaaaaa', 'must not repeat'],
    ['a repeated emoji', '🦊'.repeat(12), 'must not repeat'],
    ['a short one', 'Tr0ub4dor&3', 'must have 12 characters'],
  ])('rejects %s', async (_name, password, message) => {
    expect(await policy.problem(password, 'newPassword', email)).toEqual({
      field: 'newPassword',
      message: expect.stringContaining(message),
    });
  });

  it.each([
    ['words in lower case only', 'correct horse battery'],
    ['digits only', '839204716250'],
    ['random text around a letter', '9482019-f-4837201'],
    ['a repetition of a long text', 'kvehqzptwxag'.repeat(2)],
    ['letters of another script', 'быстрая лиса прыгает'],
    ['a text that contains a common word', 'my summer was windy'],
  ])('accepts %s', async (_name, password) => {
    expect(await policy.problem(password, 'password', email)).toBeNull();
  });

  it('looks up breached passwords last', async () => {
    const checked: string[] = [];
    const strict = new PasswordPolicy({
      isBreached: (password) => {
        checked.push(password);
        return Promise.resolve(password === 'correct horse battery');
      },
    });
    expect(await strict.problem('correct horse battery', 'password', email)).toEqual({
      field: 'password',
      message: 'is known from data breaches; choose another one',
    });
    expect(await strict.problem('correct horse saddle', 'password', email)).toBeNull();
    expect(await strict.problem('password1234', 'password', email)).not.toBeNull();
    expect(checked).toEqual(['correct horse battery', 'correct horse saddle']);
  });
});
