import type { OperationVariables, TypedDocumentNode } from '@apollo/client';
import { useApolloClient } from '@apollo/client/react';
import { useEffect, useEffectEvent, useSyncExternalStore } from 'react';
import { defer, repeat, retry } from 'rxjs';
import { socket } from './client.ts';

const againAfterMs = 5000;

/** Calls with each event of a subscription. `variables` must be the same object as long as they have not changed. */
export function useEvents<Data, Variables extends OperationVariables>(document: TypedDocumentNode<Data, Variables>, variables: Variables, onEvent: (data: Data) => void): void {
  const client = useApolloClient();
  const heard = useEffectEvent(onEvent);
  useEffect(() => {
    const events = defer(() => client.subscribe<Data>({ query: document, variables, errorPolicy: 'all' }));
    // The socket comes back by itself. What the gateway has ended for a reason of its own is asked for again after a while.
    const subscription = events.pipe(retry({ delay: againAfterMs }), repeat({ delay: againAfterMs })).subscribe(({ data }) => {
      if (data) heard(data);
    });
    return () => subscription.unsubscribe();
  }, [client, document, variables]);
}

let isConnected = false;

/** Whether live updates arrive at the moment. */
export const useIsLive = (): boolean => useSyncExternalStore(watchSocket, () => isConnected);

function watchSocket(changed: () => void): () => void {
  const tell = (now: boolean) => () => {
    isConnected = now;
    changed();
  };
  const ends = [socket.on('connected', tell(true)), socket.on('closed', tell(false))];
  return () => ends.forEach((end) => end());
}
