/**
 * The time limit of the server's responses on one connection, which executes its statements one after another, so that one timer
 * serves them all.
 */
export class ResponseTime {
  readonly #limitMs: number;
  readonly #onExceeded: (error: Error) => void;
  #timer: NodeJS.Timeout | null = null;
  /** Statements that were sent or are queued, and have no result yet. */
  #pending = 0;

  /**
   * @param limitMs in milliseconds; 0 or undefined for none
   * @param onExceeded ends the connection, so that all pending statements fail with the error
   */
  constructor(limitMs: number | undefined, onExceeded: (error: Error) => void) {
    this.#limitMs = limitMs ?? 0;
    this.#onExceeded = onExceeded;
  }

  begin(): void {
    this.#pending += 1;
    if (this.#pending === 1) this.#restart();
  }

  finish(): void {
    this.#pending -= 1;
    if (this.#pending > 0) this.#restart();
  }

  end(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #restart(): void {
    if (this.#limitMs === 0) return;
    if (this.#timer) this.#timer.refresh();
    else this.#timer = setTimeout(() => this.#check(), this.#limitMs).unref();
  }

  #check(): void {
    if (this.#pending > 0) this.#onExceeded(new Error('Query read timeout'));
  }
}
