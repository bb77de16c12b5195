import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createClient } from '@redis/client';
import { z } from 'zod';
import { openCache, type Cache } from '../../src/cache/cache.js';
import { openPubSub, topic } from '../../src/events/pub-sub.js';
import { RedisConnection } from '../../src/redis/connection.js';
import { openRateCounters } from '../../src/redis/rate-counters.js';
import { createLogger, type Logger } from '../../src/telemetry/logger.js';
import { describeWithRedis } from '../support/describe-with-redis.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { startProxy } from '../support/tcp-proxy.js';
import { waitUntil } from '../support/wait-until.js';

const established = 'Redis connection established';
const rejectsWrites = 'Redis rejects writes; using in-process fallbacks';
const maxRecoveryMs = 5_000;

describeWithRedis('a Redis that rejects writes', () => {
  let lines: { msg: string; reason?: string }[];
  let logger: Logger;
  let redis: TestRedis;
  let other: TestRedis;
  const opened: (() => unknown)[] = [];

  beforeEach(async () => {
    lines = [];
    logger = createLogger('info', { write: (line) => void lines.push(JSON.parse(line) as (typeof lines)[number]) });
    [redis, other] = await Promise.all([startRedis(), startRedis()]);
  });
  afterEach(async () => {
    for (const close of opened.splice(0).reverse()) await close();
    await Promise.all([redis.stop(), other.stop()]);
  });

  const connect = (url: string): { connection: RedisConnection; cache: Cache } => {
    const connection = new RedisConnection({ url, deadlineMs: 500, logger });
    opened.push(() => connection.close());
    return { connection, cache: openCache({ redis: connection, namespace: 'test', maxEntries: 10, maxBytes: 1000 }) };
  };
  const command = async (server: TestRedis, ...args: string[]): Promise<void> => {
    const client = await createClient({ url: server.url }).connect();
    await client.sendCommand(args);
    client.destroy();
  };
  const becomesHealthy = (connection: RedisConnection, isHealthy: boolean): Promise<void> =>
    waitUntil(() => connection.isHealthy === isHealthy, `isHealthy === ${isHealthy}`, maxRecoveryMs);
  const stores = (cache: Cache): Promise<boolean> => cache.setMany([{ key: 'key', value: 1 }], 60_000);

  it('is replaced by the new master behind the same address although its connections stay open', async () => {
    const proxy = await startProxy(portOf(redis.url));
    opened.push(() => proxy.close());
    const { connection, cache } = connect(`redis://127.0.0.1:${proxy.port}`);
    const counters = openRateCounters(connection);
    const pubSub = openPubSub({ redis: connection, logger });
    const received: number[] = [];
    pubSub.subscribe(topic('test', z.number()), (message) => void received.push(message));
    await becomesHealthy(connection, true);
    expect(await stores(cache)).toBe(true);

    await command(redis, 'REPLICAOF', '127.0.0.1', new URL(other.url).port);
    proxy.retarget(portOf(other.url));

    const sinceMs = performance.now();
    await waitUntil(() => stores(cache), 'A write', maxRecoveryMs);
    await becomesHealthy(connection, true);
    expect(performance.now() - sinceMs).toBeLessThan(maxRecoveryMs);
    await counters.add('caller', 60_000);
    expect(counters.isShared).toBe(true);
    await command(other, 'PUBLISH', 'auspex:events:test', '{"from":"another process","message":7}');
    await waitUntil(() => received.includes(7), 'A message of the new master');
  }, 30_000);

  it('is reported within seconds without traffic, and neither read nor written', async () => {
    const { connection, cache } = connect(redis.url);
    await becomesHealthy(connection, true);
    await stores(cache);
    await command(redis, 'REPLICAOF', '127.0.0.1', '1');

    await becomesHealthy(connection, false);
    expect(cache.health()).toEqual({ kind: 'redis', isUp: false });
    expect(openRateCounters(connection).isShared).toBe(false);
    expect(await cache.getMany(['key'])).toEqual([undefined]);
    expect(await stores(cache)).toBe(false);
    expect(lines.filter(({ msg }) => msg === rejectsWrites)).toEqual([
      expect.objectContaining({ reason: expect.stringContaining('READONLY') as unknown }),
    ]);

    await command(redis, 'REPLICAOF', 'NO', 'ONE');
    await becomesHealthy(connection, true);
    expect(await stores(cache)).toBe(true);
    expect(lines.map(({ msg }) => msg)).toEqual([established, rejectsWrites, established]);
  }, 30_000);

  it('is unhealthy while its memory is full', async () => {
    const { connection, cache } = connect(redis.url);
    await becomesHealthy(connection, true);
    await command(redis, 'CONFIG', 'SET', 'maxmemory', '1');
    await becomesHealthy(connection, false);
    expect(lines.at(-1)?.reason).toContain('OOM');
    await command(redis, 'CONFIG', 'SET', 'maxmemory', '0');
    await becomesHealthy(connection, true);
    expect(await stores(cache)).toBe(true);
  }, 30_000);

  it.each([
    'LOADING Redis is loading the dataset in memory',
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    'MISCONF Redis is configured to save RDB snapshots, but it is currently unable to persist to disk.',
    'NOREPLICAS Not enough good replicas to write.',
    'NOPERM this user has no permissions to access one of the keys used as arguments',
  ])('is left for another server behind the same address: %s', async (reply) => {
    const rejecting = await startRejectingServer(reply);
    opened.push(() => rejecting.close());
    const proxy = await startProxy((rejecting.address() as AddressInfo).port);
    opened.push(() => proxy.close());
    const { connection, cache } = connect(`redis://127.0.0.1:${proxy.port}`);
    await waitUntil(() => lines.length > 0);
    expect(lines).toEqual([expect.objectContaining({ msg: rejectsWrites, reason: reply })]);
    expect(connection.isHealthy).toBe(false);

    proxy.retarget(portOf(redis.url));
    await becomesHealthy(connection, true);
    expect(await stores(cache)).toBe(true);
  });

  it('names a node of a cluster as unsupported, once', async () => {
    const dir = await mkdtemp(path.join(tmpdir(), 'auspex-redis-'));
    opened.push(() => rm(dir, { recursive: true }));
    const node = await startRedis({ options: ['--cluster-enabled', 'yes', '--dir', dir] });
    opened.push(() => node.stop());
    await command(node, 'CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
    const { connection, cache } = connect(node.url);
    await waitUntil(() => lines.length > 0);
    // Several reconnections, none of which is logged.
    await expect(becomesHealthy(connection, true)).rejects.toThrow('isHealthy');
    expect(await stores(cache)).toBe(false);
    expect(lines.map(({ msg }) => msg)).toEqual(['Redis Cluster is not supported; using in-process fallbacks']);
  }, 30_000);

  it.each([
    ['unix:', (socket: string) => `unix://:p%40ss%2Fword@${socket}?db=3`],
    ['redis+unix:', (socket: string) => `redis+unix://${socket}?db=3&password=p%40ss%2Fword`],
  ])('works over a Unix socket with a password and a database: %s', async (_scheme, urlOf) => {
    const dir = await mkdtemp(path.join(tmpdir(), 'auspex-redis-'));
    opened.push(() => rm(dir, { recursive: true }));
    const socket = path.join(dir, 'redis.sock');
    const server = await startRedis({ password: 'p@ss/word', options: ['--unixsocket', socket] });
    opened.push(() => server.stop());
    const { connection, cache } = connect(urlOf(socket));
    await becomesHealthy(connection, true);
    expect(await stores(cache)).toBe(true);
    expect(connection.address).toBe(socket);
    const client = await createClient({
      socket: { path: socket, tls: false },
      password: 'p@ss/word',
      database: 3,
    }).connect();
    expect(await client.exists('auspex:test:key')).toBe(1);
    client.destroy();
  });

  it.each([
    ['a database that it does not have', '/99', /^ERR DB index is out of range; correct the database in REDIS_URL$/],
    ['a wrong password', '', /^WRONGPASS .*; correct the user and the password in REDIS_URL$/],
  ])(
    'reports %s once, without the password',
    async (_what, suffix, reason) => {
      const server = await startRedis({ password: 'right' });
      opened.push(() => server.stop());
      const { connection } = connect(
        `redis://:${suffix === '' ? 'hidden' : 'right'}@127.0.0.1:${portOf(server.url)}${suffix}`,
      );
      await waitUntil(() => lines.length > 0);
      // Several reconnections, none of which is logged.
      await expect(becomesHealthy(connection, true)).rejects.toThrow('isHealthy');
      expect(lines).toEqual([
        expect.objectContaining({
          level: 'warn',
          msg: 'Redis rejects the connection; using in-process fallbacks',
          reason: expect.stringMatching(reason),
        }),
      ]);
      expect(JSON.stringify(lines)).not.toMatch(/hidden|right/);
    },
    30_000,
  );
});

const portOf = (url: string): number => Number(new URL(url).port);

/** A server that accepts connections, and replies to every write with an error. */
async function startRejectingServer(reply: string): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => {
      for (const [, name] of data.toString().matchAll(/^\*\d+\r\n\$\d+\r\n(\w+)\r\n/gm))
        socket.write(name === 'PSETEX' ? `-${reply}\r\n` : '+OK\r\n');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
