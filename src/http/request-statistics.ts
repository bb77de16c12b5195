import type { Socket } from 'node:net';
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
  /** Connections that a request came by which is in flight. */
  readonly #busy = new WeakSet<Socket>();

  /** Follows every request of the server from now on; before its routes are added. */
  follow(server: FastifyInstance): void {
    server.addHook('onRequest', (request, reply, done) => {
      this.watch(request, reply);
      done();
    });
  }

  /** Follows a request that fails before hooks are asked. */
  watch(request: FastifyRequest, { raw }: FastifyReply): void {
    const { socket } = request.raw;
    this.inFlight += 1;
    this.#busy.add(socket);
    // It comes once, whether the answer was sent or the connection lost.
    raw.once('close', () => {
      this.inFlight -= 1;
      this.#busy.delete(socket);
      this.#add(routeOf(request.url), request.method, raw.writableFinished ? raw.statusCode : callerHasGone);
    });
  }

  /** Whether a request that came by this connection is in flight, and will be counted when it is not. */
  isFollowing(socket: Socket): boolean {
    return this.#busy.has(socket);
  }

  /** Counts what could not be read as a request. */
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

/** The path, where it is one of the gateway's own; the IDE's files are the IDE. */
function routeOf(url: string): string {
  const search = url.indexOf('?');
  const sent = search === -1 ? url : url.slice(0, search);
  const route = sent.startsWith('/graphiql/') ? '/graphiql' : sent;
  return routes.has(route) ? route : other;
}
