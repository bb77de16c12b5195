import type { ExecutionArgs, FormattedExecutionResult } from 'graphql';
import { resultText } from '../../graphql/server/json-text.js';
import type { Stream } from '../../graphql/subscriptions/stream.js';
import { assertShallow } from '../hooks/json-body.js';
import type { SingleResult } from './single-result.js';

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

/** Execution arguments for graphql-ws, which treats every operation as a subscription. */
export const executionArgs = (stream: Stream | SingleResult): ExecutionArgs =>
  ({ document: placeholderDocument, contextValue: stream, rootValue: undefined }) as unknown as ExecutionArgs;

const placeholderDocument = {
  kind: 'Document',
  definitions: [
    { kind: 'OperationDefinition', operation: 'subscription', selectionSet: { kind: 'SelectionSet', selections: [] } },
  ],
} as const;

/** The end of a message with an empty payload, which is its last member. */
const emptyPayloadEnd = '{}}';

/**
 * Writes the text of a result into its message, for which graphql-ws would parse and serialize it again. graphql-ws serializes a message
 * and sends it in one expression: `toJSON` of the payload keeps the text for the message that is sent next.
 */
export class ResultMessages {
  #text: string | null = null;

  /** A payload that serializes as an empty object, which `messageOf` replaces. */
  async payloadOf(result: FormattedExecutionResult): Promise<FormattedExecutionResult> {
    const text = await resultText(result);
    const payload = {
      toJSON: () => {
        this.#text = text;
        return {};
      },
    };
    return payload as FormattedExecutionResult;
  }

  /** The message to send for one that graphql-ws has just serialized. */
  messageOf(message: string): string {
    const text = this.#text;
    this.#text = null;
    return text === null ? message : `${message.slice(0, -emptyPayloadEnd.length)}${text}}`;
  }
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
