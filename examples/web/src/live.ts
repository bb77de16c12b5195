import type { OperationVariables, TypedDocumentNode } from '@apollo/client';
import { useApolloClient } from '@apollo/client/react';
import { useEffect, useEffectEvent, useSyncExternalStore } from 'react';
import { defer, repeat, retry } from 'rxjs';
import { socket } from './client.ts';

const resubscribeDelayMs = 5000;

/** Calls `onEvent` with each event of a subscription. `variables` must keep its identity while unchanged. */
export function useEvents<Data, Variables extends OperationVariables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  onEvent: (data: Data) => void,
): void {
  const client = useApolloClient();
  const handleEvent = useEffectEvent(onEvent);
  useEffect(() => {
    const events = defer(() => client.subscribe<Data>({ query: document, variables, errorPolicy: 'all' }));
    // The socket reconnects automatically; a subscription that the gateway ended is opened again after a delay.
    const subscription = events
      .pipe(retry({ delay: resubscribeDelayMs }), repeat({ delay: resubscribeDelayMs }))
      .subscribe(({ data }) => {
        if (data) handleEvent(data);
      });
    return () => subscription.unsubscribe();
  }, [client, document, variables]);
}

/** Whether live updates are connected. A connection that takes long counts as offline. */
export type Connection = 'connecting' | 'live' | 'offline';

const offlineAfterMs = 4000;
let connection: Connection = 'connecting';

/** The state of live updates. */
export const useConnection = (): Connection => useSyncExternalStore(watchConnection, () => connection);

function watchConnection(changed: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const change = (next: Connection): void => {
    clearTimeout(timer);
    connection = next;
    if (next === 'connecting') timer = setTimeout(change, offlineAfterMs, 'offline');
    changed();
  };
  change(connection);
  const unsubscribers = [
    socket.on('connected', () => change('live')),
    // Further failed attempts do not make it "connecting" again.
    socket.on('closed', () => {
      if (connection === 'live') change('connecting');
    }),
  ];
  return () => {
    clearTimeout(timer);
    unsubscribers.forEach((unsubscribe) => unsubscribe());
  };
}
