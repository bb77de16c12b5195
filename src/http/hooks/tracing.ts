import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { startRequestSpan, isTracing, markSpanFailed, runInContext, type Attributes } from '../../telemetry/tracing.js';

type Begun = NonNullable<ReturnType<typeof startRequestSpan>>;

/** Probes and scrapes are frequent and not worth tracing. */
const untraced = new Set(['/livez', '/readyz', '/metrics']);

/**
 * Opens a span for each request, named after its route, as a child of `traceparent` if present (W3C Trace Context). The query
 * string is never recorded: it contains the document and variables of a GET. Must be the first hook of the server.
 */
export function addTracing(server: FastifyInstance): void {
  if (!isTracing()) return;
  const begun = new WeakMap<FastifyRequest, Begun>();
  server.addHook('onRequest', (request, reply, done) => {
    const path = pathOf(request);
    const one = untraced.has(path)
      ? null
      : startRequestSpan(request.method, request.headers, () => described(request, path));
    if (!one) {
      done();
      return;
    }
    begun.set(request, one);
    reply.raw.once('close', () => end(one, request, reply));
    runInContext(one.around, done);
  });
  // Hooks after the body is read run in the connection's context, which has no trace.
  server.addHook('preValidation', (request, _reply, done) => {
    const one = begun.get(request);
    if (one) runInContext(one.around, done);
    else done();
  });
}

const pathOf = ({ url }: FastifyRequest): string => url.split('?', 1)[0] ?? '';

/** Attributes by the semantic conventions of OpenTelemetry. */
const described = (request: FastifyRequest, path: string): Attributes => ({
  'http.request.method': request.method,
  'url.path': path,
  'url.scheme': request.client.protocol,
  'client.address': request.client.address,
  'user_agent.original': request.headers['user-agent'] ?? '',
  'auspex.request.id': request.id,
});

function end({ span }: Begun, request: FastifyRequest, reply: FastifyReply): void {
  const route = request.routeOptions.url;
  if (route !== undefined) span.updateName(`${request.method} ${route}`).setAttribute('http.route', route);
  const { statusCode, writableFinished } = reply.raw;
  if (writableFinished) span.setAttribute('http.response.status_code', statusCode);
  // The caller disconnected before the response.
  else span.setAttribute('error.type', 'aborted');
  if (writableFinished && statusCode >= 500) markSpanFailed(span);
  span.end();
}
