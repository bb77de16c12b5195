import { BadUserInput, TooManyAttempts } from '../../errors/app-error.js';
import type { RateCounters } from '../../redis/rate-counters.js';

/** Rows that a user may predict within the window, by sessions and API keys together; 0 disables the limit. */
export interface QuotaLimits {
  windowSeconds: number;
  rowsPerViewer: number;
}

/** A count of another process is read again only after this time, so that a flood does not reach Redis. */
const trustMs = 1_000;

const keyOf = (userId: string): string => `prediction rows ${userId}`;

/** Limits prediction rows per user and window: a request may have a thousand rows, each of which is computed and recorded. */
export class PredictionQuota {
  constructor(
    private readonly limits: QuotaLimits,
    private readonly counters: RateCounters,
  ) {}

  /**
   * Charges rows before they are predicted. Rows beyond the limit are not charged, so that a smaller call may still fit.
   * @throws BadUserInput if the call could never fit; TooManyAttempts beyond the limit
   */
  async charge(userId: string, rows: number): Promise<void> {
    const { rowsPerViewer: limit, windowSeconds } = this.limits;
    if (limit === 0 || rows === 0) return;
    if (rows > limit) throw BadUserInput.ofFields([{ field: 'inputs', message: `must have ${limit} rows or fewer` }]);
    const key = keyOf(userId);
    const known = this.counters.peek(key);
    if (known && known.ageMs < trustMs && known.count + rows > limit) throw this.#rejection(rows, known.resetInMs);
    const { count, resetInMs } = await this.counters.addUpTo(key, {
      limit,
      windowMs: windowSeconds * 1000,
      weight: rows,
    });
    if (count <= limit) return;
    await this.counters.add(key, windowSeconds * 1000, -rows);
    throw this.#rejection(rows, resetInMs);
  }

  /** @throws TooManyAttempts if nothing is left, as far as this process knows */
  assertLeft(userId: string): void {
    const { rowsPerViewer: limit } = this.limits;
    const known = limit === 0 ? null : this.counters.peek(keyOf(userId));
    if (known && known.count >= limit) throw this.#rejection(1, known.resetInMs);
  }

  /** Charges rows that a model has computed for fields of objects, also beyond the limit: the next ones are rejected. */
  chargeComputed(userId: string, rows: number): void {
    const { rowsPerViewer: limit, windowSeconds } = this.limits;
    if (limit > 0 && rows > 0)
      void this.counters.addUpTo(keyOf(userId), { limit, windowMs: windowSeconds * 1000, weight: rows });
  }

  #rejection(rows: number, resetInMs: number): TooManyAttempts {
    const { rowsPerViewer, windowSeconds } = this.limits;
    const seconds = Math.max(1, Math.ceil(resetInMs / 1000));
    return new TooManyAttempts(
      `With ${rows === 1 ? 'another row' : `these ${rows} rows`} you would predict more than ${rowsPerViewer} within ${windowSeconds} seconds; send fewer, or try again in ${seconds}.`,
      seconds,
    );
  }
}
