import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, Observable } from '@apollo/client';
import { SetContextLink } from '@apollo/client/link/context';
import { CombinedGraphQLErrors } from '@apollo/client/errors';
import { ErrorLink } from '@apollo/client/link/error';
import { OperationTypeNode, type FormattedExecutionResult } from 'graphql';
import { createClient } from 'graphql-ws';
import { from, switchMap } from 'rxjs';
import { clientHeaders, codesOf, documentIdOf, gatewayUrl } from './gateway.ts';
import { accessToken, isSignedIn, renewAccessToken, watchSession } from './session.ts';

/** Close codes for invalid or expired credentials. */
const unauthorized = [4401, 4403];

const maxRetryMs = 8000;

/** The access token of the current socket. */
let tokenOfSocket: string | null = null;

/** One socket for all subscriptions. It opens with the first, closes with the last, and reconnects automatically. */
export const socket = createClient({
  url: () => new URL(gatewayUrl, location.href.replace(/^http/, 'ws')).href,
  connectionParams: async () => {
    tokenOfSocket = await accessToken();
    if (tokenOfSocket === null) throw new Error('Not signed in.');
    return { authorization: `Bearer ${tokenOfSocket}`, ...clientHeaders };
  },
  retryAttempts: Infinity,
  // Doubles up to a limit, so that a long outage ends soon after the gateway is back; varies, so that not all clients return at once.
  retryWait: (attempt) =>
    new Promise((resolve) =>
      setTimeout(resolve, Math.min(1000 * 2 ** attempt, maxRetryMs) * (0.5 + Math.random() / 2)),
    ),
  shouldRetry: isSignedIn,
  keepAlive: 20_000,
  on: {
    closed: (event) => {
      if (unauthorized.includes((event as CloseEvent).code) && isSignedIn())
        void renewAccessToken(tokenOfSocket).catch(() => null);
    },
    // Events were missed while the socket was disconnected.
    connected: (_socket, _payload, wasRetry) => {
      if (wasRetry) void client.refetchObservableQueries();
    },
  },
});

/** Sends document ids instead of documents: the gateway executes only trusted documents. */
const persisted = new ApolloLink((operation, forward) => {
  const sha256Hash = documentIdOf(operation.query).replace('sha256:', '');
  operation.extensions = { ...operation.extensions, persistedQuery: { version: 1, sha256Hash } };
  operation.setContext({ http: { includeQuery: false, includeExtensions: true } });
  return forward(operation);
});

const authorized = new SetContextLink(async ({ headers }) => {
  const token = await accessToken();
  return {
    token,
    headers: {
      ...(headers as Record<string, string> | undefined),
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
  };
});

/** Renews a rejected token and retries the operation once. */
const renewing = new ErrorLink(({ error, operation, forward }) => {
  if (!codesOf(error).includes('UNAUTHENTICATED')) return;
  const { token } = operation.getContext() as { token?: string | null };
  return from(renewAccessToken(token)).pipe(switchMap(() => forward(operation)));
});

const overHttp = ApolloLink.from([renewing, authorized, new HttpLink({ uri: gatewayUrl, headers: clientHeaders })]);

const overSocket = new ApolloLink(
  ({ operationName, variables, extensions }) =>
    new Observable((observer) =>
      // The protocol requires a query; the gateway uses the id in the extensions.
      socket.subscribe(
        { query: '', operationName, variables, extensions },
        {
          next: (result) => observer.next(result as FormattedExecutionResult),
          complete: () => observer.complete(),
          error: (error) => observer.error(subscriptionError(error)),
        },
      ),
    ),
);

export const client = new ApolloClient({
  cache: new InMemoryCache(),
  link: persisted.split(({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION, overSocket, overHttp),
});

// The next user must not see cached data of the previous one.
watchSession(() => {
  if (isSignedIn()) return;
  socket.terminate();
  void client.clearStore();
});

/** graphql-ws reports a rejected subscription as a list of GraphQL errors, and a lost connection as an event. */
const subscriptionError = (error: unknown): Error =>
  Array.isArray(error)
    ? new CombinedGraphQLErrors({ errors: error })
    : new Error('The connection for live updates was lost.', { cause: error });
