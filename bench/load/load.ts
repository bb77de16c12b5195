/* `npm run load`: sends a mix of operations and reports throughput, latencies and failures. */
import { parseInteger, parseOptions, parseUrl, runCommand } from './options.ts';
import { startGateway } from './gateway.ts';
import { formatResult } from './report.ts';
import { failureCount, sendTraffic } from './traffic.ts';

const usage = `Usage: npm run load -- [options]

Sends a mix of sign-ins, reads, predictions and mutations and reports throughput and latencies.
Exit code 1 if a request failed.

  --url <url>          GraphQL endpoint of a running gateway; by default a new gateway in production
                       mode with an embedded database and demo data
  --seconds <n>        duration (default: 20)
  --connections <n>    connections, each with one request at a time (default: 32)
  --rate <n>           requests per second over all connections (default: unlimited)
  --email, --password  an account with role ADMIN (default: the one of the demo data)
  --help               print this text

With --url the account signs in only once, because gateways throttle sign-ins. If the gateway limits
rates, set RATE_LIMIT_PER_VIEWER=0 and RATE_LIMIT_PREDICTION_ROWS=0 there or use --rate.
`;

const {
  url: sentUrl,
  seconds,
  connections,
  rate,
  email,
  password,
} = parseOptions(
  { url: '', seconds: '20', connections: '32', rate: '', email: 'admin@example.com', password: 'auspex-demo-2026' },
  usage,
);
const url = sentUrl === '' ? null : parseUrl(usage, 'url', sentUrl);
const options = {
  seconds: parseInteger(usage, { name: 'seconds', text: seconds, minimum: 1, maximum: 86_400 }),
  connections: parseInteger(usage, { name: 'connections', text: connections, minimum: 1, maximum: 10_000 }),
  rate: rate === '' ? undefined : parseInteger(usage, { name: 'rate', text: rate, minimum: 1, maximum: 1_000_000 }),
};

await runCommand(async () => {
  if (url !== null) return send(url, false);
  const gateway = await startGateway();
  try {
    await send(gateway.url, true);
  } finally {
    await gateway.stop();
  }
});

async function send(target: string, withSignIns: boolean): Promise<void> {
  const result = await sendTraffic({ ...options, url: target, account: { email, password }, withSignIns });
  process.stdout.write(formatResult(result));
  if (failureCount(result.total) > 0 || result.total.succeeded === 0) process.exitCode = 1;
}
