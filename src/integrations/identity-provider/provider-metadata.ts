import * as openid from 'openid-client';
import type { Logger } from '../../telemetry/logger.js';
import { boundedFetch } from './bounded-fetch.js';
import { SharedFetch, type ProviderUnavailable } from './shared-fetch.js';

/** Each request to the provider must complete within this time. */
export const providerTimeoutSeconds = 5;

/** How the provider names its endpoints, read from its discovery document (OpenID Connect Discovery 1.0) and cached. */
export class ProviderMetadata {
  readonly #fetched: SharedFetch<openid.ServerMetadata>;

  constructor(
    readonly issuer: string,
    private readonly log: Logger,
  ) {
    this.#fetched = new SharedFetch(() => this.#discover(), { onFailure: this.logFailure });
  }

  /** @throws ProviderUnavailable */
  read(): Promise<openid.ServerMetadata> {
    return this.#fetched.value();
  }

  /** Logs that a request to the provider failed. */
  readonly logFailure = ({ reason }: ProviderUnavailable): void =>
    this.log.warn({ issuer: this.issuer, reason }, 'identity provider unavailable');

  /** The options of every request to the provider. */
  get requestOptions(): openid.DiscoveryRequestOptions {
    return {
      [openid.customFetch]: (url, options) => boundedFetch(url, options as RequestInit),
      timeout: providerTimeoutSeconds,
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- the configuration allows http on this machine only, for development
      ...(this.issuer.startsWith('http:') ? { execute: [openid.allowInsecureRequests] } : {}),
    };
  }

  async #discover(): Promise<openid.ServerMetadata> {
    const discovered = await openid.discovery(
      new URL(this.issuer),
      'discovery',
      undefined,
      openid.None(),
      this.requestOptions,
    );
    return discovered.serverMetadata();
  }
}
