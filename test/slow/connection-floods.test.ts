import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { codesOf, startGateway, type TestGateway } from '../support/gateway.js';
import { listen, socketClient } from '../support/streams.js';
import { waitUntil } from '../support/wait-until.js';

const tooMany = { status: 429, retryAfter: expect.stringMatching(/^[1-9]\d*$/) };

/** A TCP connection and what it received. */
interface Connection {
  socket: Socket;
  received: () => string;
  isOpen: () => boolean;
  openedAt: number;
  closedAt: () => number | null;
}

async function open(gateway: TestGateway, localAddress: string): Promise<Connection> {
  const { hostname: host, port } = new URL(gateway.url);
  const socket = connect({ host, port: Number(port), localAddress });
  let text = '';
  let closedAt: number | null = null;
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  socket.on('error', () => undefined);
  socket.on('close', () => (closedAt = performance.now()));
  await once(socket, 'connect');
  const openedAt = performance.now();
  return { socket, received: () => text, isOpen: () => closedAt === null, openedAt, closedAt: () => closedAt };
}

const openMany = (gateway: TestGateway, count: number, address: string): Promise<Connection[]> =>
  Promise.all(Array.from({ length: count }, () => open(gateway, address)));

const openOf = (connections: readonly Connection[]): number => connections.filter(({ isOpen }) => isOpen()).length;

/** Requests a WebSocket and sends no `connection_init`. */
async function upgrade(gateway: TestGateway, localAddress: string, headers = ''): Promise<Connection> {
  const connection = await open(gateway, localAddress);
  connection.socket.write(
    `GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${headers}\r\n`,
  );
  await waitUntil(() => connection.received().includes('\r\n\r\n') || !connection.isOpen(), 'the upgrade');
  return connection;
}

const statusOf = ({ received }: Connection): number => Number(/^HTTP\/1\.1 (\d+)/.exec(received())?.[1]);
const rejectionOf = (connection: Connection) => ({
  status: statusOf(connection),
  retryAfter: /^retry-after: (\d+)/im.exec(connection.received())?.[1],
});
const endAll = (connections: readonly Connection[]): void => {
  for (const { socket } of connections) socket.destroy();
};

describe('without proxies', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway({
      MAX_CONNECTIONS: '25',
      MAX_CONNECTIONS_PER_ADDRESS: '10',
      MAX_PENDING_SOCKETS: '40',
      RATE_LIMIT_PER_ADDRESS: '15',
      RATE_LIMIT_WINDOW_SECONDS: '3600',
    });
  });
  afterAll(() => gateway.close());

  const isServed = async (address: string): Promise<boolean> => {
    const connection = await open(gateway, address);
    connection.socket.write('GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n');
    await waitUntil(() => !connection.isOpen(), 'the end of the response');
    return connection.received().startsWith('HTTP/1.1 200');
  };

  it('bounds idle connections by address and in total, reports it, and closes them after the header timeout', async () => {
    const one = await openMany(gateway, 40, '127.0.0.31');
    await waitUntil(() => openOf(one) === 10, 'the bound of the address');
    expect(await isServed('127.0.0.31')).toBe(false);
    expect(await isServed('127.0.0.32')).toBe(true);
    const others = [...(await openMany(gateway, 20, '127.0.0.33')), ...(await openMany(gateway, 20, '127.0.0.34'))];
    await waitUntil(() => openOf(others) === 15, 'the bound of the process');
    expect(await isServed('127.0.0.32')).toBe(false);
    expect(gateway.logs.filter(({ msg }) => msg === 'connections rejected; see MAX_CONNECTIONS')).toHaveLength(1);
    await waitUntil(() => openOf([...one, ...others]) === 0, 'the end of idle connections', 20_000);
    const ages = [...one, ...others].map(({ openedAt, closedAt }) => (closedAt() ?? Infinity) - openedAt);
    expect(Math.max(...ages)).toBeLessThan(16_000);
    expect(await isServed('127.0.0.31')).toBe(true);
  }, 60_000);

  it('bounds WebSockets without connection_init by address, apart from those with one, and closes them after 3 s', async () => {
    const { token } = await gateway.signIn('admin');
    const waiting = await Promise.all(Array.from({ length: 4 }, () => upgrade(gateway, '127.0.0.41')));
    expect(waiting.map(statusOf)).toEqual([101, 101, 101, 101]);
    expect(rejectionOf(await upgrade(gateway, '127.0.0.41'))).toEqual(tooMany);
    const other = await upgrade(gateway, '127.0.0.42');
    expect(statusOf(other)).toBe(101);
    await waitUntil(() => openOf([...waiting, other]) === 0, 'the end of the sockets', 10_000);
    for (const { openedAt, closedAt } of waiting) expect((closedAt() ?? Infinity) - openedAt).toBeGreaterThan(2_900);
    // Sockets with a viewer do not count: more of them are open than may wait. Each has its viewer before the next opens.
    const streams = () => gateway.logs.filter(({ msg }) => msg === 'stream opened').length;
    const clients = [];
    for (let count = 1; count <= 5; count += 1) {
      const client = socketClient(gateway.url, { authorization: `Bearer ${token}` });
      clients.push(client);
      listen(client, 'subscription { modelChanged { kind } }');
      await waitUntil(() => streams() === count, 'the stream');
    }
    await Promise.all(clients.map(async (each) => each.dispose()));
  }, 60_000);

  it('limits the rate of upgrades by address', async () => {
    const statuses: number[] = [];
    for (let turn = 0; turn < 15; turn += 1) {
      const connection = await upgrade(gateway, '127.0.0.51');
      statuses.push(statusOf(connection));
      connection.socket.destroy();
      await waitUntil(() => !connection.isOpen(), 'the end of the socket');
    }
    expect(statuses).toEqual(Array.from({ length: 15 }, () => 101));
    const rejection = rejectionOf(await upgrade(gateway, '127.0.0.51'));
    expect(rejection).toEqual(tooMany);
    expect(Number(rejection.retryAfter)).toBeGreaterThan(3_000);
    const other = await upgrade(gateway, '127.0.0.52');
    expect(statusOf(other)).toBe(101);
    other.socket.destroy();
  }, 60_000);

  it.each([
    ['headers', 10_000, 'POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: '],
    [
      'a body',
      30_000,
      'POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n{',
    ],
  ])(
    'ends a request whose client sends %s byte by byte, after %d ms',
    async (_what, timeoutMs, start) => {
      const connection = await open(gateway, '127.0.0.61');
      connection.socket.write(start);
      const drip = setInterval(() => connection.socket.write('x'), 500);
      await waitUntil(() => !connection.isOpen(), 'the timeout', timeoutMs + 10_000);
      clearInterval(drip);
      const afterMs = (connection.closedAt() ?? Infinity) - connection.openedAt;
      expect(afterMs).toBeGreaterThan(timeoutMs - 500);
      expect(afterMs).toBeLessThan(timeoutMs + 6_000);
      expect(connection.received()).toMatch(/^HTTP\/1\.1 408 [^]*"code":"REQUEST_TIMEOUT"/);
    },
    60_000,
  );
});

describe('behind a proxy', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway({ TRUST_PROXY: '1', MAX_CONNECTIONS_PER_ADDRESS: '3' });
  });
  afterAll(() => gateway.close());

  it('counts WebSockets and requests in flight by the forwarded address, and connections of the proxy not at all', async () => {
    const from = (address: string): string => `X-Forwarded-For: ${address}\r\n`;
    const idle = await openMany(gateway, 10, '127.0.0.71');
    const sockets = await Promise.all(
      Array.from({ length: 3 }, () => upgrade(gateway, '127.0.0.71', from('192.0.2.1'))),
    );
    expect(sockets.map(statusOf)).toEqual([101, 101, 101]);
    expect(rejectionOf(await upgrade(gateway, '127.0.0.71', from('192.0.2.1')))).toEqual(tooMany);
    const response = await gateway.execute(null, '{ __typename }', {}, { 'x-forwarded-for': '192.0.2.1' });
    expect([response.status, codesOf(response)]).toEqual([429, ['TOO_MANY_REQUESTS']]);
    expect(response.headers.get('retry-after')).toBe('1');
    expect((await gateway.execute(null, '{ __typename }', {}, { 'x-forwarded-for': '192.0.2.2' })).errors).toEqual([]);
    expect(openOf(idle)).toBe(10);
    endAll(sockets);
    await waitUntil(
      async () =>
        (await gateway.execute(null, '{ __typename }', {}, { 'x-forwarded-for': '192.0.2.1' })).status === 200,
      'the slots',
    );
    endAll(idle);
  }, 60_000);
});
