/* `npm run soak`: the mixed load for minutes, and whether memory, sockets or anything else grows with it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway, type OwnGateway } from './gateway.ts';
import { flags, whole } from './flags.ts';
import { growthOf } from './growth.ts';
import type { Told } from './inside.ts';
import { summaryOf, table } from './summary.ts';
import { failuresOf, sendTraffic } from './traffic.ts';

const usage = `npm run soak -- [--minutes 10] [--connections 16]

Sends the mix of npm run load to a gateway of its own, and looks every few seconds at what it holds after a collection of
garbage. Exits 1 where it grows, or where any answer failed. Caches are small, so that they are full long before the look
begins that counts: at what is held in the last two thirds.`;

const { minutes, connections } = flags({ minutes: '10', connections: '16' }, usage);
const seconds = whole('minutes', minutes, 1, 100_000) * 60;
const callers = whole('connections', connections, 1, 10_000);

/** So often is looked; shorter runs look oftener, so that a slope has points. */
const looks = 60;

/** What is watched, in what unit, and by how much it may grow over the part that counts. More than noise, and less than a leak of 200 bytes a request. */
const watched: { name: string; of: (told: Told) => number; mayGrow: number }[] = [
  { name: 'heap, MiB', of: ({ heapUsed }) => heapUsed / 2 ** 20, mayGrow: 4 },
  { name: 'outside the heap, MiB', of: ({ external }) => external / 2 ** 20, mayGrow: 4 },
  { name: 'resident, MiB', of: ({ rss }) => rss / 2 ** 20, mayGrow: 24 },
  { name: 'sockets', of: ({ resources }) => resources.TCPSocketWrap ?? 0, mayGrow: 2 },
  { name: 'timers', of: ({ resources }) => resources.Timeout ?? 0, mayGrow: 10 },
  { name: 'everything that waits', of: ({ resources }) => Object.values(resources).reduce((sum, count) => sum + count, 0), mayGrow: 20 },
];

const small = { PREDICTION_CACHE_MAX_ENTRIES: '500', RESPONSE_CACHE_MAX_ENTRIES: '200', QUERY_CACHE_MAX_ENTRIES: '200' };
const gateway = await startGateway(small);
try {
  const traffic = sendTraffic({ url: gateway.url, account: { email: 'admin@example.com', password: 'auspex-demo-2026' }, seconds, connections: callers, withSignIns: true });
  const [result, seen] = await Promise.all([traffic, look(gateway, traffic)]);
  const growths = watched.map((one) => ({ ...one, values: seen.map(one.of) })).map((one) => ({ ...one, growth: growthOf(one.values) }));
  process.stdout.write(`${summaryOf(result)}\n${told(growths)}\n`);
  const grown = growths.filter(({ growth, mayGrow }) => growth > mayGrow);
  for (const { name, growth, mayGrow } of grown) process.stderr.write(`${name} grew by ${growth.toFixed(1)}, and may by ${mayGrow}.\n`);
  if (grown.length > 0 || failuresOf(result.total) > 0) process.exitCode = 1;
} finally {
  await gateway.stop();
}

/** Looks until the traffic is over. */
async function look({ ask }: OwnGateway, traffic: Promise<unknown>): Promise<Told[]> {
  const over = new AbortController();
  const { signal } = over;
  void traffic.catch(() => undefined).finally(() => over.abort());
  const seen: Told[] = [];
  for (;;) {
    await sleep((seconds / looks) * 1000, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return seen;
    seen.push(await ask({ ask: 'memory' }));
  }
}

function told(growths: readonly { name: string; values: readonly number[]; growth: number; mayGrow: number }[]): string {
  const at = (values: readonly number[], share: number): string => (values[Math.floor(share * (values.length - 1))] ?? 0).toFixed(1);
  const rows = growths.map(({ name, values, growth, mayGrow }) => [name, at(values, 0), at(values, 1 / 3), at(values, 2 / 3), at(values, 1), growth.toFixed(1), String(mayGrow)]);
  return table([['after a collection of garbage', 'at first', 'at 1/3', 'at 2/3', 'at last', 'growth of the last 2/3', 'may be'], ...rows]);
}
