import type { FastifyRequest, onRequestHookHandler, onSendHookHandler } from 'fastify';
import type { CostItem, CostKind, OperationCost } from '../telemetry/operation-cost.js';

/**
 * Sets the Server-Timing header (W3C Server Timing): total time, and the time of SQL statements, Redis calls and predictions.
 * Concurrent work counts separately. Pages of other origins see it if CORS permits them to read the response.
 */
export class ServerTiming {
  readonly #begun = new WeakMap<FastifyRequest, { startMs: number; costs: OperationCost[] }>();

  /** Route hook: start of the request. */
  readonly begin: onRequestHookHandler = (request, _reply, done) => {
    this.#begun.set(request, { startMs: performance.now(), costs: [] });
    done();
  };

  /** Route hook: the response is sent. */
  readonly setHeader: onSendHookHandler = (request, reply, _payload, done) => {
    const begun = this.#begun.get(request);
    if (begun) void reply.header('server-timing', timingOf(performance.now() - begun.startMs, begun.costs));
    const allowedOrigin = reply.getHeader('access-control-allow-origin');
    if (allowedOrigin !== undefined) void reply.header('timing-allow-origin', allowedOrigin);
    done();
  };

  /** Counts the cost of another operation of the request. */
  add(request: FastifyRequest, cost: OperationCost): void {
    this.#begun.get(request)?.costs.push(cost);
  }
}

/** The value of the header: milliseconds and counts. */
export function timingOf(totalMs: number, costs: readonly OperationCost[]): string {
  const sql = sumOf(costs, 'sql');
  const cache = sumOf(costs, 'cache');
  const model = sumOf(costs, 'model');
  const parts = [metric('sql', sql, 'statement'), metric('cache', cache, 'call'), metric('model', model, 'prediction')];
  return [`total;dur=${rounded(totalMs)}`, ...parts.filter((part) => part !== null)].join(', ');
}

function sumOf(costs: readonly OperationCost[], kind: CostKind): CostItem {
  return costs.reduce((sum, { [kind]: done }) => ({ times: sum.times + done.times, ms: sum.ms + done.ms }), {
    times: 0,
    ms: 0,
  });
}

/** Null if there was none. */
const metric = (name: string, { times, ms }: CostItem, unit: string): string | null =>
  times === 0 ? null : `${name};dur=${rounded(ms)};desc="${times} ${unit}${times === 1 ? '' : 's'}"`;

const rounded = (ms: number): string => ms.toFixed(1);
