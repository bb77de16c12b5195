import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ExecutionResult, FormattedExecutionResult } from 'graphql';
import { makeServer } from 'graphql-ws';
import { textData } from '../../../src/graphql/execution/text-data.js';
import { ResultMessages } from '../../../src/http/subscriptions/websocket-message.js';

/** The messages that graphql-ws sends for results, between the acknowledgement and the completion. */
async function messagesFor(id: string, results: readonly FormattedExecutionResult[], own: ResultMessages | null) {
  const sent: string[] = [];
  const ends: string[] = [];
  let take: (text: string) => Promise<void> = () => Promise.reject(new Error('not opened'));
  const protocol = makeServer({
    onSubscribe: () => ({ document, contextValue: null, rootValue: undefined }) as never,
    // eslint-disable-next-line @typescript-eslint/require-await -- graphql-ws takes an async generator
    subscribe: async function* () {
      yield* results as ExecutionResult[];
    } as never,
    onNext: (_context, _id, _payload, _args, result) => {
      const formatted = result as FormattedExecutionResult;
      return own ? own.payloadOf(formatted) : formatted;
    },
  });
  const closed = protocol.opened(
    {
      protocol: 'graphql-transport-ws',
      send: (text) => void sent.push(own ? own.messageOf(text) : text),
      close: (_code, reason) => void ends.push(reason ?? ''),
      onMessage: (listener) => (take = listener),
    },
    {},
  );
  await take('{"type":"connection_init"}');
  await take(JSON.stringify({ type: 'subscribe', id, payload: { query: '{ x }' } }));
  await closed(1000, '');
  expect(ends).toEqual([]);
  expect(JSON.parse(sent.shift() ?? '')).toEqual({ type: 'connection_ack' });
  expect(JSON.parse(sent.pop() ?? '')).toEqual({ type: 'complete', id });
  return sent;
}

const document = {
  kind: 'Document',
  definitions: [
    { kind: 'OperationDefinition', operation: 'subscription', selectionSet: { kind: 'SelectionSet', selections: [] } },
  ],
};

describe('the message of a result', () => {
  it('has the bytes that graphql-ws would write', async () => {
    const written = fc.dictionary(fc.string(), fc.jsonValue()).map((data) => textData(JSON.stringify(data)));
    const data = fc.oneof(written, fc.constant(null), fc.dictionary(fc.string(), fc.jsonValue()));
    const errors = fc.array(fc.record({ message: fc.string() }), { minLength: 1, maxLength: 2 });
    const result = fc.oneof(
      fc.record({ data }),
      fc.record({ errors, data }),
      fc.record({ data, extensions: fc.dictionary(fc.string(), fc.jsonValue()) }),
      fc.record({ errors: fc.constant(undefined), data }),
    ) as fc.Arbitrary<FormattedExecutionResult>;
    await fc.assert(
      fc.asyncProperty(fc.string({ minLength: 1 }), fc.array(result, { maxLength: 4 }), async (id, results) => {
        expect(await messagesFor(id, results, new ResultMessages())).toEqual(await messagesFor(id, results, null));
      }),
      { numRuns: 100 },
    );
  });

  it('has the text of its result without parsing it', async () => {
    const sent = await messagesFor('1', [{ data: textData('not parsed') }], new ResultMessages());

    expect(sent).toEqual(['{"id":"1","type":"next","payload":{"data":not parsed}}']);
  });
});
