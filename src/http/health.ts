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

/** Whether the gateway can take requests. */
export interface Look {
  status: 'ready' | 'unready' | 'draining';
  parts: Record<string, PartHealth>;
}

/** Looks whether the gateway can take requests, in one way for `/readyz` and for the metrics. */
export class Readiness {
  #looking: Promise<Record<string, PartHealth>> | null = null;

  /** @param isDraining true once a shutdown has begun, so that a balancer sends no more */
  constructor(
    readonly check: HealthCheck,
    readonly isDraining: () => boolean,
  ) {}

  /** Asks every part; who comes while they are being asked gets the same answer. */
  async look(): Promise<Look> {
    this.#looking ??= this.check().finally(() => (this.#looking = null));
    const parts = await this.#looking;
    if (this.isDraining()) return { status: 'draining', parts };
    return { status: Object.values(parts).every((part) => part.isUp || !part.isRequired) ? 'ready' : 'unready', parts };
  }
}

/** `/livez`: the process answers. `/readyz`: every required part is up and no shutdown is under way; 503 otherwise. */
export function addHealthRoutes(server: FastifyInstance, readiness: Readiness): void {
  server.get('/livez', () => ({ status: 'alive' }));
  server.get('/readyz', async (_request, reply) => {
    const look = await readiness.look();
    return reply.code(look.status === 'ready' ? 200 : 503).send(look);
  });
}
