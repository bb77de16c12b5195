import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, Observable } from '@apollo/client';
import { SetContextLink } from '@apollo/client/link/context';
import { CombinedGraphQLErrors } from '@apollo/client/errors';
import { ErrorLink } from '@apollo/client/link/error';
import { OperationTypeNode, type FormattedExecutionResult } from 'graphql';
import { createClient } from 'graphql-ws';
import { from, switchMap } from 'rxjs';
import { clientHeaders, codesOf, documentIdOf, gatewayUrl } from './gateway.ts';
import { accessToken, isSignedIn, renewAccessToken, watchSession } from './session.ts';

/** The codes by which the gateway closes a socket whose credentials are no longer good. */
const unauthorized = [4401, 4403];

/** The token with which the socket was opened last. */
let tokenOfSocket: string | null = null;

/** One socket for all subscriptions. It opens with the first, closes with the last, and comes back by itself. */
export const socket = createClient({
  url: () => new URL(gatewayUrl, location.href.replace(/^http/, 'ws')).href,
  connectionParams: async () => {
    tokenOfSocket = await accessToken();
    if (tokenOfSocket === null) throw new Error('Nobody is signed in.');
    return { authorization: `Bearer ${tokenOfSocket}`, ...clientHeaders };
  },
  retryAttempts: Infinity,
  shouldRetry: isSignedIn,
  keepAlive: 20_000,
  on: {
    closed: (event) => {
      if (unauthorized.includes((event as CloseEvent).code) && isSignedIn()) void renewAccessToken(tokenOfSocket).catch(() => null);
    },
    // What happened while the socket was down was not heard.
    connected: (_socket, _payload, wasRetry) => {
      if (wasRetry) void client.refetchObservableQueries();
    },
  },
});

/** Sends the ids of documents and never their texts: the gateway executes only those that it trusts. */
const persisted = new ApolloLink((operation, forward) => {
  const sha256Hash = documentIdOf(operation.query).replace('sha256:', '');
  operation.extensions = { ...operation.extensions, persistedQuery: { version: 1, sha256Hash } };
  operation.setContext({ http: { includeQuery: false, includeExtensions: true } });
  return forward(operation);
});

const authorized = new SetContextLink(async ({ headers }) => {
  const token = await accessToken();
  return { token, headers: { ...(headers as Record<string, string> | undefined), ...(token === null ? {} : { authorization: `Bearer ${token}` }) } };
});

/** A token that the gateway no longer takes is renewed, and the operation sent once more. */
const renewing = new ErrorLink(({ error, operation, forward }) => {
  if (!codesOf(error).includes('UNAUTHENTICATED')) return;
  const { token } = operation.getContext() as { token?: string | null };
  return from(renewAccessToken(token)).pipe(switchMap(() => forward(operation)));
});

const overHttp = ApolloLink.from([renewing, authorized, new HttpLink({ uri: gatewayUrl, headers: clientHeaders })]);

const overSocket = new ApolloLink(
  ({ operationName, variables, extensions }) =>
    new Observable((observer) =>
      // The protocol wants a text; the gateway goes by the id in the extensions.
      socket.subscribe({ query: '', operationName, variables, extensions }, {
        next: (result) => observer.next(result as FormattedExecutionResult),
        complete: () => observer.complete(),
        error: (error) => observer.error(refusalOf(error)),
      }),
    ),
);

/** Apollo Client as this frontend uses it. */
export const client = new ApolloClient({
  cache: new InMemoryCache({ typePolicies: { Model: { keyFields: ['name'] } } }),
  link: persisted.split(({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION, overSocket, overHttp),
});

// Nothing of one user is left for the next.
watchSession(() => {
  if (isSignedIn()) return;
  socket.terminate();
  void client.clearStore();
});

/** The protocol tells a refused subscription by a list of GraphQL errors, and a lost connection by an event. */
const refusalOf = (error: unknown): Error =>
  Array.isArray(error) ? new CombinedGraphQLErrors({ errors: error }) : new Error('The connection for live updates was lost.', { cause: error });
