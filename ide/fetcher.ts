import { createGraphiQLFetcher, isAsyncIterable, type Fetcher, type FetcherReturnType } from '@graphiql/toolkit';
import { createClient, type Client } from 'graphql-ws';
import { clientHeaders, graphqlUrl } from './gateway.js';
import type { Sessions } from './session.js';
import type { Streams } from './streams.js';

/** A client for subscriptions with the credentials of the session, which are read for each socket. */
export const createSocketClient = (sessions: Sessions): Client =>
  createClient({
    url: graphqlUrl.replace(/^http/, 'ws'),
    // A socket exists only while a subscription is open.
    connectionParams: async () => ({ ...clientHeaders, ...(await sessions.headers()) }),
  });

/** Sends operations over HTTP and subscriptions over WebSocket with the credentials of the session; headers of the editor take precedence. */
export function createFetcher(sessions: Sessions, wsClient: Client, streams: Streams): Fetcher {
  const fetcher = createGraphiQLFetcher({
    url: graphqlUrl,
    enableIncrementalDelivery: false,
    fetch: async (url, init) =>
      fetch(url, { ...init, headers: { ...clientHeaders, ...(await sessions.headers()), ...headersOf(init) } }),
    wsClient,
  });
  return async (params, options): Promise<Awaited<FetcherReturnType>> => {
    const result = await fetcher(params, options);
    if (isAsyncIterable(result)) return streams.follow(result);
    if (params.operationName !== 'IntrospectionQuery') streams.clear();
    return result as Awaited<FetcherReturnType>;
  };
}

const headersOf = (init: RequestInit | undefined): Record<string, string> =>
  Object.fromEntries(new Headers(init?.headers));
