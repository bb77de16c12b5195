/* `npm run soak`: sends the load for minutes and checks that memory, sockets and timers do not grow. */
import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway, type GatewayProcess } from './gateway.ts';
import { growthOf } from './growth.ts';
import type { Report } from './instrumentation.ts';
import { parseInteger, parseOptions, runCommand } from './options.ts';
import { formatResult, table } from './report.ts';
import { failureCount, sendTraffic } from './traffic.ts';

const usage = `Usage: npm run soak -- [options]

Sends the mix of npm run load to a new gateway and samples its memory and resources after garbage
collections. Caches are small, so that they are full when the evaluated part begins: the last two
thirds. Exit code 1 if a resource grows beyond its limit or a request failed.

  --minutes <n>      duration (default: 10)
  --connections <n>  connections, each with one request at a time (default: 16)
  --help             print this text
`;

const { minutes, connections } = parseOptions({ minutes: '10', connections: '16' }, usage);
const seconds = parseInteger(usage, { name: 'minutes', text: minutes, minimum: 1, maximum: 100_000 }) * 60;
const callers = parseInteger(usage, { name: 'connections', text: connections, minimum: 1, maximum: 10_000 });

/** Samples per run, independent of its duration, so that a slope has enough points. */
const sampleCount = 60;

interface Resource {
  name: string;
  valueOf: (report: Report) => number;
  /** Permitted growth over the last two thirds: above noise, below a leak of 200 bytes per request. */
  limit: number;
}

const resources: readonly Resource[] = [
  { name: 'heap, MiB', valueOf: ({ heapUsed }) => heapUsed / 2 ** 20, limit: 4 },
  { name: 'external memory, MiB', valueOf: ({ external }) => external / 2 ** 20, limit: 4 },
  { name: 'resident memory, MiB', valueOf: ({ rss }) => rss / 2 ** 20, limit: 24 },
  { name: 'sockets', valueOf: ({ resources: active }) => active.TCPSocketWrap ?? 0, limit: 2 },
  { name: 'timers', valueOf: ({ resources: active }) => active.Timeout ?? 0, limit: 10 },
  {
    name: 'active resources',
    valueOf: ({ resources: active }) => Object.values(active).reduce((sum, count) => sum + count, 0),
    limit: 20,
  },
];

const smallCaches = {
  PREDICTION_CACHE_MAX_ENTRIES: '500',
  RESPONSE_CACHE_MAX_ENTRIES: '200',
  QUERY_CACHE_MAX_ENTRIES: '200',
};
await runCommand(async () => {
  const gateway = await startGateway(smallCaches);
  try {
    await soak(gateway);
  } finally {
    await gateway.stop();
  }
});

async function soak(gateway: GatewayProcess): Promise<void> {
  const traffic = sendTraffic({
    url: gateway.url,
    account: { email: 'admin@example.com', password: 'auspex-demo-2026' },
    seconds,
    connections: callers,
    withSignIns: true,
  });
  const [result, samples] = await Promise.all([traffic, sampleUntilSettled(gateway, traffic)]);
  const growths = resources.map(({ name, valueOf, limit }) => {
    const values = samples.map(valueOf);
    return { name, limit, values, growth: growthOf(values) };
  });
  process.stdout.write(`${formatResult(result)}\n${formatGrowths(growths)}\n`);
  const exceeded = growths.filter(({ growth, limit }) => growth > limit);
  for (const { name, growth, limit } of exceeded)
    process.stderr.write(`${name}: grew by ${growth.toFixed(1)}, limit ${limit}.\n`);
  if (exceeded.length > 0 || failureCount(result.total) > 0) process.exitCode = 1;
}

async function sampleUntilSettled({ inspect }: GatewayProcess, traffic: Promise<unknown>): Promise<Report[]> {
  const settled = new AbortController();
  const { signal } = settled;
  void traffic.catch(() => undefined).finally(() => settled.abort());
  const samples: Report[] = [];
  for (;;) {
    await sleep((seconds / sampleCount) * 1000, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return samples;
    samples.push(await inspect({ kind: 'memory' }));
  }
}

function formatGrowths(
  growths: readonly { name: string; values: readonly number[]; growth: number; limit: number }[],
): string {
  const at = (values: readonly number[], share: number): string =>
    (values[Math.floor(share * (values.length - 1))] ?? 0).toFixed(1);
  const rows = growths.map(({ name, values, growth, limit }) => [
    name,
    ...[0, 1 / 3, 2 / 3, 1].map((share) => at(values, share)),
    growth.toFixed(1),
    String(limit),
  ]);
  return table([
    ['after garbage collection', 'start', '1/3', '2/3', 'end', 'growth over the last 2/3', 'limit'],
    ...rows,
  ]);
}
