import { get } from 'node:http';
import { parseCli } from './lib/cli.js';

/*
 * `HEALTHCHECK` of the image. It requests /livez, not /readyz: its reader restarts the gateway, which does not repair a
 * database. A starting gateway listens only when it is ready.
 */

const usage = `Usage: node dist/scripts/healthcheck.js

Exits 0 if the gateway on HOST and PORT responds at /livez within 4 seconds.
`;
const timeoutMs = 4000;
const allAddresses = ['', '0.0.0.0', '::'];

parseCli(usage, { options: {} });
const host = process.env.HOST?.trim() ?? '';
const port = process.env.PORT?.trim() ?? '';
const request = get(
  {
    host: allAddresses.includes(host) ? '127.0.0.1' : host,
    port: port === '' ? 4000 : port,
    path: '/livez',
    agent: false,
  },
  ({ statusCode }) => {
    exit(statusCode === 200 ? null : `/livez responded with status ${statusCode ?? 'unknown'}`);
  },
);
request.on('error', (error) => exit(error.message));
request.setTimeout(timeoutMs, () => exit(`/livez did not respond within ${timeoutMs} ms`));

function exit(problem: string | null): never {
  if (problem !== null) process.stderr.write(`${problem}\n`);
  process.exit(problem === null ? 0 : 1);
}
