import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { BrokenCircuitError, circuitBreaker, CircuitState, ConsecutiveBreaker, DelegateBackoff, handleAll, handleWhen, retry, wrap, type IRetryBackoffContext } from 'cockatiel';
import type { Cache } from '../shared/cache.js';
import { ServiceUnavailable } from '../shared/errors.js';
import type { Logger } from '../shared/logger.js';
import { readDailyRates, type DailyRates } from './daily-rates.js';
import { RateService, RateServiceError } from './rate-service.js';

/** Rates to go by now. */
export interface CurrentRates extends DailyRates {
  /** Whether they are older than is configured, since newer ones cannot be had. */
  isStale: boolean;
}

/** Counted since the start. */
export interface ExchangeRateStatistics {
  requests: { answered: number; failed: number; refused_by_breaker: number };
  /** Seconds since the rates in hand were fetched, by whichever replica; null where there are none. */
  ageSeconds: number | null;
  isBreakerOpen: boolean;
}

export interface ExchangeRateOptions {
  url: string;
  /** How long one attempt may take. */
  timeoutMs: number;
  ttlSeconds: number;
  maxStaleSeconds: number;
  /** Where replicas share rates. */
  cache: Cache;
  log: Logger;
  /** How failures are met; set by tests. */
  patience?: Partial<Patience>;
}

/** Milliseconds, but for the numbers. */
interface Patience {
  attempts: number;
  /** The first wait between two attempts is up to this, and each further one up to twice as long. */
  firstWaitMs: number;
  /** A longer wait, or Retry-After, is for the next time that somebody asks. */
  longestWaitMs: number;
  /** Failures in a row after which nothing is asked for a while. */
  failuresToBreak: number;
  coolDownMs: number;
  /** Between two looks whether the replica that asks has had its answer. */
  lookMs: number;
}

const usualPatience: Patience = { attempts: 3, firstWaitMs: 200, longestWaitMs: 2000, failuresToBreak: 3, coolDownMs: 10_000, lookMs: 50 };

/** From this share of their time on, rates are renewed behind the one who asks. */
const renewAfter = 0.8;

/** The longest that a service may ask to be left alone. */
const maxSilenceMs = 3_600_000;

/**
 * Today's exchange rates from a service outside. One request serves everyone: rates are held here and, with Redis, by all
 * replicas, and are renewed before they are too old, on demand. A service that is slow, away or talks nonsense is asked again a few
 * times and then left alone for a while; meanwhile the last good rates stand in and say so, for as long as is configured.
 */
export class ExchangeRates {
  readonly #options: ExchangeRateOptions;
  readonly #patience: Patience;
  readonly #service: RateService;
  /** Rates of one service are not those of another. */
  readonly #key: string;
  readonly #breaker;
  readonly #guard;
  readonly #stopped = new AbortController();
  readonly #requests = { answered: 0, failed: 0, refused_by_breaker: 0 };
  #held: HeldRates | null = null;
  #renewing: Promise<HeldRates> | null = null;
  /** Whether rates could not be had when they were last wanted. */
  #isFailing = false;
  /** Whether somebody has waited for newer rates and got the old ones: nobody else does until newer ones have come. */
  #wasAwaitedInVain = false;
  /** Until when the service has asked to be left alone. */
  #silentUntil = 0;

  constructor(options: ExchangeRateOptions) {
    this.#options = options;
    this.#patience = { ...usualPatience, ...options.patience };
    this.#service = new RateService(options);
    this.#key = createHash('sha256').update(options.url).digest('base64url');
    const { attempts, failuresToBreak, coolDownMs } = this.#patience;
    this.#breaker = circuitBreaker(handleAll, { halfOpenAfter: coolDownMs, breaker: new ConsecutiveBreaker(failuresToBreak) });
    const isWorthRetrying = handleWhen((error) => error instanceof RateServiceError && error.isTransient && error.retryAfterMs <= this.#patience.longestWaitMs);
    this.#guard = wrap(retry(isWorthRetrying, { maxAttempts: attempts - 1, backoff: new DelegateBackoff((context) => this.#waitMs(context)) }), this.#breaker);
  }

  /** @throws ServiceUnavailable where there are no rates that may be used */
  async current(): Promise<CurrentRates> {
    const held = this.#held;
    if (held && ageOf(held) < this.#ttlMs) {
      if (ageOf(held) >= renewAfter * this.#ttlMs) this.#renewBehind();
      return this.#told(held);
    }
    if (held && this.#isUsable(held)) return this.#staleUnlessRenewed(held);
    // Even without newer ones there may now be those that another replica had.
    const renewed = await this.#renewed().catch(() => this.#held);
    if (renewed && this.#isUsable(renewed)) return this.#told(renewed);
    throw new ServiceUnavailable('Exchange rates cannot be had at the moment; try again later.', this.#retryAfterSeconds());
  }

  /** How it goes, for who operates the gateway. */
  health(): { isUp: boolean; detail: string } {
    const held = this.#held;
    const ofDay = held === null ? 'no rates yet' : `rates of ${held.rates.date}`;
    return { isUp: !this.#isFailing, detail: held !== null && ageOf(held) >= this.#ttlMs ? `${ofDay}, stale` : ofDay };
  }

  get statistics(): ExchangeRateStatistics {
    const isBreakerOpen = this.#breaker.state === CircuitState.Open;
    return { requests: { ...this.#requests }, ageSeconds: this.#held && ageOf(this.#held) / 1000, isBreakerOpen };
  }

  /** Asks for nothing more, and lets go of what is being asked. */
  close(): void {
    this.#stopped.abort();
  }

  get #ttlMs(): number {
    return this.#options.ttlSeconds * 1000;
  }

  #isUsable(held: HeldRates): boolean {
    return ageOf(held) < this.#ttlMs + this.#options.maxStaleSeconds * 1000;
  }

  /** Where newer ones do not come within one attempt's time, or have failed to come already, the old ones do. */
  async #staleUnlessRenewed(held: HeldRates): Promise<CurrentRates> {
    const renewed = this.#renewed().catch(() => null);
    if (!this.#wasAwaitedInVain) this.#wasAwaitedInVain = (await Promise.race([renewed, sleep(this.#options.timeoutMs, null, { ref: false })])) === null;
    return this.#told(this.#held ?? held);
  }

  #told(held: HeldRates): CurrentRates {
    return { ...held.rates, isStale: ageOf(held) >= this.#ttlMs };
  }

  #renewBehind(): void {
    this.#renewed().catch(() => undefined);
  }

  /** One renewal for all who want it now. */
  #renewed(): Promise<HeldRates> {
    this.#renewing ??= this.#renew().then(
      (held) => {
        this.#renewing = null;
        this.#held = held;
        this.#wasAwaitedInVain = false;
        this.#note(null, held);
        return held;
      },
      (error: unknown) => {
        this.#renewing = null;
        this.#note(error, this.#held);
        throw error;
      },
    );
    return this.#renewing;
  }

  /** From another replica where one has just fetched them, else from the service; only one replica asks it at a time. */
  async #renew(): Promise<HeldRates> {
    const { cache } = this.#options;
    const key = this.#key;
    const giveUpAt = Date.now() + this.#longestMs;
    for (;;) {
      const [value] = await cache.getMany([key]);
      const shared = readHeld(value);
      if (shared && ageOf(shared) < renewAfter * this.#ttlMs) return shared;
      // What another replica had last is better than nothing, and may be newer than what is held here.
      if (shared && shared.fetchedAt > (this.#held?.fetchedAt ?? 0)) this.#held = shared;
      const [isOurs] = await cache.claimMany([key], this.#longestMs);
      if (isOurs !== false || Date.now() > giveUpAt) break;
      await sleep(this.#patience.lookMs, undefined, { ref: false, signal: this.#stopped.signal });
    }
    try {
      const held = { rates: await this.#fetched(), fetchedAt: Date.now() };
      await cache.setMany([{ key, value: held }], this.#ttlMs + this.#options.maxStaleSeconds * 1000);
      return held;
    } finally {
      await cache.releaseMany([key]);
    }
  }

  async #fetched(): Promise<DailyRates> {
    if (Date.now() < this.#silentUntil) throw new RateServiceError('the service has asked to be left alone', false);
    try {
      return await this.#guard.execute(({ signal }) => this.#attempt(signal), this.#stopped.signal);
    } catch (error) {
      if (error instanceof BrokenCircuitError) this.#requests.refused_by_breaker += 1;
      if (error instanceof RateServiceError) this.#silentUntil = Date.now() + Math.min(error.retryAfterMs, maxSilenceMs);
      throw error;
    }
  }

  async #attempt(signal: AbortSignal): Promise<DailyRates> {
    try {
      const rates = await this.#service.latest(signal);
      this.#requests.answered += 1;
      return rates;
    } catch (error) {
      this.#requests.failed += 1;
      throw error;
    }
  }

  /** As long as the service asks for, else at random: replicas that failed together do not come back together. */
  #waitMs({ attempt, result }: IRetryBackoffContext<unknown>): number {
    const { firstWaitMs, longestWaitMs } = this.#patience;
    const asked = 'error' in result && result.error instanceof RateServiceError ? result.error.retryAfterMs : 0;
    return Math.max(asked, Math.random() * Math.min(longestWaitMs, firstWaitMs * 2 ** (attempt - 1)));
  }

  /** How long a renewal may take, all attempts and waits together. */
  get #longestMs(): number {
    const { attempts, longestWaitMs } = this.#patience;
    return attempts * (this.#options.timeoutMs + longestWaitMs);
  }

  #retryAfterSeconds(): number {
    return Math.ceil(Math.max(this.#patience.coolDownMs, this.#silentUntil - Date.now()) / 1000);
  }

  /** Tells the log when rates can no longer be had, and when they can again. */
  #note(error: unknown, held: HeldRates | null): void {
    const isFailing = error !== null;
    if (isFailing === this.#isFailing || this.#stopped.signal.aborted) return;
    this.#isFailing = isFailing;
    const about = { service: new URL(this.#options.url).host, ratesOf: held?.rates.date ?? null };
    if (isFailing) this.#options.log.warn({ ...about, reason: error instanceof Error ? error.message : undefined }, 'exchange rates cannot be had; those of before go on as long as they may');
    else this.#options.log.info(about, 'exchange rates can be had again');
  }
}

/** Rates, and when they were fetched, by the clock of who did, in milliseconds. */
interface HeldRates {
  rates: DailyRates;
  fetchedAt: number;
}

/** Rates from further ahead would never grow old. */
const maxClockDifferenceMs = 60_000;

/** Clocks of replicas differ. */
const ageOf = ({ fetchedAt }: HeldRates): number => Math.max(0, Date.now() - fetchedAt);

/** Rates that a replica has shared; null where there are none, or none to be trusted. */
function readHeld(value: unknown): HeldRates | null {
  if (typeof value !== 'object' || value === null || !('rates' in value) || !('fetchedAt' in value) || typeof value.fetchedAt !== 'number') return null;
  if (value.fetchedAt > Date.now() + maxClockDifferenceMs) return null;
  try {
    // Good as rates of the day on which they came: how long they may be used since is for the caller to say.
    return { rates: readDailyRates(value.rates, value.fetchedAt), fetchedAt: value.fetchedAt };
  } catch {
    return null;
  }
}
