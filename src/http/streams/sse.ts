import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { LiveViewers } from '../../auth/live-viewers.js';
import type { SentOperation } from '../../documents/document-gate.js';
import { retryAfterOf } from '../../graphql/http-status.js';
import { StreamError, type Stream, type Subscriptions } from '../../graphql/subscriptions.js';
import { BadRequest, type Unauthenticated } from '../../shared/errors.js';
import type { Logger } from '../../shared/logger.js';
import { clientOf } from '../client.js';
import { operationInSearch } from '../graphql-request.js';

export interface EventStreamOptions {
  subscriptions: Subscriptions;
  liveViewers: LiveViewers;
  log: Logger;
}

export type EventStreamHandler = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>;

/** Something is sent so often, so that proxies keep the connection and one that is dead is noticed. */
const beatMs = 12_000;

/** What has ended must be read within this; then the connection is cut. */
const graceMs = 5_000;

/** Whether the answer is to be a stream of events: its first choice. */
export const wantsEventStream = ({ headers: { accept } }: FastifyRequest): boolean => /^\s*text\/event-stream\s*(?:[;,]|$)/i.test(accept ?? '');

/**
 * Subscriptions over server-sent events, by the distinct connections mode of the GraphQL over SSE protocol: one request, one
 * subscription, its answers as events `next`, and `complete` at the end. Where a replica shuts down `complete` does not
 * come, so that clients take the end for a lost connection and subscribe again, at another.
 */
export function createEventStreamHandler({ subscriptions, liveViewers, log }: EventStreamOptions): EventStreamHandler {
  return async (request, reply) => {
    refuseSimpleRequest(request);
    const sent = operationOf(request);
    const { viewer } = request;
    const open: { stream: Stream | null; error: Unauthenticated | null } = { stream: null, error: null };
    const unwatch = await liveViewers.watch(viewer, (error) => {
      open.error = error;
      open.stream?.end('credential', error);
    });
    try {
      const caller = { viewer, client: clientOf(request.headers), requestId: request.id, address: request.ip, transport: 'sse' } as const;
      const stream = await subscriptions.open(sent, caller);
      open.stream = stream;
      if (open.error) stream.end('credential', open.error);
      stream.onEnd(() => {
        unwatch();
        cutUnlessRead(reply, log.child({ requestId: request.id }));
      });
      if (reply.raw.destroyed) await stream.return();
      return await asEvents(reply, bodyOf(stream));
    } catch (error) {
      unwatch();
      if (error instanceof StreamError) return refused(reply, error);
      throw error;
    }
  };
}

const asEvents = (reply: FastifyReply, body: Readable | string): FastifyReply =>
  reply.type('text/event-stream; charset=utf-8').header('cache-control', 'no-cache, no-transform').header('x-accel-buffering', 'no').send(body);

/** What HTTP has a status for has it here too; other errors are an answer of GraphQL's, and come as one. */
function refused(reply: FastifyReply, { errors, httpStatus }: StreamError): FastifyReply {
  if (httpStatus === 200) return asEvents(reply, `${nextEvent({ errors })}${completeEvent}`);
  const retryAfter = retryAfterOf(errors);
  if (retryAfter > 0) void reply.header('retry-after', String(retryAfter));
  return reply.code(httpStatus).send({ errors });
}

/**
 * Cross-site request forgery: a browser sends simple requests for any page without asking first. What has one of these headers
 * is none, and a body of JSON neither. `accept` does not count: a page may set it, and EventSource does.
 * @throws BadRequest
 */
function refuseSimpleRequest({ method, headers }: FastifyRequest): void {
  const isAskedFor = ['authorization', 'x-api-key', 'apollo-require-preflight', 'x-apollo-operation-name'].some((name) => headers[name] !== undefined && headers[name] !== '');
  const isJson = method === 'POST' && /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(headers['content-type'] ?? '');
  if (isAskedFor || isJson) return;
  throw new BadRequest('A stream needs a header that a page of another site cannot send: authorization, x-api-key or apollo-require-preflight.');
}

/** @throws BadRequest */
function operationOf(request: FastifyRequest): SentOperation {
  const { method, body } = request;
  if (method === 'POST') {
    if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new BadRequest('Send one operation, as a JSON object with `query`.');
    return body as SentOperation;
  }
  const { variables, extensions, ...rest } = operationInSearch(request);
  if (typeof extensions === 'string' && extensions !== '') throw new BadRequest('The parameter extensions must be a JSON object.');
  return { ...rest, ...(extensions ? { extensions } : {}), ...(typeof variables === 'string' && variables !== '' ? { variables: parsedVariables(variables) } : {}) };
}

/** @throws BadRequest */
function parsedVariables(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new BadRequest('The parameter variables must be a JSON object.');
  }
}

/** The stream as its reader gets it. It is asked for more only when what came before is on its way. */
function bodyOf(stream: Stream): Readable {
  let isAsking = false;
  const beat = setInterval(() => {
    if (body.readableLength === 0) body.push(emptyEvent);
  }, beatMs).unref();
  const body = new Readable({
    highWaterMark: 1,
    read() {
      if (isAsking) return;
      isAsking = true;
      void nextText(stream).then((text) => {
        isAsking = false;
        if (body.destroyed) return;
        body.push(text.event);
        if (text.isLast) body.push(null);
      });
    },
    destroy(error, done) {
      clearInterval(beat);
      void stream.return();
      done(error);
    },
  });
  // At once, so that the headers are sent: the reader knows that the stream is open.
  body.push(emptyEvent);
  return body;
}

async function nextText(stream: Stream): Promise<{ event: string; isLast: boolean }> {
  try {
    const next = await stream.next();
    if (!next.done) return { event: nextEvent(next.value), isLast: false };
    return { event: stream.reason === 'shutdown' ? emptyEvent : completeEvent, isLast: true };
  } catch (error) {
    const errors = error instanceof StreamError ? error.errors : [];
    return { event: `${nextEvent({ errors })}${completeEvent}`, isLast: true };
  }
}

const emptyEvent = ':\n\n';
const completeEvent = 'event: complete\ndata:\n\n';
const nextEvent = (answer: object): string => `event: next\ndata: ${JSON.stringify(answer)}\n\n`;

function cutUnlessRead({ raw }: FastifyReply, log: Logger): void {
  if (raw.destroyed) return;
  const cut = setTimeout(() => {
    log.info({ reason: 'it does not read' }, 'an event stream was cut');
    raw.destroy();
  }, graceMs).unref();
  raw.once('close', () => clearTimeout(cut));
}
