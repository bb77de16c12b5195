import type { FastifyRequest, onRequestHookHandler, onSendHookHandler } from 'fastify';
import type { Done, Work } from '../shared/work.js';

/**
 * Says in each answer's Server-Timing header (W3C Server Timing) how long it took, and how much of that were statements, calls to
 * Redis and predictions. Things done side by side count each for itself. Pages of other origins are told where CORS lets them
 * read the answer.
 */
export class ServerTiming {
  readonly #begun = new WeakMap<FastifyRequest, { startMs: number; works: Work[] }>();

  /** A hook of the route: a request has come. */
  readonly begin: onRequestHookHandler = (request, _reply, done) => {
    this.#begun.set(request, { startMs: performance.now(), works: [] });
    done();
  };

  /** A hook of the route: its answer goes. */
  readonly tell: onSendHookHandler = (request, reply, _payload, done) => {
    const begun = this.#begun.get(request);
    if (begun) void reply.header('server-timing', timingOf(performance.now() - begun.startMs, begun.works));
    const allowedOrigin = reply.getHeader('access-control-allow-origin');
    if (allowedOrigin !== undefined) void reply.header('timing-allow-origin', allowedOrigin);
    done();
  };

  /** Counts what is done for one more of a request's operations. */
  add(request: FastifyRequest, work: Work): void {
    this.#begun.get(request)?.works.push(work);
  }
}

/** The header's value: milliseconds, and how often each was done. */
export function timingOf(totalMs: number, works: readonly Work[]): string {
  const sql = sumOf(works, 'sql');
  const cache = sumOf(works, 'cache');
  const model = sumOf(works, 'model');
  const parts = [metric('sql', sql, 'statement'), metric('cache', cache, 'call'), metric('model', model, 'prediction')];
  return [`total;dur=${rounded(totalMs)}`, ...parts.filter((part) => part !== null)].join(', ');
}

function sumOf(works: readonly Work[], kind: keyof Work): Done {
  return works.reduce((sum, { [kind]: done }) => ({ times: sum.times + done.times, ms: sum.ms + done.ms }), { times: 0, ms: 0 });
}

/** Null where nothing was done. */
const metric = (name: string, { times, ms }: Done, unit: string): string | null =>
  times === 0 ? null : `${name};dur=${rounded(ms)};desc="${times} ${unit}${times === 1 ? '' : 's'}"`;

const rounded = (ms: number): string => ms.toFixed(1);
