import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** Requests that were alike, and came to their end. */
export interface RequestCount {
  route: string;
  method: string;
  status: number;
  count: number;
}

/** What is told apart; callers can make up any other. */
const routes = new Set(['/graphql', '/graphiql', '/livez', '/readyz', '/metrics']);
const methods = new Set(['GET', 'HEAD', 'POST', 'OPTIONS']);
const other = 'other';

/** nginx's status for a caller who went before the answer was sent. */
const callerHasGone = 499;

/** Counts requests by route, method and status, since the start; one of which the caller did not wait for the answer is counted as well. */
export class RequestStatistics {
  /** Requests whose answer is not sent yet; an event stream is one for as long as it is open. */
  inFlight = 0;
  readonly #counts = new Map<string, RequestCount>();

  /** Follows every request of the server from now on; before its routes are added. */
  follow(server: FastifyInstance): void {
    server.addHook('onRequest', (request, reply, done) => {
      this.watch(request, reply);
      done();
    });
  }

  /** Follows a request that fails before hooks are asked. */
  watch(request: FastifyRequest, { raw }: FastifyReply): void {
    this.inFlight += 1;
    // It comes once, whether the answer was sent or the connection lost.
    raw.once('close', () => {
      this.inFlight -= 1;
      this.#add(routeOf(request), request.method, raw.writableFinished ? raw.statusCode : callerHasGone);
    });
  }

  /** Counts what came over a connection and could not be read as a request. */
  countUnread(status: number): void {
    this.#add(other, other, status);
  }

  all(): readonly RequestCount[] {
    return [...this.#counts.values()];
  }

  #add(route: string, sentMethod: string, status: number): void {
    const method = methods.has(sentMethod) ? sentMethod : other;
    const key = `${route} ${method} ${status}`;
    const known = this.#counts.get(key);
    if (known) known.count += 1;
    else this.#counts.set(key, { route, method, status, count: 1 });
  }
}

/** The route as it was declared; that of the IDE's files is the IDE's. */
function routeOf({ routeOptions: { url = '' } }: FastifyRequest): string {
  const route = url.startsWith('/graphiql/') ? '/graphiql' : url;
  return routes.has(route) ? route : other;
}
