import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { Transform } from 'node:stream';

/** A proxy in front of a server; tests break its connections. */
export interface TcpProxy {
  port: number;
  /** Open connections. */
  size: () => number;
  /** Resets every connection, as a firewall or a crashed host does. New connections work. */
  reset: () => void;
  /** Drops all traffic in both directions. New connections are accepted and get no response. */
  blackhole: () => void;
  /** Delays what the server sends, on all connections, by `ms` milliseconds; 0 ends that. */
  delay: (ms: number) => void;
  /** Forwards new connections again. Existing ones stay silent. */
  restore: () => void;
  /** Sends new connections to another port, as a virtual address does after a failover. Existing ones stay. */
  retarget: (port: number) => void;
  close: () => Promise<void>;
}

/** Forwards connections from a free port to `targetPort`. */
export async function startProxy(targetPort: number): Promise<TcpProxy> {
  const pairs = new Set<{ client: Socket; upstream: Socket | null }>();
  let isOpen = true;
  let target = targetPort;
  let delayMs = 0;
  const server = createServer((client) => {
    const upstream = isOpen ? connect(target, '127.0.0.1') : null;
    const pair = { client, upstream };
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      client.destroy();
      upstream?.destroy();
    };
    for (const socket of [client, upstream]) socket?.on('error', end).on('close', end);
    if (upstream)
      client
        .pipe(upstream)
        .pipe(delayed(() => delayMs))
        .pipe(client);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    size: () => pairs.size,
    reset() {
      for (const { client, upstream } of pairs) {
        client.resetAndDestroy();
        upstream?.resetAndDestroy();
      }
    },
    blackhole() {
      isOpen = false;
      for (const { client, upstream } of pairs) {
        client.unpipe().resume();
        upstream?.unpipe().resume();
      }
    },
    restore() {
      isOpen = true;
    },
    delay(ms) {
      delayMs = ms;
    },
    retarget(port) {
      target = port;
    },
    async close() {
      for (const { client, upstream } of pairs) {
        client.destroy();
        upstream?.destroy();
      }
      server.close();
      await once(server, 'close');
    },
  };
}

/** Passes data on in order, each chunk after the current delay. */
function delayed(delayMs: () => number): Transform {
  return new Transform({
    highWaterMark: 1024 * 1024,
    transform(chunk, _encoding, done) {
      const ms = delayMs();
      if (ms === 0) done(null, chunk);
      else setTimeout(() => done(null, chunk), ms);
    },
  });
}
