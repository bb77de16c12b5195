import type { FeltChange } from './contract.js';

/** A felt change in one line: who feels it, where, and what it is. */
export function inWords({ document: { client, version, id }, operation, line, column, message }: FeltChange): string {
  const name = operation === null ? '' : ` (${operation})`;
  const whole = /[.!?]$/.test(message) ? message : `${message}.`;
  return `client ${client} ${version}, document ${id}${name}, line ${line}, column ${column}: ${whole}`;
}

/** How many documents feel something. */
export const documentsIn = (felt: readonly FeltChange[]): number => new Set(felt.map(({ document }) => document)).size;

/** A number of documents with the verb that follows: `1 live document feels`, `2 live documents feel`. */
export const liveDocuments = (count: number): string => `${count} live document${count === 1 ? '' : 's'}`;
