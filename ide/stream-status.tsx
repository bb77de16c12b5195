import { useSyncExternalStore } from 'react';
import type { Streams, StreamState } from './streams.js';

/** What the subscription of the page does, below the response. Hides the spinner, which would never end. */
export function StreamStatus({ streams }: { streams: Streams }) {
  const state = useSyncExternalStore(streams.subscribe, streams.current);
  return (
    <p className={`stream-status${state ? ` is-${state.phase}` : ''}`} role="status">
      {state && textOf(state)}
    </p>
  );
}

const times = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });

function textOf({ phase, events, lastEventAt }: StreamState): string {
  const count = `${events} ${events === 1 ? 'event' : 'events'}`;
  if (phase === 'connecting') return 'Connecting…';
  if (phase === 'ended') return `The subscription has ended after ${count}.`;
  if (lastEventAt === null) return 'Waiting for events. Cause one in another tab, for example by running a prediction.';
  return `${count}, the last one at ${times.format(lastEventAt)}. Waiting for more.`;
}
