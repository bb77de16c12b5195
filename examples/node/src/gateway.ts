import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { createClient, type Client, type SubscribePayload } from 'graphql-ws';
import manifest from '../package.json' with { type: 'json' };
import {
  RefreshSessionDocument,
  SignInDocument,
  SignOutDocument,
  type SessionTokensFragment,
} from './generated/graphql.ts';

/** An API key for programs, or the account of a user. */
export type Credentials = { apiKey: string } | { email: string; password: string };

const clientHeaders = { 'apollographql-client-name': 'example-node', 'apollographql-client-version': manifest.version };

/** Tokens are renewed after this fraction of their lifetime, before a request fails. */
const renewAfter = 0.8;

/** The first GraphQL error of a response, or a connection error. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Executes typed operations. Sends only document ids, because the gateway has the documents. */
export class Gateway {
  readonly #url: string;
  readonly #credentials: Credentials;
  #session: { tokens: SessionTokensFragment; renewAtMs: number } | null = null;
  #socket: Client | null = null;

  constructor(url: string, credentials: Credentials) {
    this.#url = url;
    this.#credentials = credentials;
  }

  /** @throws GatewayError with the code and message of the first error */
  async execute<Data, Variables>(document: TypedDocumentNode<Data, Variables>, variables: Variables): Promise<Data> {
    return this.#send(document, variables, await this.#authorization());
  }

  /** Yields the events of a subscription until the loop ends; reconnects after a lost connection. @throws GatewayError */
  async *subscribe<Data, Variables>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
  ): AsyncGenerator<Data> {
    this.#socket ??= this.#connect();
    // The protocol requires a query; the gateway uses the id.
    const payload = { query: '', variables, extensions: persistedQuery(document) } as SubscribePayload;
    try {
      for await (const { data, errors } of this.#socket.iterate<Data>(payload)) {
        if (errors?.[0]) throw toGatewayError(errors[0]);
        if (data) yield data;
      }
    } catch (error) {
      if (Array.isArray(error)) throw toGatewayError(error[0] as ResponseError);
      throw isClose(error)
        ? new GatewayError(String(error.code), `The gateway closed the connection: ${error.reason}`)
        : unreachable(this.#url, error);
    }
  }

  /** Closes the socket and signs out, so that the process can exit. */
  async close(): Promise<void> {
    await this.#socket?.dispose();
    const token = this.#session?.tokens.accessToken;
    this.#session = null;
    // Ignored: the session expires anyway, and the error must not hide the reason for closing.
    if (token !== undefined)
      await this.#send(SignOutDocument, {}, { authorization: `Bearer ${token}` }).catch(() => null);
  }

  async #authorization(): Promise<Record<string, string>> {
    if ('apiKey' in this.#credentials) return { 'x-api-key': this.#credentials.apiKey };
    if (!this.#session || Date.now() >= this.#session.renewAtMs)
      this.#session = await this.#newSession(this.#credentials);
    return { authorization: `Bearer ${this.#session.tokens.accessToken}` };
  }

  async #newSession(credentials: {
    email: string;
    password: string;
  }): Promise<{ tokens: SessionTokensFragment; renewAtMs: number }> {
    const tokens = this.#session
      ? (await this.#send(RefreshSessionDocument, { refreshToken: this.#session.tokens.refreshToken })).refreshSession
      : (await this.#send(SignInDocument, credentials)).login;
    if (!tokens) throw new GatewayError('UNKNOWN', 'The gateway returned neither a session nor an error.');
    return { tokens, renewAtMs: Date.now() + (Date.parse(tokens.accessTokenExpiresAt) - Date.now()) * renewAfter };
  }

  async #send<Data, Variables>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
    headers: Record<string, string> = {},
  ): Promise<Data> {
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...clientHeaders, ...headers },
      body: JSON.stringify({ variables, extensions: persistedQuery(document) }),
    }).catch((error: unknown) => {
      throw unreachable(this.#url, error);
    });
    const result = (await response.json().catch(() => ({}))) as { data?: Data | null; errors?: ResponseError[] };
    if (result.errors?.[0]) throw toGatewayError(result.errors[0]);
    if (!result.data)
      throw new GatewayError(
        'NO_GATEWAY',
        `${this.#url} returned status ${response.status} without a GraphQL response. Check GATEWAY_URL.`,
      );
    return result.data;
  }

  /** The client reconnects automatically; a token that expired in the meantime is renewed. */
  #connect(): Client {
    return createClient({
      url: this.#url.replace(/^http/, 'ws'),
      connectionParams: async () => ({ ...(await this.#authorization()), ...clientHeaders }),
      shouldRetry: (error) => !(error instanceof GatewayError && error.code === 'UNAUTHENTICATED'),
    });
  }
}

interface ResponseError {
  message: string;
  extensions?: { code?: string };
}

const toGatewayError = ({ message, extensions }: ResponseError): GatewayError =>
  new GatewayError(extensions?.code ?? 'UNKNOWN', message);

/** Whether the gateway closed the socket with a reason. */
const isClose = (error: unknown): error is { code: number; reason: string } =>
  typeof error === 'object' &&
  error !== null &&
  'reason' in error &&
  typeof error.reason === 'string' &&
  error.reason !== '';

function unreachable(url: string, error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  return new GatewayError(
    'UNREACHABLE',
    `The gateway at ${url} cannot be reached. Check that it is running and that GATEWAY_URL is correct.`,
    { cause: error },
  );
}

/** The id of a generated document, in the form of automatic persisted queries. */
function persistedQuery(document: object): { persistedQuery: { version: 1; sha256Hash: string } } {
  const { hash = '' } = (document as { __meta__?: { hash?: string } }).__meta__ ?? {};
  return { persistedQuery: { version: 1, sha256Hash: hash.replace('sha256:', '') } };
}
