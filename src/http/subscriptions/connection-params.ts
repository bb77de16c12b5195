import type { IncomingHttpHeaders } from 'node:http';
import type { Client } from '../../persisted-documents/sent-operation.js';
import { Unauthenticated } from '../../errors/app-error.js';
import { ownValue } from '../../errors/own-value.js';
import { clientOf } from '../client-name.js';

/** The headers that carry credentials. */
type CredentialHeaders = Pick<IncomingHttpHeaders, 'authorization'> & { 'x-api-key'?: string };

type Params = Readonly<Record<string, unknown>>;

/** The names, in lower case, by which client libraries and their documentation send an access token or an API key. */
const credentialNames: Readonly<Record<string, keyof CredentialHeaders>> = {
  authorization: 'authorization',
  authtoken: 'authorization',
  accesstoken: 'authorization',
  token: 'authorization',
  'x-api-key': 'x-api-key',
  apikey: 'x-api-key',
};

/**
 * Reads the credentials of `connection_init`, at the top level or in `headers`, in any case, a token with or without `Bearer`.
 * @returns null if there are none; null, undefined and an empty string equal an absent parameter
 * @throws Unauthenticated for a credential that is not a string, or several different ones
 */
export function credentialsIn(params: Params): CredentialHeaders | null {
  const found: CredentialHeaders = {};
  for (const [name, value] of entriesOf(params)) {
    const header = ownValue(credentialNames, name);
    if (header === undefined || value === null || value === undefined || value === '') continue;
    if (typeof value !== 'string') throw new Unauthenticated(`connectionParams: ${name} must be a string.`);
    const text = header === 'authorization' ? withScheme(value) : value;
    if (found[header] !== undefined && found[header] !== text)
      throw new Unauthenticated('connectionParams has different credentials; send one of them.');
    found[header] = text;
  }
  return Object.keys(found).length > 0 ? found : null;
}

/** The client program that `connection_init` names, or else the headers of the upgrade. */
export const clientIn = (params: Params, headers: Params): Client =>
  clientOf({ ...headers, ...Object.fromEntries(entriesOf(params)) });

/** The parameters and those in `headers`, with names in lower case. */
function entriesOf(params: Params): [name: string, value: unknown][] {
  const entries = lowerCased(params);
  const nested = entries.find(([name]) => name === 'headers')?.[1];
  return typeof nested === 'object' && nested !== null ? [...lowerCased(nested), ...entries] : entries;
}

const lowerCased = (record: object): [name: string, value: unknown][] =>
  Object.entries(record).map(([name, value]) => [name.toLowerCase(), value]);

/** A token without a scheme is a Bearer token; another scheme is left to be rejected. */
const withScheme = (value: string): string => (value.trim().includes(' ') ? value.trim() : `Bearer ${value.trim()}`);
