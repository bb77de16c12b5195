import type { FastifyInstance } from 'fastify';
import { HttpsNeeded } from './refusals.js';

/** Probes ask the gateway itself, not by way of the proxy. */
const plainPaths: readonly string[] = ['/livez', '/readyz', '/metrics'];

/** Browsers that have once come by HTTPS come by nothing else for a year. Other hosts of the domain are not ours to speak for. */
const strictTransportSecurity = 'max-age=31536000';

/**
 * Whoever came to the proxy over plain HTTP is sent to HTTPS. Only what reads is: a mutation, or a credential in a body, has been
 * sent in the open already, and whoever sends such things must hear of it. The proxy's word is taken as far as it is trusted.
 */
export function addHttpsOnly(server: FastifyInstance): void {
  server.addHook('onRequest', (request, reply, done) => {
    if (request.protocol === 'https') {
      void reply.header('strict-transport-security', strictTransportSecurity);
      done();
      return;
    }
    if (plainPaths.includes(request.url.split('?', 1)[0] ?? '')) {
      done();
      return;
    }
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const target = isRead ? URL.parse(`https://${request.host}`) : null;
    if (!target || target.host === '') {
      done(new HttpsNeeded());
      return;
    }
    void reply.header('cache-control', 'no-store').redirect(`https://${target.host}${request.url}`, 308);
  });
}
