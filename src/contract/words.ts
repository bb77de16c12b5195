import type { FeltChange } from './contract.js';

/** A felt change in one line: who feels it, where, and what it is. */
export function inWords({ document: { client, version, id }, operation, line, column, message }: FeltChange): string {
  const name = operation === null ? '' : ` (${operation})`;
  const whole = /[.!?]$/.test(message) ? message : `${message}.`;
  return `client ${client} ${version}, document ${id}${name}, line ${line}, column ${column}: ${whole}`;
}

/** How many documents feel something: `2 live documents`. */
export function liveDocumentsIn(felt: readonly FeltChange[]): string {
  const count = new Set(felt.map(({ document }) => document)).size;
  return `${count} live document${count === 1 ? '' : 's'}`;
}
