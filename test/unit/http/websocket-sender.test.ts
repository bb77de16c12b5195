import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { WebSocket as WsSocket, WebSocketServer } from 'ws';
import { WebsocketSender } from '../../../src/http/subscriptions/websocket-sender.js';
import { charactersPerSlice } from '../../../src/http/text-slices.js';
import { waitUntil } from '../../support/wait-until.js';

const large = `x${'\u{1f697}'.repeat(charactersPerSlice)}`;
/** More than the operating system buffers of a connection on this host. */
const huge = 'y'.repeat(24 * 1024 * 1024);

let server: WebSocketServer;
let url: string;
beforeEach(async () => {
  server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  for (const socket of server.clients) socket.terminate();
  server.close();
});

/** The server's end of a connection. */
async function accepted<Client>(open: () => Client): Promise<{ client: Client; socket: WsSocket }> {
  const connected = once(server, 'connection') as Promise<[WsSocket]>;
  const client = open();
  const [socket] = await connected;
  return { client, socket };
}

describe('messages over a WebSocket', () => {
  it.each(['ws', 'the client of Node.js'])('arrive whole and in order at %s', async (kind) => {
    const received: string[] = [];
    const { socket } = await accepted(() => {
      const client = kind === 'ws' ? new WsSocket(url) : new WebSocket(url);
      client.onmessage = ({ data }: { data: unknown }) => void received.push(String(data));
      return client;
    });
    const sender = new WebsocketSender(socket);
    const messages = ['first', large, 'during', large.slice(1), 'last'];
    const sending = messages.map((message) => sender.send(message));
    expect(sender.queued).toBeGreaterThan(2 * charactersPerSlice);
    // A control frame may come between fragments.
    socket.ping();
    await Promise.all(sending);
    expect(sender.queued).toBe(0);
    await waitUntil(() => received.length === messages.length);
    expect(received.every((message, index) => message === messages[index])).toBe(true);
  });

  it('leave turns of the event loop to others while a large one is sent', async () => {
    const { client, socket } = await accepted(() => new WsSocket(url));
    const fragments: boolean[] = [];
    const send = socket.send.bind(socket);
    socket.send = ((data: string, options: { fin: boolean }, done: () => void) => {
      fragments.push(options.fin);
      send(data, options, done);
    }) as typeof socket.send;
    const sender = new WebsocketSender(socket);
    let turns = 0;
    const counting = new AbortController();
    const others = (async () => {
      for (; !counting.signal.aborted; turns += 1) await nextTurn();
    })();
    await sender.send('z'.repeat(8 * charactersPerSlice));
    counting.abort();
    await others;
    expect(fragments).toEqual([false, false, false, false, false, false, false, true]);
    expect(turns).toBeGreaterThanOrEqual(7);
    client.terminate();
  });

  it('end with a socket that is closed before a slow reader has taken them', async () => {
    const { client, socket } = await accepted(() => new WsSocket(url));
    await once(client, 'open');
    client.pause();
    const sender = new WebsocketSender(socket);
    const sending = [sender.send(huge), sender.send('never sent')];
    await waitUntil(() => socket.bufferedAmount > 0);
    expect(sender.queued).toBeGreaterThan(huge.length / 4);
    client.terminate();
    await Promise.all(sending);
    expect(sender.queued).toBe(0);
  });
});
