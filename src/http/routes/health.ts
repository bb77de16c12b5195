import type { FastifyInstance } from 'fastify';
import type { ModelProblems } from '../../inference/serving/predictor.js';

/** The result of a readiness check. */
export interface PartHealth {
  /** Whether the gateway can serve without it. */
  isRequired: boolean;
  isUp: boolean;
  detail?: string;
}

/** Checks every part. Must resolve within two seconds in any state. */
export type HealthCheck = () => Promise<Record<string, PartHealth>>;

const maxDetailLength = 300;

/**
 * Health of the models: up while one is served. The detail names models with problems, and the first problem of each.
 * @param problems of models that may not be served at all
 */
export function modelsHealth(
  served: readonly { name: string; problems: readonly string[] }[],
  problems: readonly ModelProblems[],
): PartHealth {
  const first = new Map(
    [...problems, ...served.map(({ name, problems: known }) => ({ model: name, problems: known }))].map((one) => [
      one.model,
      one.problems[0],
    ]),
  );
  const broken = [...first].flatMap(([model, problem]) => (problem === undefined ? [] : [`${model}: ${problem}`]));
  const detail = [`${served.length} loaded`, ...(broken.length > 0 ? [`broken: ${broken.join('; ')}`] : [])].join('; ');
  return {
    isRequired: true,
    isUp: served.length > 0,
    detail: detail.length > maxDetailLength ? `${detail.slice(0, maxDetailLength - 1)}…` : detail,
  };
}

/** Whether the gateway can take requests. */
export interface Look {
  status: 'ready' | 'unready' | 'draining';
  parts: Record<string, PartHealth>;
}

/** Checks readiness for `/readyz` and the metrics. */
export class Readiness {
  #looking: Promise<Record<string, PartHealth>> | null = null;

  /** @param isDraining true once a shutdown has begun */
  constructor(
    readonly check: HealthCheck,
    readonly isDraining: () => boolean,
  ) {}

  /** Runs the checks; concurrent calls share one run. */
  async look(): Promise<Look> {
    this.#looking ??= this.check().finally(() => (this.#looking = null));
    const parts = await this.#looking;
    if (this.isDraining()) return { status: 'draining', parts };
    return { status: Object.values(parts).every((part) => part.isUp || !part.isRequired) ? 'ready' : 'unready', parts };
  }
}

/** `/livez`: the process responds. `/readyz`: every required part is up and no shutdown is in progress; 503 otherwise. */
export function addHealthRoutes(server: FastifyInstance, readiness: Readiness): void {
  server.get('/livez', () => ({ status: 'alive' }));
  server.get('/readyz', async (_request, reply) => {
    const look = await readiness.look();
    return reply.code(look.status === 'ready' ? 200 : 503).send(look);
  });
}
