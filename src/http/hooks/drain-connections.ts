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

/** Closes the listener only: HTTP's `close` would also end idle connections. Connections in the accept queue are accepted first. */
async function stopListening(server: Server): Promise<void> {
  await turn();
  if (server.listening) NetServer.prototype.close.call(server);
}
