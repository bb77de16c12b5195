import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { beginRequest, isTracing, noteFault, resume, type Attributes } from '../shared/tracing.js';

type Begun = NonNullable<ReturnType<typeof beginRequest>>;

/** What is asked every few seconds, by balancers and by Prometheus, would fill a collector with nothing. */
const untraced = new Set(['/livez', '/readyz', '/metrics']);

/**
 * A span for each request, named after its route, below the caller's where `traceparent` names one (W3C Trace Context). Its
 * search is told nobody: the document and the variables of a GET are in it. Must be the server's first hook.
 */
export function addTracing(server: FastifyInstance): void {
  if (!isTracing()) return;
  const begun = new WeakMap<FastifyRequest, Begun>();
  server.addHook('onRequest', (request, reply, done) => {
    const path = pathOf(request);
    const one = untraced.has(path) ? null : beginRequest(request.method, request.headers, () => described(request, path));
    if (!one) {
      done();
      return;
    }
    begun.set(request, one);
    reply.raw.once('close', () => end(one, request, reply));
    resume(one.around, done);
  });
  // What comes after the body was read comes out of the connection, which is in no trace.
  server.addHook('preValidation', (request, _reply, done) => {
    const one = begun.get(request);
    if (one) resume(one.around, done);
    else done();
  });
}

const pathOf = ({ url }: FastifyRequest): string => url.split('?', 1)[0] ?? '';

/** By the conventions of OpenTelemetry. */
const described = (request: FastifyRequest, path: string): Attributes => ({
  'http.request.method': request.method,
  'url.path': path,
  'url.scheme': request.protocol,
  'client.address': request.ip,
  'user_agent.original': request.headers['user-agent'] ?? '',
  'auspex.request.id': request.id,
});

function end({ span }: Begun, request: FastifyRequest, reply: FastifyReply): void {
  const route = request.routeOptions.url;
  if (route !== undefined) span.updateName(`${request.method} ${route}`).setAttribute('http.route', route);
  const { statusCode, writableFinished } = reply.raw;
  if (writableFinished) span.setAttribute('http.response.status_code', statusCode);
  // The caller has gone before the answer did.
  else span.setAttribute('error.type', 'aborted');
  if (writableFinished && statusCode >= 500) noteFault(span);
  span.end();
}
