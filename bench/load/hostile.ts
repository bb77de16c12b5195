/* `npm run hostile`: sends hostile requests without a credential, and measures stalls, sizes of responses and memory. */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway, type GatewayProcess } from './gateway.ts';
import { hostileRequests, secret, type HostileRequest } from './hostile-requests.ts';
import { parseOptions, runCommand } from './options.ts';
import { table } from './report.ts';

const usage = `Usage: npm run hostile -- [options]

Sends one request of 1 MB for each kind of error to a new gateway, without a credential, and prints the
longest stall of the event loop, beside the stall of parsing the body alone, the size of the largest
response and the growth of resident memory with 40 slow readers. Exit code 1 if a response has more than 64 KiB
or a text of the request, or if memory grows by more than 100 MiB.

  --help  print this text
`;

const maxResponseBytes = 64 * 1024;
const maxGrowthMiB = 100;
const readers = 40;
const size = 1_000_000;

parseOptions({}, usage);
await runCommand(async () => {
  const gateway = await startGateway();
  try {
    await measure(gateway);
  } finally {
    await gateway.stop();
  }
});

async function measure(gateway: GatewayProcess): Promise<void> {
  const requests = hostileRequests(size);
  for (const request of hostileRequests(1_000)) await send(gateway, request);
  const measured = [];
  for (const request of requests) {
    const parseMs = await parseMsOf(gateway, request);
    measured.push({ ...request, ...(await sendMeasured(gateway, request)), parseMs });
  }
  const growthMiB = await growthWithSlowReaders(gateway, requests);
  const largest = Math.max(...measured.map(({ bytes }) => bytes));
  process.stdout.write(
    `${table([
      ['request', 'stall, ms', 'parsing, ms', 'response, bytes'],
      ...measured.map(({ name, stallMs, parseMs, bytes }) => [
        name,
        stallMs.toFixed(0),
        parseMs.toFixed(0),
        String(bytes),
      ]),
    ])}\nlongest stall: ${Math.max(...measured.map(({ stallMs }) => stallMs)).toFixed(0)} ms, ` +
      `without parsing ${Math.max(...measured.map(({ stallMs, parseMs }) => stallMs - parseMs)).toFixed(0)} ms\n` +
      `largest response: ${largest} bytes\nresident memory with ${readers} slow readers: ${growthMiB.toFixed(0)} MiB more\n`,
  );
  const hasSecret = measured.some(({ text }) => text.includes(secret));
  if (hasSecret) process.stderr.write('A response has a text of its request.\n');
  if (largest > maxResponseBytes || growthMiB > maxGrowthMiB || hasSecret) process.exitCode = 1;
}

/** The stall by parsing alone: the request in a list, which is parsed and rejected, because batching is disabled. */
async function parseMsOf(gateway: GatewayProcess, { name, body }: HostileRequest): Promise<number> {
  return (await sendMeasured(gateway, { name, body: `[${body}]` })).stallMs;
}

/** The best of three stalls: other processes delay the gateway too. */
async function sendMeasured(
  gateway: GatewayProcess,
  request: HostileRequest,
): Promise<{ stallMs: number; bytes: number; text: string }> {
  let stallMs = Infinity;
  let text = '';
  for (let attempt = 0; attempt < 3; attempt += 1) {
    await gateway.inspect({ kind: 'usage' });
    text = await send(gateway, request);
    const { longestStallMs } = await gateway.inspect({ kind: 'usage' });
    stallMs = Math.min(stallMs, longestStallMs);
  }
  return { stallMs, bytes: Buffer.byteLength(text), text };
}

async function send({ url }: GatewayProcess, { body, accept }: HostileRequest): Promise<string> {
  const headers = { 'content-type': 'application/json', ...(accept === undefined ? {} : { accept }) };
  return (await fetch(url, { method: 'POST', headers, body })).text();
}

/** Opens connections that send the requests and never read, and returns the growth of memory while they are open. */
async function growthWithSlowReaders(gateway: GatewayProcess, requests: readonly HostileRequest[]): Promise<number> {
  const before = await gateway.inspect({ kind: 'memory' });
  const { port } = new URL(gateway.url);
  const sockets: Socket[] = [];
  for (let index = 0; index < readers; index += 1) {
    const { body = '' } = requests[index % 3] ?? {};
    const socket = connect(Number(port), '127.0.0.1').pause();
    socket.on('error', () => {});
    socket.write(
      `POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    sockets.push(socket);
  }
  await sleep(5_000);
  const after = await gateway.inspect({ kind: 'memory' });
  for (const socket of sockets) socket.destroy();
  return (after.rss - before.rss) / 2 ** 20;
}
