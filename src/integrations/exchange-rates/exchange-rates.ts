import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  BrokenCircuitError,
  circuitBreaker,
  CircuitState,
  ConsecutiveBreaker,
  DelegateBackoff,
  handleAll,
  handleWhen,
  retry,
  wrap,
  type IRetryBackoffContext,
} from 'cockatiel';
import type { Cache } from '../../cache/cache.js';
import { ServiceUnavailable } from '../../errors/app-error.js';
import type { Logger } from '../../telemetry/logger.js';
import { ageOf, readShared, type CachedRates } from './cached-rates.js';
import type { DailyRates } from './daily-rates.js';
import { areOutdated } from './publication-days.js';
import { RateService, RateServiceError } from './rate-service.js';

/** Rates to convert with now. */
export interface CurrentRates extends DailyRates {
  /** Whether they are past their TTL because a refresh failed, or newer ones must have been published since their date. */
  isStale: boolean;
}

export interface ExchangeRateStatistics {
  /** Requests since the process started. The keys are values of the metric label `outcome`. */
  requests: { succeeded: number; failed: number; rejected_by_breaker: number };
  /** Seconds since the cached rates were fetched, by any replica; null without cached rates. */
  ageSeconds: number | null;
  isBreakerOpen: boolean;
}

export interface ExchangeRateOptions {
  url: string;
  /** Timeout of one attempt. */
  timeoutMs: number;
  ttlSeconds: number;
  /** Time past the TTL for which stale rates are used while refreshes fail. */
  maxStaleSeconds: number;
  /** Shares rates between replicas. */
  cache: Cache;
  log: Logger;
  /** Tests shorten the waits. */
  retryPolicy?: Partial<RetryPolicy>;
}

interface RetryPolicy {
  maxAttempts: number;
  /** Upper bound of the first random backoff; it doubles with each attempt. */
  initialBackoffMs: number;
  /** Upper bound of any backoff. A longer Retry-After ends the refresh instead. */
  maxBackoffMs: number;
  /** Consecutive failures that open the circuit breaker. */
  failuresToOpen: number;
  /** How long the circuit breaker stays open. */
  coolDownMs: number;
  /** Interval of checks whether the replica that refreshes has finished. */
  claimPollMs: number;
}

const defaultRetryPolicy: RetryPolicy = {
  maxAttempts: 3,
  initialBackoffMs: 200,
  maxBackoffMs: 2_000,
  failuresToOpen: 3,
  coolDownMs: 10_000,
  claimPollMs: 50,
};

/** The share of the TTL after which rates are refreshed in the background. */
const refreshAfter = 0.8;

/** Upper bound of Retry-After. */
const maxRetryAfterMs = 3_600_000;

/**
 * Daily exchange rates of an external service. Rates are cached in this process and, with Redis, shared by all replicas;
 * they are refreshed on demand before they expire. Failed requests are retried a few times, then a circuit breaker opens;
 * meanwhile the last valid rates are served as stale, for a configured time.
 */
export class ExchangeRates {
  readonly #options: ExchangeRateOptions;
  readonly #retryPolicy: RetryPolicy;
  readonly #service: RateService;
  /** Derived from the URL: services do not share rates. */
  readonly #key: string;
  readonly #breaker;
  readonly #guard;
  readonly #closed = new AbortController();
  readonly #requests = { succeeded: 0, failed: 0, rejected_by_breaker: 0 };
  #cached: CachedRates | null = null;
  #refreshing: Promise<CachedRates> | null = null;
  /** Whether the last refresh failed. */
  #isFailing = false;
  /** Whether a caller waited for a refresh in vain: others get stale rates at once until a refresh succeeds. */
  #hasWaitedInVain = false;
  /** No requests are sent before this time, from Retry-After. */
  #notBefore = 0;

  constructor(options: ExchangeRateOptions) {
    this.#options = options;
    this.#retryPolicy = { ...defaultRetryPolicy, ...options.retryPolicy };
    this.#service = new RateService(options);
    this.#key = createHash('sha256').update(options.url).digest('base64url');
    const { maxAttempts, failuresToOpen, coolDownMs } = this.#retryPolicy;
    this.#breaker = circuitBreaker(handleAll, {
      halfOpenAfter: coolDownMs,
      breaker: new ConsecutiveBreaker(failuresToOpen),
    });
    const isRetryable = handleWhen(
      (error) =>
        error instanceof RateServiceError && error.isTransient && error.retryAfterMs <= this.#retryPolicy.maxBackoffMs,
    );
    this.#guard = wrap(
      retry(isRetryable, {
        maxAttempts: maxAttempts - 1,
        backoff: new DelegateBackoff((context) => this.#backoffMs(context)),
      }),
      this.#breaker,
    );
  }

  /** @throws ServiceUnavailable if there are no rates, or only rates past the stale limit. */
  async current(): Promise<CurrentRates> {
    const cached = this.#cached;
    if (cached && ageOf(cached) < this.#ttlMs) {
      if (ageOf(cached) >= refreshAfter * this.#ttlMs) this.#refreshInBackground();
      return this.#toCurrent(cached);
    }
    if (cached && this.#isUsable(cached)) return this.#staleUnlessRefreshed(cached);
    // A failed refresh may still have found rates of another replica.
    const refreshed = await this.#refreshed().catch(() => this.#cached);
    if (refreshed && this.#isUsable(refreshed)) return this.#toCurrent(refreshed);
    throw new ServiceUnavailable('Exchange rates are unavailable; try again later.', this.#retryAfterSeconds());
  }

  /** For operators, at `/readyz`. */
  health(): { isUp: boolean; detail: string } {
    const cached = this.#cached;
    const rates = cached === null ? 'no rates yet' : `rates of ${cached.rates.date}`;
    return {
      isUp: !this.#isFailing,
      detail: cached !== null && this.#isStale(cached) ? `${rates}, stale` : rates,
    };
  }

  get statistics(): ExchangeRateStatistics {
    const isBreakerOpen = this.#breaker.state === CircuitState.Open;
    return { requests: { ...this.#requests }, ageSeconds: this.#cached && ageOf(this.#cached) / 1000, isBreakerOpen };
  }

  /** Aborts requests in flight and sends no further ones. */
  close(): void {
    this.#closed.abort();
  }

  get #ttlMs(): number {
    return this.#options.ttlSeconds * 1000;
  }

  #isStale(cached: CachedRates): boolean {
    return ageOf(cached) >= this.#ttlMs || areOutdated(cached.rates.date, Date.now());
  }

  #isUsable(cached: CachedRates): boolean {
    return ageOf(cached) < this.#ttlMs + this.#options.maxStaleSeconds * 1000;
  }

  /** Waits for a refresh for the time of one attempt, unless another caller has waited in vain already. */
  async #staleUnlessRefreshed(cached: CachedRates): Promise<CurrentRates> {
    const refreshed = this.#refreshed().catch(() => null);
    if (!this.#hasWaitedInVain)
      this.#hasWaitedInVain =
        (await Promise.race([refreshed, sleep(this.#options.timeoutMs, null, { ref: false })])) === null;
    return this.#toCurrent(this.#cached ?? cached);
  }

  #toCurrent(cached: CachedRates): CurrentRates {
    return { ...cached.rates, isStale: this.#isStale(cached) };
  }

  #refreshInBackground(): void {
    this.#refreshed().catch(() => undefined);
  }

  /** One refresh at a time; concurrent callers share it. */
  #refreshed(): Promise<CachedRates> {
    this.#refreshing ??= this.#refresh().then(
      (cached) => {
        this.#refreshing = null;
        this.#cached = cached;
        this.#hasWaitedInVain = false;
        this.#reportRefresh(null, cached);
        return cached;
      },
      (error: unknown) => {
        this.#refreshing = null;
        this.#reportRefresh(error, this.#cached);
        throw error;
      },
    );
    return this.#refreshing;
  }

  /** Takes rates that another replica fetched, or fetches them. One replica at a time sends requests. */
  async #refresh(): Promise<CachedRates> {
    const { cache } = this.#options;
    const key = this.#key;
    const claimDeadline = Date.now() + this.#maxRefreshMs;
    for (;;) {
      const [value] = await cache.getMany([key]);
      const shared = readShared(value);
      if (shared && ageOf(shared) < refreshAfter * this.#ttlMs) return shared;
      // Rates of another replica may be newer than the cached ones, even if they need a refresh.
      if (shared && shared.fetchedAt > (this.#cached?.fetchedAt ?? 0)) this.#cached = shared;
      const [isOurs] = await cache.claimMany([key], this.#maxRefreshMs);
      if (isOurs !== false || Date.now() > claimDeadline) break;
      await sleep(this.#retryPolicy.claimPollMs, undefined, { ref: false, signal: this.#closed.signal });
    }
    try {
      const cached = { rates: await this.#fetch(), fetchedAt: Date.now() };
      await cache.setMany([{ key, value: cached }], this.#ttlMs + this.#options.maxStaleSeconds * 1000);
      return cached;
    } finally {
      await cache.releaseMany([key]);
    }
  }

  async #fetch(): Promise<DailyRates> {
    if (Date.now() < this.#notBefore)
      throw new RateServiceError('paused until the Retry-After of the service has passed', false);
    try {
      return await this.#guard.execute(({ signal }) => this.#attempt(signal), this.#closed.signal);
    } catch (error) {
      if (error instanceof BrokenCircuitError) this.#requests.rejected_by_breaker += 1;
      if (error instanceof RateServiceError)
        this.#notBefore = Date.now() + Math.min(error.retryAfterMs, maxRetryAfterMs);
      throw error;
    }
  }

  async #attempt(signal: AbortSignal): Promise<DailyRates> {
    try {
      const rates = await this.#service.latest(signal);
      this.#requests.succeeded += 1;
      return rates;
    } catch (error) {
      this.#requests.failed += 1;
      throw error;
    }
  }

  /** Retry-After, or a random backoff, so that replicas that failed together do not retry together. */
  #backoffMs({ attempt, result }: IRetryBackoffContext<unknown>): number {
    const { initialBackoffMs, maxBackoffMs } = this.#retryPolicy;
    const retryAfterMs = 'error' in result && result.error instanceof RateServiceError ? result.error.retryAfterMs : 0;
    return Math.max(retryAfterMs, Math.random() * Math.min(maxBackoffMs, initialBackoffMs * 2 ** (attempt - 1)));
  }

  /** Upper bound of a refresh, with all attempts and backoffs. */
  get #maxRefreshMs(): number {
    const { maxAttempts, maxBackoffMs } = this.#retryPolicy;
    return maxAttempts * (this.#options.timeoutMs + maxBackoffMs);
  }

  #retryAfterSeconds(): number {
    return Math.ceil(Math.max(this.#retryPolicy.coolDownMs, this.#notBefore - Date.now()) / 1000);
  }

  /** Logs when refreshes begin to fail and when they recover. */
  #reportRefresh(error: unknown, cached: CachedRates | null): void {
    const isFailing = error !== null;
    if (isFailing === this.#isFailing || this.#closed.signal.aborted) return;
    this.#isFailing = isFailing;
    const fields = { service: new URL(this.#options.url).host, ratesDate: cached?.rates.date ?? null };
    if (isFailing)
      this.#options.log.warn(
        { ...fields, reason: error instanceof Error ? error.message : undefined },
        'exchange rate refresh failed; serving stale rates while allowed',
      );
    else this.#options.log.info(fields, 'exchange rate refresh recovered');
  }
}
