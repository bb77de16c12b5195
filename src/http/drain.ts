import type { Server } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import type { ApolloServerPlugin } from '@apollo/server';
import type { FastifyInstance } from 'fastify';

/** So often is looked whether anyone is left. */
const lookMs = 50;

/**
 * Has a shutdown of the server lose no request that a proxy in front has sent or is about to send:
 *
 * 1. Nobody new is let in, so that a proxy that connects goes elsewhere at once.
 * 2. What comes over open connections, from proxies that keep them, is answered for `lingerSeconds` longer, and each
 *    connection closed by its answer. One that is closed while it is idle may be so at the moment when something is sent.
 * 3. What is under way ends; that is Fastify's part.
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
    // Browsers open some in advance, over which nothing was asked.
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
  });
  server.addHook('onSend', (_request, reply, _payload, done) => {
    if (isClosing) void reply.header('connection', 'close');
    done();
  });
}

/**
 * Shuts the server down with Apollo Server, which goes on answering until that is done. What is under way for longer than
 * `patienceMs` is cut: what waits to be written needs the rest of the time.
 */
export const drainPlugin = (server: FastifyInstance, patienceMs: number): ApolloServerPlugin => ({
  serverWillStart: () =>
    Promise.resolve({
      async drainServer() {
        const cut = setTimeout(() => server.server.closeAllConnections(), patienceMs);
        await server.close();
        clearTimeout(cut);
      },
    }),
});

/** Only that: HTTP's own `close` ends idle connections as well. Callers that the system has let in already are taken first. */
async function stopListening(server: Server): Promise<void> {
  await turn();
  if (server.listening) NetServer.prototype.close.call(server);
}
