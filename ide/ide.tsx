import { GraphiQL } from 'graphiql';
import { useMemo, useSyncExternalStore } from 'react';
import { Bar } from './bar.js';
import { welcome } from './examples.js';
import { createFetcher } from './fetcher.js';
import { SentHeaders } from './sent-headers.js';
import { identityKey, Sessions } from './session.js';

const sessions = new Sessions();

/** GraphiQL for this gateway, with sign-in and examples. */
export function Ide() {
  const identity = useSyncExternalStore(sessions.subscribe, sessions.current);
  const key = identityKey(identity);
  // A new one makes GraphiQL ask for the schema again, which a stranger may not be told.
  const fetcher = useMemo(() => createFetcher(sessions), [key]);
  return (
    <GraphiQL fetcher={fetcher} defaultQuery={welcome} inputValueDeprecation schemaDescription>
      <Bar sessions={sessions} identity={identity} />
      <GraphiQL.Footer>
        <SentHeaders identity={identity} />
      </GraphiQL.Footer>
    </GraphiQL>
  );
}
