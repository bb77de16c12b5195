import { ownValue } from '../errors/own-value.js';
import type { Client } from '../persisted-documents/sent-operation.js';

const maxLength = 100;

/** Which program calls, by what it says of itself in its headers or, over a socket, in its connection parameters. */
export function clientOf(said: Readonly<Record<string, unknown>>): Client {
  const text = (name: string): string | null => {
    const value = ownValue(said, name);
    return typeof value === 'string' && value !== '' ? value.slice(0, maxLength) : null;
  };
  return { name: text('apollographql-client-name'), version: text('apollographql-client-version') };
}
