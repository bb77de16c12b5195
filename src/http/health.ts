import type { FastifyInstance } from 'fastify';

/** What a readiness check found of one part. */
export interface PartHealth {
  /** Whether the gateway can serve without it. */
  isRequired: boolean;
  isUp: boolean;
  detail?: string;
}

/** Asks every part how it is. Must answer within a second or two, whatever state a part is in. */
export type HealthCheck = () => Promise<Record<string, PartHealth>>;

/**
 * `/livez`: the process answers. `/readyz`: every required part is up and no shutdown is under way; 503 otherwise.
 * @param isDraining true once a shutdown has begun, so that a balancer sends no more
 */
export function addHealthRoutes(server: FastifyInstance, check: HealthCheck, isDraining: () => boolean): void {
  server.get('/livez', () => ({ status: 'alive' }));
  server.get('/readyz', async (_request, reply) => {
    const parts = await check();
    const isReady = !isDraining() && Object.values(parts).every((part) => part.isUp || !part.isRequired);
    const status = isDraining() ? 'draining' : isReady ? 'ready' : 'unready';
    return reply.code(isReady ? 200 : 503).send({ status, parts });
  });
}
