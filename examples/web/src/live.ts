import type { OperationVariables, TypedDocumentNode } from '@apollo/client';
import { useApolloClient } from '@apollo/client/react';
import { useEffect, useEffectEvent, useSyncExternalStore } from 'react';
import { socket } from './client.ts';

/** Calls with each event of a subscription. `variables` must be the same object as long as they have not changed. */
export function useEvents<Data, Variables extends OperationVariables>(document: TypedDocumentNode<Data, Variables>, variables: Variables, onEvent: (data: Data) => void): void {
  const client = useApolloClient();
  const heard = useEffectEvent(onEvent);
  useEffect(() => {
    const events = client.subscribe<Data>({ query: document, variables, errorPolicy: 'all' });
    const subscription = events.subscribe({
      next: ({ data }) => {
        if (data) heard(data);
      },
      error: (error: unknown) => console.warn('Live updates have ended.', error),
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
