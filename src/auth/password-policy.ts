import type { FieldProblem } from '../errors/app-error.js';
import { isEasyToGuess, repeatedLength } from './common-passwords.js';
import { minPasswordLength, passwordProblem } from './password.js';

/** Looks passwords up in a corpus of breached ones. */
export interface BreachCheck {
  /** Never throws: a service that fails must not stop password changes. */
  isBreached(password: string): Promise<boolean>;
}

/** Words that guessers of this product's passwords try. */
const productWords = ['auspex', 'auspex-demo'];

/** Decides which new passwords are acceptable (NIST SP 800-63B): length and lists, no rules of composition. */
export class PasswordPolicy {
  /** @param breaches null if no service is configured */
  constructor(private readonly breaches: BreachCheck | null) {}

  /**
   * @param email the address of the account, which its password must not be
   * @returns why a new password is not acceptable, as a problem of `field`; null if it is
   */
  async problem(password: string, field: string, email: string): Promise<FieldProblem | null> {
    const problem = passwordProblem(password, field);
    if (problem) return problem;
    if (repeatedLength(password) < minPasswordLength) return { field, message: 'must not repeat a shorter text' };
    if (await isEasyToGuess(password, [...wordsOf(email), ...productWords]))
      return { field, message: 'is easy to guess: a common password, or one derived from it or from the address' };
    if (this.breaches && (await this.breaches.isBreached(password)))
      return { field, message: 'is known from data breaches; choose another one' };
    return null;
  }
}

/** The address, and the parts before and after the sign. */
function wordsOf(email: string): string[] {
  const address = email.toLowerCase();
  return [address, ...address.split('@')];
}
