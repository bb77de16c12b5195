/* `npm run profile`: records a CPU profile under load, as a flame graph and a table. */
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { startGateway, projectDir, type GatewayProcess } from './gateway.ts';
import { formatHotFunctions } from './hot-functions.ts';
import { parseInteger, parseOptions, runCommand } from './options.ts';
import { formatResult } from './report.ts';
import { sendTraffic } from './traffic.ts';

const usage = `Usage: npm run profile -- [options]

Sends the mix of npm run load to a new gateway and records a CPU profile of its main thread in profile/:
index.html, a flame graph that works offline; hot-functions.txt, the functions with the most self time;
gateway.cpuprofile, for other tools. The profiler slows requests down.

  --seconds <n>      duration (default: 15)
  --connections <n>  connections, each with one request at a time (default: 16)
  --help             print this text
`;

const { seconds, connections } = parseOptions({ seconds: '15', connections: '16' }, usage);
const account = { email: 'admin@example.com', password: 'auspex-demo-2026' };
const duration = parseInteger(usage, { name: 'seconds', text: seconds, minimum: 1, maximum: 3600 });
const options = {
  account,
  connections: parseInteger(usage, { name: 'connections', text: connections, minimum: 1, maximum: 10_000 }),
  withSignIns: true,
};
const folder = path.join(projectDir, 'profile');
const file = path.join(folder, 'gateway.cpuprofile');

/** Opens speedscope with the profile. Only a page in the same folder knows the absolute path that speedscope needs. */
const page = `<!doctype html>
<meta charset="utf-8">
<title>Auspex CPU profile</title>
<script>
  const path = decodeURIComponent(new URL('profile.js', location).pathname).replace(/^\\//, '');
  location.replace('speedscope/index.html#localProfilePath=' + encodeURIComponent(path) + '&view=left-heavy');
</script>
`;

await runCommand(async () => {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const gateway = await startGateway();
  try {
    await record(gateway);
  } finally {
    await gateway.stop();
  }
  const profile = await readFile(file, 'utf8');
  const table = await formatHotFunctions(profile, projectDir);
  await writeFile(path.join(folder, 'hot-functions.txt'), table);
  await writeViewer(profile);
  process.stdout.write(`${table}\nFlame graph: ${pathToFileURL(path.join(folder, 'index.html')).href}\n`);
});

async function record(gateway: GatewayProcess): Promise<void> {
  // Warm up: compile code and fill caches.
  await sendTraffic({ ...options, url: gateway.url, seconds: 1 });
  await gateway.inspect({ kind: 'start-profile' });
  const result = await sendTraffic({ ...options, url: gateway.url, seconds: duration });
  await gateway.inspect({ kind: 'stop-profile', file });
  process.stdout.write(`${formatResult(result)}\n`);
}

/** Copies speedscope, which works from the file system, and writes a page that opens the profile with it. */
async function writeViewer(text: string): Promise<void> {
  await cp(path.join(projectDir, 'node_modules', 'speedscope', 'dist', 'release'), path.join(folder, 'speedscope'), {
    recursive: true,
  });
  await writeFile(
    path.join(folder, 'profile.js'),
    `speedscope.loadFileFromBase64('gateway.cpuprofile', '${Buffer.from(text).toString('base64')}');\n`,
  );
  await writeFile(path.join(folder, 'index.html'), page);
}
