import { createGraphiQLFetcher, type Fetcher } from '@graphiql/toolkit';
import { createClient } from 'graphql-ws';
import { clientHeaders, graphqlUrl } from './gateway.js';
import type { Sessions } from './session.js';

/** Sends operations over HTTP and subscriptions over WebSocket, both at `/graphql` and for who is signed in; a header typed by hand wins. */
export function createFetcher(sessions: Sessions): Fetcher {
  return createGraphiQLFetcher({
    url: graphqlUrl,
    enableIncrementalDelivery: false,
    fetch: async (url, init) => fetch(url, { ...init, headers: { ...clientHeaders, ...(await sessions.headers()), ...headersOf(init) } }),
    wsClient: createClient({
      url: graphqlUrl.replace(/^http/, 'ws'),
      // Asked for each socket; there is one only while a subscription is open.
      connectionParams: async () => ({ ...clientHeaders, ...(await sessions.headers()) }),
    }),
  });
}

const headersOf = (init: RequestInit | undefined): Record<string, string> => Object.fromEntries(new Headers(init?.headers));
