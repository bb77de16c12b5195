import type { FastifyInstance } from 'fastify';
import type { PublicJwk } from '../../auth/signing-keys.js';

/** Publishes the public keys of access tokens (RFC 7517) for other services; nothing if a secret signs them. */
export function addKeySetRoute(server: FastifyInstance, keys: readonly PublicJwk[]): void {
  if (keys.length === 0) return;
  const body = JSON.stringify({ keys });
  server.get('/.well-known/jwks.json', (_request, reply) =>
    reply.header('cache-control', 'public, max-age=300').type('application/jwk-set+json').send(body),
  );
}
