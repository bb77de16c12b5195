import type { Attributes } from '../telemetry/tracing.js';

/** A statement as traces show it. */
export interface StatementDescription {
  /** Operation and table, such as `SELECT employee`. */
  name: string;
  /** By the conventions of OpenTelemetry. */
  attributes: () => Attributes;
}

/** Describes the arguments of `pg.Client.query`. @returns null if they contain no text */
export function describeStatement([statement, parameters]: readonly unknown[]): StatementDescription | null {
  const text = typeof statement === 'string' ? statement : fieldOf(statement, 'text');
  if (typeof text !== 'string') return null;
  const hasParameters = isFilled(parameters) || isFilled(fieldOf(statement, 'values'));
  const verb = (/^\W{0,20}([a-z]{1,20})/i.exec(text)?.[1] ?? 'SQL').toUpperCase();
  const table = tableIn(text);
  return {
    name: table === undefined ? verb : `${verb} ${table}`,
    attributes: () => ({
      'db.system.name': 'postgresql',
      'db.operation.name': verb,
      ...(table === undefined ? {} : { 'db.collection.name': table }),
      'db.query.text': hasParameters ? text.slice(0, maxLength) : withoutValues(text),
    }),
  };
}

/** Removes literals: MikroORM writes values into its statements, password hashes among them. */
export const withoutValues = (text: string): string =>
  text.slice(0, maxLength).replace(values, (_value, name: string | undefined) => name ?? '?');

/** Longer statements, such as bulk inserts, are truncated. */
const maxLength = 4_096;

/** String literals, with backslash escapes after E; quoted identifiers, which stay; numbers outside names and placeholders. */
const values = /\be'(?:\\[^]|''|[^'\\])*(?:'|$)|'(?:''|[^'])*(?:'|$)|("[^"]*(?:"|$))|(?<![\w$."])\d[\w.]*/gi;

/** The first table named, without its schema. */
const tableIn = (text: string): string | undefined =>
  /\b(?:from|into|update)\s+(?:"?[a-z_]\w{0,62}"?\.)?"?([a-z_]\w{0,62})/i.exec(text.slice(0, maxLength))?.[1];

const fieldOf = (value: unknown, name: 'text' | 'values'): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;

const isFilled = (value: unknown): boolean => Array.isArray(value) && value.length > 0;
