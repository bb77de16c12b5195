import { describe, expect, it } from '@jest/globals';
import { acceptedStream } from '../../../src/http/subscriptions/stream-format.js';

const urql =
  'application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed';
const apollo =
  'multipart/mixed;boundary="graphql";subscriptionSpec="1.0", application/graphql-response+json, application/json;q=0.9';

describe('the stream that a client accepts', () => {
  it.each<[string | undefined, string | null, boolean]>([
    [undefined, null, false],
    ['', null, false],
    ['*/*', null, false],
    ['text/*', null, false],
    ['application/json', null, false],
    ['text/event-stream', 'sse', true],
    ['Text/Event-Stream; charset=utf-8', 'sse', true],
    ['text/event-stream, application/json', 'sse', true],
    ['text/event-stream, */*', 'sse', true],
    ['application/json, text/event-stream', 'sse', false],
    ['application/json;q=0.9, text/event-stream', 'sse', true],
    ['text/event-stream;q=0.1, application/json', 'sse', false],
    ['text/event-stream;q=0', null, false],
    ['text/event-stream;q=0, application/json', null, false],
    ['text/event-stream;q=0.0, */*', null, false],
    [urql, 'sse', false],
    [apollo, 'multipart', false],
    ['multipart/mixed;subscriptionSpec=1.0;q=0, application/json', null, false],
    ['multipart/mixed;subscriptionSpec=2.0, application/json', null, false],
    ['multipart/mixed;deferSpec=20220824, application/json', null, false],
    ['multipart/mixed;subscriptionSpec=1.0, text/event-stream;q=0.5', 'multipart', true],
    ['text/event-stream, multipart/mixed;subscriptionSpec=1.0', 'sse', true],
  ])('of %j is %s, for every operation: %s', (accept, transport, isPreferred) => {
    const { format, isPreferred: isForAll } = acceptedStream(accept);
    expect([format?.transport ?? null, isForAll]).toEqual([transport, isPreferred]);
  });
});
