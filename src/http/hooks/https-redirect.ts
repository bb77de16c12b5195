import type { FastifyInstance } from 'fastify';
import type { AllowedHosts } from '../allowed-hosts.js';
import { canonicalHost } from '../forwarded.js';
import { HttpsNeeded } from '../http-errors.js';

/** Probes reach the gateway directly, without the proxy. */
const plainPaths: readonly string[] = ['/livez', '/readyz', '/metrics'];

/** Browsers use only HTTPS for a year after a visit. Subdomains are excluded: they may belong to others. */
const strictTransportSecurity = 'max-age=31536000';

/**
 * Redirects requests that reached the proxy over plain HTTP. Only reads are redirected: a mutation or a credential in a body was
 * already exposed, so the client gets an error. The proxy's header is used only if the proxy is trusted.
 * @param hosts without them, the forwarded host is no target: a proxy may pass on the one that a client sent
 */
export function addHttpsOnly(server: FastifyInstance, hosts: AllowedHosts | null): void {
  server.addHook('onRequest', (request, reply, done) => {
    if (request.client.protocol === 'https') {
      void reply.header('strict-transport-security', strictTransportSecurity);
      done();
      return;
    }
    if (plainPaths.includes(request.url.split('?', 1)[0] ?? '')) {
      done();
      return;
    }
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const host = canonicalHost('http:', hosts === null ? (request.headers.host ?? '') : request.client.host);
    if (!isRead || host === null) {
      done(new HttpsNeeded());
      return;
    }
    void reply.header('cache-control', 'no-store').redirect(`https://${host}${request.url}`, 308);
  });
}
