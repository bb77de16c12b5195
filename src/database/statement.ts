import type { Attributes } from '../shared/tracing.js';

/** A statement on its way to the server, as it may be told. */
export interface ToldStatement {
  /** What it does and to which table, such as `SELECT employee`. */
  name: string;
  /** By the conventions of OpenTelemetry. */
  attributes: () => Attributes;
}

/** What `pg.Client.query` is called with: a text or an object that has one; null for neither. */
export function toldStatement([statement, parameters]: readonly unknown[]): ToldStatement | null {
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

/**
 * A statement without the values that it holds: MikroORM writes them into the texts of its own, the hashes of passwords among
 * them. What is sent with parameters has placeholders instead and is told as it is.
 */
export const withoutValues = (text: string): string => text.slice(0, maxLength).replace(values, (_value, name: string | undefined) => name ?? '?');

/** Of a statement that is longer, such as one that writes a thousand rows, the beginning is told. */
const maxLength = 4_096;

/** Text in quotes, with backslashes where it begins with E; names in double quotes, which stay; and numbers that are no part of a name or placeholder. */
const values = /\be'(?:\\[^]|''|[^'\\])*(?:'|$)|'(?:''|[^'])*(?:'|$)|("[^"]*(?:"|$))|(?<![\w$."])\d[\w.]*/gi;

/** The first table that it names. */
const tableIn = (text: string): string | undefined => /\b(?:from|into|update)\s+"?([a-z_]\w{0,62})/i.exec(text.slice(0, maxLength))?.[1];

const fieldOf = (value: unknown, name: string): unknown => (typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined);

const isFilled = (value: unknown): boolean => Array.isArray(value) && value.length > 0;
