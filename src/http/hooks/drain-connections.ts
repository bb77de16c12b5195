import type { Server } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import type { ApolloServerPlugin } from '@apollo/server';
import type { FastifyInstance } from 'fastify';

/** Interval of the check for open connections. */
const lookMs = 50;

/**
 * Shuts the server down without losing a request that a proxy has sent or is about to send:
 *
 * 1. Stop accepting connections, so that a proxy connects to another replica at once.
 * 2. Serve requests on open keep-alive connections for `lingerSeconds`, and close each connection with its response. Closing an
 *    idle connection could race with a request.
 * 3. Finish in-flight requests, which Fastify does.
 */
export function addLingering(server: FastifyInstance, lingerSeconds: number): void {
  let isClosing = false;
  const sockets = new Set<Socket>();
  server.server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.addHook('preClose', async () => {
    isClosing = true;
    await stopListening(server.server);
    const end = performance.now() + lingerSeconds * 1000;
    while (sockets.size > 0 && performance.now() < end) await sleep(lookMs);
    // Browsers open connections in advance without sending a request.
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
  });
  server.addHook('onSend', (_request, reply, _payload, done) => {
    if (isClosing) void reply.header('connection', 'close');
    done();
  });
}

/**
 * Shuts the server down with Apollo Server, which serves until then. Requests still in flight after `timeoutMs` are cut, since
 * pending writes need the rest of the time.
 */
export const drainPlugin = (server: FastifyInstance, timeoutMs: number): ApolloServerPlugin => ({
  serverWillStart: () =>
    Promise.resolve({
      async drainServer() {
        const cut = setTimeout(() => server.server.closeAllConnections(), timeoutMs);
        await server.close();
        clearTimeout(cut);
      },
    }),
});

/** Longest search for a moment in which no connection waits to be accepted. */
const maxSearchMs = 1_000;

/**
 * Closes the listener only: HTTP's `close` would also end idle connections. The system resets the connections that it has established and
 * that are not accepted yet, with the requests in them. A turn of the event loop accepts one of them, so the listener is closed
 * after a turn that accepted none and was short, since others may come while it does something else.
 */
async function stopListening(server: Server): Promise<void> {
  let accepted = 0;
  const count = (): void => void (accepted += 1);
  server.on('connection', count);
  await turn();
  const startMs = performance.now();
  for (let isQuiet = false; !isQuiet && performance.now() - startMs < maxSearchMs;) {
    const before = { accepted, ms: performance.now() };
    await turn();
    const turnMs = performance.now() - before.ms;
    // Under load no turn is that short: a longer one is accepted the longer the search takes.
    isQuiet = accepted === before.accepted && turnMs < Math.max(0.1, (before.ms - startMs) / 100);
  }
  server.off('connection', count);
  if (server.listening) NetServer.prototype.close.call(server);
}
