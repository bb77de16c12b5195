import { useState } from 'react';
import { clientHeaders } from './gateway.js';
import { credentialsOf, type Identity } from './session.js';

const shownCharacters = 12;

/** Headers of each operation, below the response. Secrets are shortened until shown explicitly. */
export function SentHeaders({ identity }: { identity: Identity }) {
  const [isShown, setShown] = useState(false);
  const credentials = Object.entries(credentialsOf(identity));
  const headers = [
    ...Object.entries(clientHeaders),
    ...credentials.map(([name, value]) => [name, isShown ? value : shortened(value)] as const),
  ];
  return (
    <details className="sent">
      <summary>Headers sent with each operation: {headers.length}</summary>
      <dl>
        {headers.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {credentials.length > 0 && (
        <button type="button" className="graphiql-un-styled sent-button" onClick={() => setShown(!isShown)}>
          {isShown ? 'Hide secrets' : 'Show secrets'}
        </button>
      )}
    </details>
  );
}

const shortened = (value: string): string => {
  const scheme = /^Bearer /.exec(value)?.[0] ?? '';
  return `${value.slice(0, scheme.length + shownCharacters)}…`;
};
