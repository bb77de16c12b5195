import { get } from 'node:http';

/**
 * `HEALTHCHECK` of the image: exits 0 while the gateway answers at `/livez`. Not `/readyz`: what looks at this restarts or
 * replaces the gateway, which brings no database back. A gateway that starts does not listen before it is ready.
 */
const deadlineMs = 4000;
const everywhere = ['', '0.0.0.0', '::'];

const host = process.env.HOST?.trim() ?? '';
const port = process.env.PORT?.trim() ?? '';
const request = get({ host: everywhere.includes(host) ? '127.0.0.1' : host, port: port === '' ? 4000 : port, path: '/livez', agent: false }, ({ statusCode }) => {
  end(statusCode === 200 ? null : `/livez answered ${statusCode ?? 'nothing'}`);
});
request.on('error', (error) => end(error.message));
request.setTimeout(deadlineMs, () => end(`/livez did not answer within ${deadlineMs} ms`));

function end(problem: string | null): never {
  if (problem !== null) process.stderr.write(`${problem}\n`);
  process.exit(problem === null ? 0 : 1);
}
