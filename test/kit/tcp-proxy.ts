import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A way to a server that a test can cut. */
export interface TcpProxy {
  port: number;
  /** Connections that are open now. */
  size: () => number;
  /** Resets every connection, as where a firewall or a server's machine does; new ones are let through. */
  reset: () => void;
  /** Nothing passes any more, either way, and new connections are taken and get no answer: the packets are lost. */
  blackhole: () => void;
  /** Lets new connections through again. What was lost meanwhile stays lost: connections of before never answer. */
  restore: () => void;
  close: () => Promise<void>;
}

/** Listens on a port of its own, and passes on what comes. */
export async function startProxy(targetPort: number): Promise<TcpProxy> {
  const pairs = new Set<{ near: Socket; far: Socket | null }>();
  let isOpen = true;
  const server = createServer((near) => {
    const far = isOpen ? connect(targetPort, '127.0.0.1') : null;
    const pair = { near, far };
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      near.destroy();
      far?.destroy();
    };
    for (const socket of [near, far]) socket?.on('error', end).on('close', end);
    if (far) near.pipe(far).pipe(near);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    size: () => pairs.size,
    reset() {
      for (const { near, far } of pairs) {
        near.resetAndDestroy();
        far?.resetAndDestroy();
      }
    },
    blackhole() {
      isOpen = false;
      for (const { near, far } of pairs) {
        near.unpipe().resume();
        far?.unpipe().resume();
      }
    },
    restore() {
      isOpen = true;
    },
    async close() {
      for (const { near, far } of pairs) {
        near.destroy();
        far?.destroy();
      }
      server.close();
      await once(server, 'close');
    },
  };
}
