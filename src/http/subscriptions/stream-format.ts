import { chooseMediaType, namesMediaType, responseTypes } from '../../graphql/server/media-type.js';
import type { StreamTransport } from '../../graphql/subscriptions/stream.js';

/** How the results of a stream are written into the body of an HTTP response. */
export interface StreamFormat {
  transport: StreamTransport;
  contentType: string;
  /** Sent at once, so that the client receives the headers. */
  opening: string;
  keepAlive: string;
  /** A result, given as JSON. */
  result: (json: string) => string;
  /** Errors that end the stream, given as JSON. */
  errors: (json: string) => string;
  completion: string;
}

/** GraphQL over SSE, distinct connections mode: each result is a `next` event, and `complete` follows the last one. */
export const eventStream: StreamFormat = {
  transport: 'sse',
  contentType: 'text/event-stream; charset=utf-8',
  opening: ':\n\n',
  keepAlive: ':\n\n',
  result: (json) => `event: next\ndata: ${json}\n\n`,
  errors: (json) => `event: next\ndata: {"errors":${json}}\n\n`,
  completion: 'event: complete\ndata:\n\n',
};

/** A part ends with the next delimiter, which is sent with it so that the client need not wait for the next part. */
const part = (json: string): string => `\r\ncontent-type: application/json\r\n\r\n${json}\r\n--graphql`;

/** Apollo's multipart protocol for subscriptions, version 1.0. */
const multipart: StreamFormat = {
  transport: 'multipart',
  contentType: 'multipart/mixed; boundary="graphql"; subscriptionSpec=1.0',
  opening: `\r\n--graphql${part('{}')}`,
  keepAlive: part('{}'),
  result: (json) => part(`{"payload":${json}}`),
  errors: (json) => part(`{"payload":null,"errors":${json}}`),
  completion: '--\r\n',
};

/** The streams that a client accepts. */
export interface AcceptedStream {
  /** The format for a subscription; null if the client accepts none. */
  format: StreamFormat | null;
  /** Whether queries and mutations are streamed as well, because the client prefers events to JSON. */
  isPreferred: boolean;
}

/** Reads `Accept`. Wildcards do not count: clients that send them, such as curl, expect a single response. */
export function acceptedStream(accept: string | undefined): AcceptedStream {
  if (accept === undefined || !/event-stream|multipart/i.test(accept)) return noStream;
  const hasEvents = namesMediaType(accept, 'text/event-stream');
  const hasMultipart = namesMediaType(accept, 'multipart/mixed', 'subscriptionspec=1.0');
  const formats = [...(hasEvents ? [eventTypes] : []), ...(hasMultipart ? [multipartTypes] : [])];
  const best = chooseMediaType(
    accept,
    formats.map(({ type }) => type),
  );
  return {
    format: formats.find(({ type }) => type === best)?.format ?? null,
    isPreferred: hasEvents && chooseMediaType(accept, [eventTypes.type, ...responseTypes]) === eventTypes.type,
  };
}

/** The client accepts no stream. */
export const noStream: AcceptedStream = { format: null, isPreferred: false };

const eventTypes = { type: 'text/event-stream', format: eventStream } as const;
const multipartTypes = { type: 'multipart/mixed', format: multipart } as const;
