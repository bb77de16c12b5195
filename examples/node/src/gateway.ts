import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { createClient, type Client, type SubscribePayload } from 'graphql-ws';
import manifest from '../package.json' with { type: 'json' };
import { RefreshSessionDocument, SignInDocument, SignOutDocument, type SessionTokensFragment } from './generated/graphql.ts';

/** Who asks: a program by its API key, or a person. */
export type Credentials = { apiKey: string } | { email: string; password: string };

const clientHeaders = { 'apollographql-client-name': 'example-node', 'apollographql-client-version': manifest.version };

/** A token is renewed once this share of its life is over, before a request fails of it. */
const renewAfter = 0.8;

/** The gateway's answer where it gave errors, or that it could not be reached. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Typed operations against a gateway. Documents go by their ids: the gateway has the texts. */
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
  async ask<Data, Variables>(document: TypedDocumentNode<Data, Variables>, variables: Variables): Promise<Data> {
    return this.#send(document, variables, await this.#authorization());
  }

  /** The events of a subscription, until the loop over them is left. After a lost connection they go on. @throws GatewayError */
  async *listen<Data, Variables>(document: TypedDocumentNode<Data, Variables>, variables: Variables): AsyncGenerator<Data> {
    this.#socket ??= this.#connect();
    // The protocol wants a text; the gateway goes by the id.
    const payload = { query: '', variables, extensions: persistedQuery(document) } as SubscribePayload;
    try {
      for await (const { data, errors } of this.#socket.iterate<Data>(payload)) {
        if (errors?.[0]) throw refusal(errors[0]);
        if (data) yield data;
      }
    } catch (error) {
      if (Array.isArray(error)) throw refusal(error[0] as AnswerError);
      throw isClose(error) ? new GatewayError(String(error.code), `The gateway has closed the connection: ${error.reason}`) : unreachable(this.#url, error);
    }
  }

  /** Ends the session, and lets the process end. */
  async close(): Promise<void> {
    await this.#socket?.dispose();
    const token = this.#session?.tokens.accessToken;
    this.#session = null;
    // A session that cannot be ended now ends by itself, and must not hide why this is being closed.
    if (token !== undefined) await this.#send(SignOutDocument, {}, { authorization: `Bearer ${token}` }).catch(() => null);
  }

  async #authorization(): Promise<Record<string, string>> {
    if ('apiKey' in this.#credentials) return { 'x-api-key': this.#credentials.apiKey };
    if (!this.#session || Date.now() >= this.#session.renewAtMs) this.#session = await this.#newSession(this.#credentials);
    return { authorization: `Bearer ${this.#session.tokens.accessToken}` };
  }

  async #newSession(credentials: { email: string; password: string }): Promise<{ tokens: SessionTokensFragment; renewAtMs: number }> {
    const tokens = this.#session
      ? (await this.#send(RefreshSessionDocument, { refreshToken: this.#session.tokens.refreshToken })).refreshSession
      : (await this.#send(SignInDocument, credentials)).login;
    return { tokens, renewAtMs: Date.now() + (Date.parse(tokens.accessTokenExpiresAt) - Date.now()) * renewAfter };
  }

  async #send<Data, Variables>(document: TypedDocumentNode<Data, Variables>, variables: Variables, headers: Record<string, string> = {}): Promise<Data> {
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...clientHeaders, ...headers },
      body: JSON.stringify({ variables, extensions: persistedQuery(document) }),
    }).catch((error: unknown) => {
      throw unreachable(this.#url, error);
    });
    const answer = (await response.json().catch(() => ({}))) as { data?: Data | null; errors?: AnswerError[] };
    if (answer.errors?.[0]) throw refusal(answer.errors[0]);
    if (!answer.data) throw new GatewayError('NO_GATEWAY', `${this.#url} answered with status ${response.status}, and not as a gateway does. Look at GATEWAY_URL.`);
    return answer.data;
  }

  /** The socket comes back by itself; a token that has expired in the meantime is renewed then. */
  #connect(): Client {
    return createClient({
      url: this.#url.replace(/^http/, 'ws'),
      connectionParams: async () => ({ ...(await this.#authorization()), ...clientHeaders }),
      shouldRetry: (error) => !(error instanceof GatewayError && error.code === 'UNAUTHENTICATED'),
    });
  }
}

interface AnswerError {
  message: string;
  extensions?: { code?: string };
}

const refusal = ({ message, extensions }: AnswerError): GatewayError => new GatewayError(extensions?.code ?? 'UNKNOWN', message);

/** Whether the gateway has closed the socket, and said why. */
const isClose = (error: unknown): error is { code: number; reason: string } =>
  typeof error === 'object' && error !== null && 'reason' in error && typeof error.reason === 'string' && error.reason !== '';

function unreachable(url: string, error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  return new GatewayError('UNREACHABLE', `The gateway at ${url} cannot be reached. Is it running, and is GATEWAY_URL right?`, { cause: error });
}

/** The document's id in the form that every server of persisted queries knows; the generator put it into the document. */
function persistedQuery(document: object): { persistedQuery: { version: 1; sha256Hash: string } } {
  const { hash = '' } = (document as { __meta__?: { hash?: string } }).__meta__ ?? {};
  return { persistedQuery: { version: 1, sha256Hash: hash.replace('sha256:', '') } };
}
