import { GraphiQL } from 'graphiql';
import { useMemo, useSyncExternalStore } from 'react';
import { AfterSignIn } from './after-sign-in.js';
import { Bar } from './bar.js';
import { demo, takeArrival } from './demo.js';
import { welcome } from './examples.js';
import { createFetcher, createSocketClient } from './fetcher.js';
import { provider, signInProblem, startProviderSignIn, takeVerifier } from './provider.js';
import { SentHeaders } from './sent-headers.js';
import { identityKey, Sessions } from './session.js';
import { StreamStatus } from './stream-status.js';
import { Streams } from './streams.js';

const sessions = new Sessions();
const socketClient = createSocketClient(sessions);
const streams = new Streams(socketClient);
const arrival = takeArrival();
if (arrival.email !== null && demo) void sessions.atStart(sessions.signIn(arrival.email, demo.password));
if (arrival.startsProviderSignIn && provider) void startProviderSignIn();
if (arrival.signInError !== null) sessions.notify(signInProblem(arrival.signInError));
if (arrival.signInCode !== null) {
  const verifier = takeVerifier();
  // Without a verifier this tab did not start the sign-in: another page may have set the fragment.
  if (verifier !== null) void sessions.atStart(sessions.signInWithCode(arrival.signInCode, verifier));
}

/** GraphiQL for this gateway, with sign-in and examples. */
export function Ide() {
  const identity = useSyncExternalStore(sessions.subscribe, sessions.current);
  const key = identityKey(identity);
  // A new fetcher makes GraphiQL reload the schema; anonymous callers may not be allowed to introspect.
  const fetcher = useMemo(() => createFetcher(sessions, socketClient, streams), [key]);
  return (
    <GraphiQL fetcher={fetcher} defaultQuery={welcome} inputValueDeprecation schemaDescription>
      <Bar sessions={sessions} identity={identity} openAtStart={arrival.operation} />
      <AfterSignIn identity={identity} />
      <GraphiQL.Footer>
        <StreamStatus streams={streams} />
        <SentHeaders identity={identity} />
      </GraphiQL.Footer>
    </GraphiQL>
  );
}
