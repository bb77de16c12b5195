import { createHash } from 'node:crypto';
import type { Logger } from '../../telemetry/logger.js';
import { boundedBody } from '../bounded-body.js';

const timeoutMs = 2_000;

/** A response of Have I Been Pwned has about 40 KB. */
const maxBytes = 1_000_000;

/** As many characters of the hash as are sent: about a thousand breached passwords share them. */
const prefixLength = 5;

/**
 * Looks passwords up by k-anonymity in a service with the form of Have I Been Pwned's range API: it receives five characters of
 * the SHA-1 hash, and responds with the rest of each known hash that starts so. The padding hides their number from
 * observers.
 * @see https://haveibeenpwned.com/API/v3#SearchingPwnedPasswordsByRange
 */
export class BreachedPasswords {
  /** @param url the prefix of the hash is appended to it, as in `https://api.pwnedpasswords.com/range/` */
  constructor(
    private readonly url: string,
    private readonly log: Logger,
  ) {}

  /** @returns whether the password is known; false, with a log line, if the service fails or is slow */
  async isBreached(password: string): Promise<boolean> {
    const hash = createHash('sha1').update(password).digest('hex').toUpperCase();
    const rest = hash.slice(prefixLength);
    try {
      const response = await fetch(`${this.url}${hash.slice(0, prefixLength)}`, {
        headers: { 'add-padding': 'true', 'user-agent': 'auspex', accept: 'text/plain' },
        redirect: 'error',
        signal: AbortSignal.timeout(timeoutMs),
      });
      if (!response.ok) {
        await response.body?.cancel();
        throw new Error(`The service responded with ${response.status}.`);
      }
      const lines = (await boundedBody(response, maxBytes)).toString('latin1').split('\n');
      return lines.some((line) => isKnown(line, rest));
    } catch (error) {
      this.log.warn({ err: error }, 'breached password check failed; password accepted without it');
      return false;
    }
  }
}

/** A line has the form `<rest>:<count>`; the count of padding is 0. */
function isKnown(line: string, rest: string): boolean {
  const [found, count] = line.trim().split(':');
  return found?.toUpperCase() === rest && Number(count) > 0;
}
