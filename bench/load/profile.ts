/* `npm run profile`: where the gateway's processor time goes under load, as a flame graph and as a table. */
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { startGateway, projectDir } from './gateway.ts';
import { flags, whole } from './flags.ts';
import { hottest } from './hottest.ts';
import { summaryOf } from './summary.ts';
import { sendTraffic } from './traffic.ts';

const usage = `npm run profile -- [--seconds 15] [--connections 16]

Sends the mix of npm run load to a gateway of its own, and writes into profile/ where the time of its main thread went:
index.html, a flame graph that needs no internet; hottest.txt, the functions that took longest; gateway.cpuprofile, for
other tools. What it prints under "requests/s" is slowed down by the profiler.`;

const { seconds, connections } = flags({ seconds: '15', connections: '16' }, usage);
const account = { email: 'admin@example.com', password: 'auspex-demo-2026' };
const options = { account, connections: whole('connections', connections, 1, 10_000), withSignIns: true };
const folder = path.join(projectDir, 'profile');
const file = path.join(folder, 'gateway.cpuprofile');

/** speedscope takes a path, and only a page beside it knows where it lies. */
const page = `<!doctype html>
<meta charset="utf-8">
<title>Where the gateway's time goes</title>
<script>
  const path = decodeURIComponent(new URL('profile.js', location).pathname).replace(/^\\//, '');
  location.replace('speedscope/index.html#localProfilePath=' + encodeURIComponent(path) + '&view=left-heavy');
</script>
`;

await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
const gateway = await startGateway();
try {
  // What is compiled and cached at the first requests is not what a day looks like.
  await sendTraffic({ ...options, url: gateway.url, seconds: 1 });
  await gateway.ask({ ask: 'profile' });
  const result = await sendTraffic({ ...options, url: gateway.url, seconds: whole('seconds', seconds, 1, 3600) });
  await gateway.ask({ ask: 'profile end', file });
  process.stdout.write(`${summaryOf(result)}\n`);
} finally {
  await gateway.stop();
}
const profile = await readFile(file, 'utf8');
const table = await hottest(profile, projectDir);
await writeFile(path.join(folder, 'hottest.txt'), table);
await writeViewer(profile);
process.stdout.write(`${table}\nThe flame graph: ${pathToFileURL(path.join(folder, 'index.html')).href}\n`);

/** speedscope, which runs from files, and a page that has it open the profile. */
async function writeViewer(text: string): Promise<void> {
  await cp(path.join(projectDir, 'node_modules', 'speedscope', 'dist', 'release'), path.join(folder, 'speedscope'), { recursive: true });
  await writeFile(path.join(folder, 'profile.js'), `speedscope.loadFileFromBase64('gateway.cpuprofile', '${Buffer.from(text).toString('base64')}');\n`);
  await writeFile(path.join(folder, 'index.html'), page);
}
