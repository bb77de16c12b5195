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
    if (!isRead || !isHost(request.host)) {
      done(new HttpsNeeded());
      return;
    }
    void reply.header('cache-control', 'no-store').redirect(`https://${request.host}${request.url}`, 308);
  });
}

/** A name or an address, with a port or without, and nothing beside it that would change where a URL leads. */
const isHost = (text: string): boolean => URL.parse(`https://${text}`)?.host === text.toLowerCase();
