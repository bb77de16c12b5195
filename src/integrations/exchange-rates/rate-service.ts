import { RESTDataSource } from '@apollo/datasource-rest';
import type { Logger } from '../../telemetry/logger.js';
import { boundedBody } from '../bounded-body.js';
import { readDailyRates, type DailyRates } from './daily-rates.js';

/** A request for rates failed. */
export class RateServiceError extends Error {
  constructor(
    message: string,
    /** Whether a retry may succeed. */
    readonly isTransient: boolean,
    /** Retry-After of the service, in milliseconds; 0 without one. */
    readonly retryAfterMs = 0,
  ) {
    super(message);
    this.name = 'RateServiceError';
  }
}

export interface RateServiceOptions {
  /** May contain a user and password, sent as HTTP basic authentication, and a key in its query. None of them is logged. */
  url: string;
  timeoutMs: number;
  log: Logger;
}

const maxBodyBytes = 256 * 1024;
const maxRedirects = 3;

/**
 * Client of the exchange rate service. An Apollo REST data source without its caches: responses are shared through Redis
 * with the configured TTL, regardless of the service's headers.
 */
export class RateService extends RESTDataSource {
  readonly #timeoutMs: number;
  readonly #url: string;
  readonly #authorization: string | null;

  constructor({ url, timeoutMs, log }: RateServiceOptions) {
    super({
      logger: log,
      fetch: (address, init) =>
        fetchBounded(address, { headers: init?.headers ?? {}, signal: init?.signal as AbortSignal }),
    });
    const { href, authorization } = withoutCredentials(url);
    this.#url = href;
    this.#authorization = authorization;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Sends one request.
   * @throws RateServiceError if it fails, times out or returns invalid rates
   */
  async latest(signal: AbortSignal): Promise<DailyRates> {
    const headers = {
      accept: 'application/json',
      ...(this.#authorization === null ? {} : { authorization: this.#authorization }),
    };
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(this.#timeoutMs)]);
    try {
      return readDailyRates(
        await this.get<unknown>(this.#url, { headers, signal: deadline, skipCache: true, cacheOptions: { ttl: 0 } }),
      );
    } catch (error) {
      throw this.#toServiceError(error, deadline);
    }
  }

  protected override async parseBody(response: Parameters<RESTDataSource['parseBody']>[0]): Promise<object> {
    if (!response.ok) throw statusError(response.status, response.headers.get('retry-after'));
    return JSON.parse(await response.text()) as object;
  }

  protected override requestDeduplicationPolicyFor() {
    return { policy: 'do-not-deduplicate' } as const;
  }

  /** The base class logs the URL, which may contain a key, in development. */
  protected override trace<Result>(_url: URL, _request: object, execute: () => Promise<Result>): Promise<Result> {
    return execute();
  }

  #toServiceError(error: unknown, deadline: AbortSignal): RateServiceError {
    if (error instanceof RateServiceError) return error;
    if (deadline.aborted) return new RateServiceError(`no response within ${this.#timeoutMs} ms`, true);
    if (error instanceof SyntaxError) return new RateServiceError('the response is not JSON', false);
    if (error instanceof Error && error.name === 'ZodError')
      return new RateServiceError(`the response is not daily rates: ${truncate(error.message)}`, false);
    return new RateServiceError(`the service is unreachable: ${reasonOf(error)}`, true);
  }
}

function statusError(status: number, retryAfter: string | null): RateServiceError {
  return new RateServiceError(
    `the service responded with ${status}`,
    status === 429 || status >= 500,
    retryAfterMsOf(retryAfter),
  );
}

/** Parses Retry-After, in seconds or as a date. @returns milliseconds; 0 if it is missing or invalid. */
function retryAfterMsOf(header: string | null): number {
  if (header === null) return 0;
  const ms = /^\d{1,9}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}

/** `fetch` rejects URLs with credentials: they become a header. */
function withoutCredentials(url: string): { href: string; authorization: string | null } {
  const parsed = new URL(url);
  const { username, password } = parsed;
  parsed.username = '';
  parsed.password = '';
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return {
    href: parsed.href,
    authorization: username === '' && password === '' ? null : `Basic ${Buffer.from(pair).toString('base64')}`,
  };
}

/** `fetch` with redirects within the origin only and a bounded body. @throws RateServiceError, or errors of `fetch` */
async function fetchBounded(
  url: string,
  init: { headers: Record<string, string>; signal: AbortSignal },
): Promise<Response> {
  let address = url;
  for (let hop = 0; hop <= maxRedirects; hop += 1) {
    const response = await fetch(address, { ...init, redirect: 'manual' });
    const location = response.status >= 300 && response.status < 400 ? response.headers.get('location') : null;
    if (location === null) return readBounded(response);
    await response.body?.cancel();
    const next = URL.parse(location, address);
    if (next?.origin !== new URL(address).origin) {
      throw new RateServiceError(
        `the service redirects to another origin (${next?.host ?? 'an invalid URL'}); set EXCHANGE_RATES_URL to it if you trust it`,
        false,
      );
    }
    address = next.href;
  }
  throw new RateServiceError(`the service redirects more than ${maxRedirects} times`, false);
}

async function readBounded(response: Response): Promise<Response> {
  const { status, headers, body } = response;
  if (!response.ok || !body) {
    await body?.cancel();
    return new Response(null, { status, headers });
  }
  const tooLarge = (message: string): Error => new RateServiceError(message, false);
  return new Response(await boundedBody(response, maxBodyBytes, tooLarge), { status, headers });
}

/** The cause of a `fetch` error: its own message is only "fetch failed". */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return 'unknown';
  const { code } = cause as NodeJS.ErrnoException;
  return code ?? cause.name;
}

const truncate = (text: string): string => (text.length > 300 ? `${text.slice(0, 299)}…` : text);
