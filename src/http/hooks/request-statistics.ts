import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** The number of finished requests of one route, method and status. */
export interface RequestCount {
  route: string;
  method: string;
  status: number;
  count: number;
}

/** Label values are limited to these, because clients can send any path or method. */
const routes = new Set(['/graphql', '/graphiql', '/livez', '/readyz', '/metrics']);
const methods = new Set(['GET', 'HEAD', 'POST', 'OPTIONS']);
const other = 'other';

/** nginx's status for a client that disconnected before the response was sent. */
const clientClosedRequest = 499;

/** Counts requests by route, method and status since start-up, including those whose client disconnected early. */
export class RequestStatistics {
  /** Requests without a complete response; an open event stream counts as one. */
  inFlight = 0;
  readonly #counts = new Map<string, RequestCount>();
  /** Sockets with in-flight requests. */
  readonly #activeSockets = new WeakSet<Socket>();

  /** Tracks every request of the server. Call it before adding routes. */
  follow(server: FastifyInstance): void {
    server.addHook('onRequest', (request, reply, done) => {
      this.watch(request, reply);
      done();
    });
  }

  /** Tracks a request that fails before hooks run. */
  watch(request: FastifyRequest, { raw }: FastifyReply): void {
    const { socket } = request.raw;
    this.inFlight += 1;
    this.#activeSockets.add(socket);
    // 'close' fires once, whether the response was sent or the connection was lost.
    raw.once('close', () => {
      this.inFlight -= 1;
      this.#activeSockets.delete(socket);
      this.#add(routeOf(request.url), request.method, raw.writableFinished ? raw.statusCode : clientClosedRequest);
    });
  }

  /** Whether the socket has an in-flight request, which is counted when it finishes. */
  isFollowing(socket: Socket): boolean {
    return this.#activeSockets.has(socket);
  }

  /** Counts a malformed HTTP request. */
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

/** Maps a URL to its route label; the IDE's files count as `/graphiql`. */
function routeOf(url: string): string {
  const search = url.indexOf('?');
  const sent = search === -1 ? url : url.slice(0, search);
  const route = sent.startsWith('/graphiql/') ? '/graphiql' : sent;
  return routes.has(route) ? route : other;
}
