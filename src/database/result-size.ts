import type { Socket } from 'node:net';
import { ResultTooLarge } from '../errors/app-error.js';

/**
 * The limit of the result of a statement on one connection. A statement limits its rows, and a row may still be a text of 1 GB, which
 * the driver would hold several times.
 */
export class ResultSize {
  /** What the connection had received when the statement was sent; null while none is limited. */
  #before: number | null = null;

  /**
   * @param limitBytes what PostgreSQL sends for one statement
   * @param stream its destruction ends the connection, since the rest of the result cannot be skipped otherwise
   */
  constructor(
    readonly limitBytes: number,
    private readonly stream: () => Socket,
  ) {}

  /** Starts to check what is received. */
  watch(): void {
    const stream = this.stream();
    stream.on('data', () => {
      if (this.#before !== null && stream.bytesRead - this.#before > this.limitBytes)
        stream.destroy(new ResultTooLarge(this.limitBytes));
    });
  }

  /** Limits the results until `finish`. A pooled connection has one statement at a time. */
  begin(): void {
    this.#before = this.stream().bytesRead;
  }

  finish(): void {
    this.#before = null;
  }
}

/** Ends a statement other than a template whose result is limited. */
export const limitedResult = '/* limited result */';

export const isLimitedResult = (text: unknown): boolean => typeof text === 'string' && text.endsWith(limitedResult);
