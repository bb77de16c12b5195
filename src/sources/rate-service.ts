import { RESTDataSource } from '@apollo/datasource-rest';
import type { Logger } from '../shared/logger.js';
import { readDailyRates, type DailyRates } from './daily-rates.js';

/** Rates did not come. */
export class RateServiceError extends Error {
  constructor(
    message: string,
    /** Whether it may go well when it is tried again. */
    readonly isTransient: boolean,
    /** What the service asks to wait, in milliseconds; 0: nothing. */
    readonly retryAfterMs = 0,
  ) {
    super(message);
    this.name = 'RateServiceError';
  }
}

export interface RateServiceOptions {
  /** May hold a user and a password, which are sent as HTTP's basic authentication, and a key in its query; none of them is logged. */
  url: string;
  timeoutMs: number;
  log: Logger;
}

const maxBodyBytes = 256 * 1024;
const maxRedirects = 3;

/**
 * The service that knows today's rates; each call is one request. It is a REST data source of Apollo's, but for the caches that
 * it brings: answers are shared through Redis and are good for as long as is configured, whatever the service's headers say.
 */
export class RateService extends RESTDataSource {
  readonly #timeoutMs: number;
  readonly #url: string;
  readonly #authorization: string | null;

  constructor({ url, timeoutMs, log }: RateServiceOptions) {
    super({ logger: log, fetch: (address, init) => fetchBounded(address, { headers: init?.headers ?? {}, signal: init?.signal as AbortSignal }) });
    const { href, authorization } = withoutCredentials(url);
    this.#url = href;
    this.#authorization = authorization;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Asks once.
   * @throws RateServiceError
   */
  async latest(signal: AbortSignal): Promise<DailyRates> {
    const headers = { accept: 'application/json', ...(this.#authorization === null ? {} : { authorization: this.#authorization }) };
    const inTime = AbortSignal.any([signal, AbortSignal.timeout(this.#timeoutMs)]);
    try {
      return readDailyRates(await this.get<unknown>(this.#url, { headers, signal: inTime, skipCache: true, cacheOptions: { ttl: 0 } }));
    } catch (error) {
      throw this.#told(error, inTime);
    }
  }

  protected override async parseBody(response: Parameters<RESTDataSource['parseBody']>[0]): Promise<object> {
    if (!response.ok) throw refusal(response.status, response.headers.get('retry-after'));
    return JSON.parse(await response.text()) as object;
  }

  protected override requestDeduplicationPolicyFor() {
    return { policy: 'do-not-deduplicate' } as const;
  }

  /** Apollo's own would write the address, with whatever key is in it, in development. */
  protected override trace<Result>(_url: URL, _request: object, ask: () => Promise<Result>): Promise<Result> {
    return ask();
  }

  #told(error: unknown, inTime: AbortSignal): RateServiceError {
    if (error instanceof RateServiceError) return error;
    if (inTime.aborted) return new RateServiceError(`no answer within ${this.#timeoutMs} ms`, true);
    if (error instanceof SyntaxError) return new RateServiceError('the answer is not JSON', false);
    if (error instanceof Error && error.name === 'ZodError') return new RateServiceError(`the answer has not the shape of daily rates: ${shortened(error.message)}`, false);
    return new RateServiceError(`the service cannot be reached: ${reasonOf(error)}`, true);
  }
}

function refusal(status: number, retryAfter: string | null): RateServiceError {
  return new RateServiceError(`the service answers ${status}`, status === 429 || status >= 500, retryAfterMsOf(retryAfter));
}

/** Retry-After in seconds or as a date; 0 where it says nothing. */
function retryAfterMsOf(header: string | null): number {
  if (header === null) return 0;
  const ms = /^\d{1,9}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}

/** fetch takes no credentials in an address. */
function withoutCredentials(url: string): { href: string; authorization: string | null } {
  const parsed = new URL(url);
  const { username, password } = parsed;
  parsed.username = '';
  parsed.password = '';
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { href: parsed.href, authorization: username === '' && password === '' ? null : `Basic ${Buffer.from(pair).toString('base64')}` };
}

/** fetch, that follows no redirect to another origin, and reads no more than a bounded body. @throws RateServiceError, or what fetch throws */
async function fetchBounded(url: string, init: { headers: Record<string, string>; signal: AbortSignal }): Promise<Response> {
  let address = url;
  for (let hop = 0; hop <= maxRedirects; hop += 1) {
    const response = await fetch(address, { ...init, redirect: 'manual' });
    const location = response.status >= 300 && response.status < 400 ? response.headers.get('location') : null;
    if (location === null) return bounded(response);
    await response.body?.cancel();
    const next = URL.parse(location, address);
    if (next?.origin !== new URL(address).origin) {
      throw new RateServiceError(`the service sends to another place, ${next?.host ?? 'which is no address'}; name that one if you trust it`, false);
    }
    address = next.href;
  }
  throw new RateServiceError(`the service redirects more than ${maxRedirects} times`, false);
}

async function bounded(response: Response): Promise<Response> {
  const { status, headers, body } = response;
  if (!response.ok || !body) {
    await body?.cancel();
    return new Response(null, { status, headers });
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    // Leaving the loop ends the connection.
    if (bytes > maxBodyBytes) throw new RateServiceError(`the answer is larger than ${maxBodyBytes} bytes`, false);
    chunks.push(chunk);
  }
  return new Response(Buffer.concat(chunks), { status, headers });
}

/** fetch says why in the cause: its own message is "fetch failed". */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return 'unknown';
  const { code } = cause as NodeJS.ErrnoException;
  return code ?? cause.name;
}

const shortened = (text: string): string => (text.length > 300 ? `${text.slice(0, 299)}…` : text);
