/* `npm run load`: a mixed load, and how it was answered. */
import { startGateway } from './gateway.ts';
import { flags, whole } from './flags.ts';
import { summaryOf } from './summary.ts';
import { failuresOf, sendTraffic } from './traffic.ts';

const usage = `npm run load -- [--url http://localhost:4000/graphql] [--seconds 20] [--connections 32] [--rate 500] [--email … --password …]

Signs in, reads, predicts and changes in a mix, and says how fast that was answered. Exits 1 where any answer failed.
Without --url it starts a gateway of its own, in production mode, on an embedded database with the demo data.
The account must be an ADMIN's; it is the demo data's unless another is named. With --url nobody but it signs in: gateways
refuse who does so often. Where a gateway limits its callers, set RATE_LIMIT_PER_VIEWER=0 there, or stay below by --rate.`;

const { url, seconds, connections, rate, email, password } = flags(
  { url: '', seconds: '20', connections: '32', rate: '', email: 'admin@example.com', password: 'auspex-demo-2026' },
  usage,
);
const options = { seconds: whole('seconds', seconds, 1, 86_400), connections: whole('connections', connections, 1, 10_000), rate: rate === '' ? undefined : whole('rate', rate, 1, 1_000_000) };
const own = url === '' ? await startGateway() : null;
try {
  const result = await sendTraffic({ ...options, url: own?.url ?? url, account: { email, password }, withSignIns: own !== null });
  process.stdout.write(summaryOf(result));
  if (failuresOf(result.total) > 0 || result.total.answered === 0) process.exitCode = 1;
} finally {
  await own?.stop();
}
