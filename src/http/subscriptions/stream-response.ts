import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CredentialWatcher } from '../../auth/credential-watcher.js';
import type { SentOperation } from '../../persisted-documents/sent-operation.js';
import { retryAfterOf } from '../../graphql/errors/http-status.js';
import { preflightHeaders } from '../../graphql/server/apollo-server.js';
import { resultText } from '../../graphql/server/json-text.js';
import { StreamError, type Stream } from '../../graphql/subscriptions/stream.js';
import type { SubscriptionServer } from '../../graphql/subscriptions/subscription-server.js';
import { BadRequest, type Unauthenticated } from '../../errors/app-error.js';
import type { Logger } from '../../telemetry/logger.js';
import { clientOf } from '../client-name.js';
import { slicesOf } from '../text-slices.js';
import { eventStream, type StreamFormat } from './stream-format.js';

export interface StreamOptions {
  subscriptions: SubscriptionServer;
  credentialWatcher: CredentialWatcher;
  log: Logger;
}

/** Opens a subscription, calls `onOpened`, and responds with its results. */
export type StreamHandler = (
  request: FastifyRequest,
  reply: FastifyReply,
  subscription: { operation: SentOperation; format: StreamFormat; onOpened: () => void },
) => Promise<FastifyReply>;

/** Keep-alive interval; it also detects dead connections. */
const beatMs = 12_000;

/** Time for a client to read the end of its stream before the connection is cut. */
const graceMs = 5_000;

/**
 * Streams subscriptions as bodies of HTTP responses, one request per subscription. At shutdown the body ends without its completion,
 * so that clients reconnect to another replica.
 */
export function createStreamHandler({ subscriptions, credentialWatcher, log }: StreamOptions): StreamHandler {
  return async (request, reply, { operation, format, onOpened }) => {
    rejectSimpleRequest(request);
    const { viewer } = request;
    const open: { stream: Stream | null; error: Unauthenticated | null } = { stream: null, error: null };
    const unwatch = await credentialWatcher.watch(viewer, (error) => {
      open.error = error;
      open.stream?.end('credential', error);
    });
    try {
      const caller = {
        viewer,
        client: clientOf(request.headers),
        requestId: request.id,
        address: request.client.address,
        transport: format.transport,
      };
      const stream = await subscriptions.open(operation, caller);
      open.stream = stream;
      onOpened();
      if (open.error) stream.end('credential', open.error);
      stream.onEnd(() => {
        unwatch();
        cutUnlessRead(reply, log.child({ requestId: request.id }));
      });
      // The response to HEAD has no body.
      if (reply.raw.destroyed || request.method === 'HEAD') await stream.return();
      return await sendStream(reply, format, request.method === 'HEAD' ? '' : bodyOf(stream, format));
    } catch (error) {
      unwatch();
      if (error instanceof StreamError) return sendStreamError(reply, format, error);
      throw error;
    }
  };
}

/** Sends the result of a query or mutation, given as JSON, as a stream of one event. */
export const sendAsEvents = (reply: FastifyReply, json: string): FastifyReply =>
  sendStream(reply, eventStream, `${eventStream.result(json.trim())}${eventStream.completion}`);

const sendStream = (reply: FastifyReply, { contentType }: StreamFormat, body: Readable | string): FastifyReply =>
  reply
    .type(contentType)
    .header('cache-control', 'no-cache, no-transform')
    .header('x-accel-buffering', 'no')
    .send(body);

/** Errors with an HTTP status use it; others are sent as a GraphQL result. */
function sendStreamError(reply: FastifyReply, format: StreamFormat, { errors, httpStatus }: StreamError): FastifyReply {
  if (httpStatus === 200) {
    const result = format.result(JSON.stringify({ errors }));
    return sendStream(reply, format, `${format.opening}${result}${format.completion}`);
  }
  const retryAfter = retryAfterOf(errors);
  if (retryAfter > 0) void reply.header('retry-after', String(retryAfter));
  return reply.code(httpStatus).send({ errors });
}

/**
 * Prevents cross-site request forgery: browsers send simple requests for any page without a preflight. A request with a JSON body
 * is not simple.
 * @throws BadRequest
 */
function rejectSimpleRequest({ method, headers }: FastifyRequest): void {
  const hasPreflightHeader = preflightHeaders.some((name) => headers[name] !== undefined && headers[name] !== '');
  const isJson = method === 'POST' && /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(headers['content-type'] ?? '');
  if (hasPreflightHeader || isJson) return;
  throw new BadRequest(
    'A stream needs a header that a page of another site cannot send: authorization, x-api-key or apollo-require-preflight.',
  );
}

/** A readable stream of results. It pulls the next result only after the previous one is sent. */
function bodyOf(stream: Stream, format: StreamFormat): Readable {
  const texts = textsOf(stream, format);
  let isPulling = false;
  let isBetweenResults = true;
  const beat = setInterval(() => {
    if (body.readableLength === 0 && isBetweenResults) body.push(format.keepAlive);
  }, beatMs).unref();
  const body = new Readable({
    highWaterMark: 1,
    read() {
      if (isPulling) return;
      isPulling = true;
      void texts.next().then((next) => {
        isPulling = false;
        if (body.destroyed) return;
        isBetweenResults = next.done === true || next.value.isEnd;
        body.push(next.done === true ? null : next.value.text);
      });
    },
    destroy(error, done) {
      clearInterval(beat);
      void stream.return();
      done(error);
    },
  });
  body.push(format.opening);
  return body;
}

/** The text of a stream after its opening; that of a large result in slices, each in a turn of the event loop. */
async function* textsOf(
  stream: Stream,
  format: StreamFormat,
): AsyncGenerator<{ text: string; isEnd: boolean }, undefined> {
  for (let isLast = false; !isLast;) {
    const next = await nextText(stream, format);
    isLast = next.isLast;
    let left = next.text.length;
    for (const text of slicesOf(next.text)) {
      left -= text.length;
      yield { text, isEnd: left === 0 };
      if (left > 0) await nextTurn();
    }
  }
}

async function nextText(stream: Stream, format: StreamFormat): Promise<{ text: string; isLast: boolean }> {
  try {
    const next = await stream.next();
    if (!next.done) return { text: format.result(await resultText(next.value)), isLast: false };
    return { text: stream.reason === 'shutdown' ? format.keepAlive : format.completion, isLast: true };
  } catch (error) {
    const errors = error instanceof StreamError ? error.errors : [];
    return { text: `${format.errors(JSON.stringify(errors))}${format.completion}`, isLast: true };
  }
}

function cutUnlessRead({ raw }: FastifyReply, log: Logger): void {
  if (raw.destroyed) return;
  const cut = setTimeout(() => {
    log.info({ reason: 'slow reader' }, 'event stream cut');
    raw.destroy();
  }, graceMs).unref();
  raw.once('close', () => clearTimeout(cut));
}
