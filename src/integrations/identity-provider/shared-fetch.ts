/** The identity provider does not respond, or not as the specification requires. */
export class ProviderUnavailable extends Error {
  /** The code or name of the error, for logs: texts may contain a code or a token. */
  readonly reason: string;

  constructor(cause?: unknown) {
    super('The identity provider is unavailable.');
    this.name = 'ProviderUnavailable';
    this.reason = reasonOf(cause);
  }
}

/** The innermost code or name: `fetch` reports only that it failed. */
function reasonOf(error: unknown): string {
  const { code, name, cause } = (error ?? {}) as { code?: unknown; name?: unknown; cause?: unknown };
  if (typeof cause === 'object' && cause !== null && 'code' in cause) return reasonOf(cause);
  return typeof code === 'string' ? code : typeof name === 'string' ? name : 'not read';
}

interface SharedFetchOptions {
  /** A value older than this is read again in the background. */
  freshMs?: number;
  /** A value older than this is no longer used. */
  maxAgeMs?: number;
  /** Shortest time between two reads that callers cause. */
  cooldownMs?: number;
  /** Receives why a read failed. */
  onFailure?: (failure: ProviderUnavailable) => void;
}

/**
 * A value of another service that all callers share. It is read at first use, and again in the background once it is old.
 * Callers, which may be anonymous, cause at most one read per cooldown, also while reads fail.
 */
export class SharedFetch<Value> {
  readonly #fetch: () => Promise<Value>;
  readonly #options: Required<SharedFetchOptions>;
  #current: { value: Value; readAtMs: number } | null = null;
  #reading: Promise<Value> | null = null;
  #startedAtMs = -Infinity;

  constructor(
    fetch: () => Promise<Value>,
    {
      freshMs = 600_000,
      maxAgeMs = 3_600_000,
      cooldownMs = 10_000,
      onFailure = () => undefined,
    }: SharedFetchOptions = {},
  ) {
    this.#fetch = fetch;
    this.#options = { freshMs, maxAgeMs, cooldownMs, onFailure };
  }

  /** @throws ProviderUnavailable */
  async value(): Promise<Value> {
    const ageMs = this.#current ? performance.now() - this.#current.readAtMs : Infinity;
    if (!this.#current || ageMs > this.#options.maxAgeMs) return this.newer();
    if (ageMs > this.#options.freshMs) this.newer().catch(() => undefined);
    return this.#current.value;
  }

  /** Reads the value again unless that happened within the cooldown. @throws ProviderUnavailable */
  newer(): Promise<Value> {
    if (this.#reading) return this.#reading;
    const nowMs = performance.now();
    if (nowMs - this.#startedAtMs < this.#options.cooldownMs) {
      return this.#current && nowMs - this.#current.readAtMs <= this.#options.maxAgeMs
        ? Promise.resolve(this.#current.value)
        : Promise.reject(new ProviderUnavailable());
    }
    this.#startedAtMs = nowMs;
    this.#reading = this.#read().finally(() => (this.#reading = null));
    return this.#reading;
  }

  async #read(): Promise<Value> {
    try {
      const value = await this.#fetch();
      this.#current = { value, readAtMs: performance.now() };
      return value;
    } catch (error) {
      const failure = error instanceof ProviderUnavailable ? error : new ProviderUnavailable(error);
      this.#options.onFailure(failure);
      throw failure;
    }
  }
}
