import * as openid from 'openid-client';
import type { ProviderMetadata } from './provider-metadata.js';
import { ProviderUnavailable } from './shared-fetch.js';
import { isSubject } from './subject.js';

/** What binds the response of the provider to the browser that requested it. */
export interface AuthorizationSecrets {
  state: string;
  nonce: string;
  codeVerifier: string;
}

/** Verified claims of an ID token, and those of the UserInfo endpoint about the same subject. */
export type IdClaims = Readonly<Record<string, unknown>> & { sub: string };

/** The provider, or the response that a browser brought from it, rejected the sign-in. */
export class SignInRejected extends Error {
  constructor(
    /** Whether the user or the provider declined, in contrast to an invalid response. */
    readonly isDeclined: boolean,
    /** An error code of OAuth or of the client library. */
    readonly reason: string,
  ) {
    super('The sign-in was rejected.');
    this.name = 'SignInRejected';
  }
}

export interface IdentityProviderOptions {
  metadata: ProviderMetadata;
  clientId: string;
  /** Undefined for a public client. */
  clientSecret: string | undefined;
  scopes: string;
  /** The URL of the gateway to which the provider returns. */
  redirectUri: string;
}

/** Signs users in at an OpenID provider, by the authorization code flow with PKCE (RFC 9700, 2.1.1). */
export class IdentityProvider {
  constructor(private readonly options: IdentityProviderOptions) {}

  /** Starts a sign-in. @returns where to send the browser. @throws ProviderUnavailable */
  async authorization(): Promise<{ url: URL; secrets: AuthorizationSecrets }> {
    const { scopes, redirectUri } = this.options;
    const client = await this.#client();
    const secrets = {
      state: openid.randomState(),
      nonce: openid.randomNonce(),
      codeVerifier: openid.randomPKCECodeVerifier(),
    };
    const url = openid.buildAuthorizationUrl(client, {
      scope: scopes,
      redirect_uri: redirectUri,
      state: secrets.state,
      nonce: secrets.nonce,
      code_challenge: await openid.calculatePKCECodeChallenge(secrets.codeVerifier),
      code_challenge_method: 'S256',
    });
    return { url, secrets };
  }

  /**
   * Exchanges the code that a browser brought from the provider.
   * @param query of the URL to which the provider returned
   * @throws SignInRejected; ProviderUnavailable
   */
  async claimsOf(query: string, { state, nonce, codeVerifier }: AuthorizationSecrets): Promise<IdClaims> {
    const client = await this.#client();
    const url = new URL(this.options.redirectUri);
    url.search = query;
    try {
      const tokens = await openid.authorizationCodeGrant(client, url, {
        expectedState: state,
        expectedNonce: nonce,
        pkceCodeVerifier: codeVerifier,
        idTokenExpected: true,
      });
      const claims = tokens.claims();
      if (!claims || !isSubject(claims.sub)) throw new SignInRejected(false, 'invalid_subject');
      // Many providers return the e-mail address and groups only there (OpenID Connect Core, 5.4).
      const hasUserInfo = client.serverMetadata().userinfo_endpoint !== undefined;
      const info = hasUserInfo ? await openid.fetchUserInfo(client, tokens.access_token, claims.sub) : {};
      return { ...info, ...claims };
    } catch (error) {
      throw toSignInError(error);
    }
  }

  /** A new client for each use: it reads the provider's keys again, so that a rotation needs no waiting time. */
  async #client(): Promise<openid.Configuration> {
    const { metadata, clientId, clientSecret } = this.options;
    const server = await metadata.read();
    const client = new openid.Configuration(server, clientId, undefined, authenticationOf(server, clientSecret));
    const { requestOptions } = metadata;
    const fetch = requestOptions[openid.customFetch];
    if (fetch) client[openid.customFetch] = fetch;
    client.timeout = requestOptions.timeout;
    for (const extend of requestOptions.execute ?? []) extend(client);
    // The signature of the ID token is verified although it came from the provider directly.
    openid.enableNonRepudiationChecks(client);
    return client;
  }
}

/** The method of the client authentication: as HTTP basic authentication unless the provider supports only the body. */
function authenticationOf(server: openid.ServerMetadata, secret: string | undefined): openid.ClientAuth {
  if (secret === undefined) return openid.None();
  const supported = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
  return supported.includes('client_secret_basic') ? openid.ClientSecretBasic(secret) : openid.ClientSecretPost(secret);
}

/** Error texts of the provider and causes are omitted: they may contain the code or the state. */
function toSignInError(error: unknown): SignInRejected | ProviderUnavailable {
  if (error instanceof SignInRejected) return error;
  if (error instanceof openid.AuthorizationResponseError)
    return new SignInRejected(error.error === 'access_denied', codeOf(error.error));
  if (error instanceof openid.ResponseBodyError)
    return error.status >= 500 ? new ProviderUnavailable(error) : new SignInRejected(false, codeOf(error.error));
  const { code, name } = error as { code?: unknown; name?: unknown };
  return unavailableCodes.has(code) || name === 'TypeError'
    ? new ProviderUnavailable(error)
    : new SignInRejected(false, codeOf(code));
}

/** Codes of openid-client for requests that had no valid response. */
const unavailableCodes = new Set<unknown>([
  'OAUTH_TIMEOUT',
  'OAUTH_ABORT',
  'OAUTH_RESPONSE_IS_NOT_CONFORM',
  'OAUTH_RESPONSE_IS_NOT_JSON',
  undefined,
]);

const codeOf = (code: unknown): string => (typeof code === 'string' && /^\w{1,60}$/.test(code) ? code : 'unknown');
