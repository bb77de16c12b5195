import { assertShallow } from '../hooks/json-body.js';

/**
 * Prepares a message for graphql-ws, which closes the socket for an operation without `query`: one that is named by an ID gets an
 * empty one. Any other message is returned unchanged.
 * @throws BadRequest if the message nests too deep
 */
export function withQuery(text: string): string {
  assertShallow(text, 'The message');
  const message = parsed(text);
  if (!isRecord(message) || message.type !== 'subscribe' || !isRecord(message.payload)) return text;
  const { payload } = message;
  return payload.query == null ? JSON.stringify({ ...message, payload: { ...payload, query: '' } }) : text;
}

/** Null for invalid JSON, which graphql-ws reports. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
