import { circuitBreaker, CircuitState, ConsecutiveBreaker, ExponentialBackoff, handleAll } from 'cockatiel';
import { ServiceUnavailable } from '../../errors/app-error.js';

export interface BreakerOptions {
  /** Rows that failed alone, without a successful run between them, before the version is probed. */
  failuresToProbe?: number;
  /** How long the breaker stays open before the next probe; it doubles with each that fails, up to the maximum. */
  firstPauseMs?: number;
  longestPauseMs?: number;
}

/**
 * The circuit breaker of a version. Rows that fail are no proof against the version, since one caller's rows may be bad: after
 * some of them in a row it runs a row that is known to be good. If that fails too, the breaker opens and calls fail at once,
 * until a later probe succeeds.
 */
export class VersionBreaker {
  readonly #policy;
  readonly #failuresToProbe: number;
  #failures = 0;
  #probing: Promise<void> | null = null;
  /** Called when it has opened or closed. */
  onChange: (isOpen: boolean) => void = () => undefined;

  /** @param probe runs a row that is known to be good */
  constructor(
    private readonly probe: () => Promise<unknown>,
    { failuresToProbe = 5, firstPauseMs = 1_000, longestPauseMs = 30_000 }: BreakerOptions = {},
  ) {
    this.#failuresToProbe = failuresToProbe;
    this.#policy = circuitBreaker(handleAll, {
      breaker: new ConsecutiveBreaker(1),
      halfOpenAfter: new ExponentialBackoff({ initialDelay: firstPauseMs, maxDelay: longestPauseMs }),
    });
    let wasOpen = false;
    this.#policy.onStateChange((state) => {
      if (state === CircuitState.HalfOpen || wasOpen === (state === CircuitState.Open)) return;
      wasOpen = state === CircuitState.Open;
      this.onChange(wasOpen);
    });
  }

  get isOpen(): boolean {
    return this.#policy.state !== CircuitState.Closed;
  }

  /** Counts a successful run. */
  countSuccess(): void {
    this.#failures = 0;
  }

  /** Counts a row that failed alone. */
  countFailure(): void {
    this.#failures += 1;
    if (this.#failures >= this.#failuresToProbe && !this.isOpen) void this.#runProbe();
  }

  /** Probes an open version once its pause is over. @throws ServiceUnavailable while it is open */
  async check(): Promise<void> {
    if (this.isOpen) await this.#runProbe();
    if (this.isOpen)
      throw new ServiceUnavailable('The model fails on every row; it is tried again in some seconds.', 5);
  }

  /** Concurrent calls share a probe. */
  #runProbe(): Promise<void> {
    this.#probing ??= this.#policy
      .execute(this.probe)
      // An open breaker rejects the probe until its pause is over.
      .catch(() => undefined)
      .then(() => {
        this.#failures = 0;
        this.#probing = null;
      });
    return this.#probing;
  }
}
