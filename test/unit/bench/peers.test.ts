import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { brotliCompressSync } from 'node:zlib';

const peersDir = path.join(import.meta.dirname, '..', '..', '..', 'bench', 'peers');
const load = (file: string) => import(path.join(peersDir, file));

describe('statistics of bench:peers', () => {
  it('divides the CPU time of a round by its requests and rows', async () => {
    const { figuresOf } = await load('report.mjs');
    const latencies = Array.from({ length: 100 }, (_none, n) => n);
    expect(
      figuresOf({ cpuMs: 500, databaseCpuMs: 200, requests: 100, rows: 10, seconds: 2, latencies, rssMb: 80 }),
    ).toEqual({
      cpuMs: 5,
      databaseCpuMs: 2,
      rowUs: 500,
      perSecond: 50,
      p50Ms: 50,
      p99Ms: 99,
      rssMb: 80,
    });
  });

  it('takes the median of each figure, and of those rounds that have it', async () => {
    const { medians } = await load('report.mjs');
    expect(
      medians([
        { cpuMs: 3, p50Ms: null },
        { cpuMs: 1, p50Ms: null },
        { cpuMs: 2, p50Ms: null, late: 7 },
      ]),
    ).toEqual({
      cpuMs: 2,
      p50Ms: null,
      late: 7,
    });
  });

  it('shows ratios to the first server, and the reason of a failed one', async () => {
    const { workloadTable } = await load('report.mjs');
    const figures = { perSecond: 1000, p50Ms: 1, p99Ms: 2, rssMb: 100 };
    const table = workloadTable(
      {},
      { one: { cpuMs: 0.5, ...figures }, other: { cpuMs: 2, ...figures }, third: { failure: 'skipped' } },
    );
    expect(table.split('\n').slice(2)).toEqual([
      '| one | 0.500 | 1.00 | 1000 | 1.0 | 2.0 | 100 |',
      '| other | 2.000 | 4.00 | 1000 | 1.0 | 2.0 | 100 |',
      '| third | skipped | – | – | – | – | – |',
    ]);
  });
});

describe('client of bench:peers', () => {
  let server: Server;
  let url = '';
  const paths: string[] = [];

  beforeAll(async () => {
    server = createServer((request, response) => {
      paths.push(request.url ?? '');
      if (request.url === '/errors') response.end('{"errors":[]}');
      else response.setHeader('content-encoding', 'br').end(brotliCompressSync('{"data":1}'));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it('sends exactly the number of requests', async () => {
    const { sendRequests } = await load('client.mjs');
    const requestOf = (n: number) => ({ url: `${url}/${n}`, method: 'GET' });
    const { latencies } = await sendRequests({ count: 25, connections: 4, requestOf });
    expect(latencies).toHaveLength(25);
    expect(paths.sort()).toEqual(Array.from({ length: 25 }, (_none, n) => `/${n}`).sort());
  });

  it('decodes responses, and fails on those with errors', async () => {
    const { send, textOf } = await load('client.mjs');
    expect(await textOf(await send(undefined, { url, method: 'GET' }))).toBe('{"data":1}');
    await expect(send(undefined, { url: `${url}/errors`, method: 'GET' })).rejects.toThrow('200 {"errors":[]}');
  });
});

interface PeerServer {
  workloads: string[];
  kind: string;
  program: string;
}

describe('workloads of bench:peers', () => {
  it('has requests and results of each workload for all of its servers', async () => {
    const { servers } = (await load('servers.mjs')) as { servers: Record<string, PeerServer> };
    const { workloads } = await load('workloads.mjs');
    const session = { employeeId: '1' };
    for (const { workloads: own, kind, program } of Object.values(servers))
      for (const name of own) {
        const { requestOf } = workloads[name];
        if (kind !== 'redis') expect((requestOf[program] ?? requestOf[kind])(0, session)).toBeTruthy();
      }
  });
});
