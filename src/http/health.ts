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

/** What is wrong with a model as it lies in the store. */
export interface ModelProblems {
  model: string;
  problems: readonly string[];
}

const maxDetailLength = 300;

/**
 * How the models are: up while one is served. The detail names those that something is wrong with, and the first problem of each.
 * @param problems of models that may not be served at all
 */
export function modelsHealth(served: readonly { name: string; problems: readonly string[] }[], problems: readonly ModelProblems[]): PartHealth {
  const first = new Map([...problems, ...served.map(({ name, problems: known }) => ({ model: name, problems: known }))].map((one) => [one.model, one.problems[0]]));
  const broken = [...first].flatMap(([model, problem]) => (problem === undefined ? [] : [`${model}: ${problem}`]));
  const detail = [`${served.length} loaded`, ...(broken.length > 0 ? [`broken: ${broken.join('; ')}`] : [])].join('; ');
  return { isRequired: true, isUp: served.length > 0, detail: detail.length > maxDetailLength ? `${detail.slice(0, maxDetailLength - 1)}…` : detail };
}

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
