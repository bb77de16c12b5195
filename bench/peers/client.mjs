/* Sends an exact number of requests over a fixed number of connections. */
import { Agent, request } from 'node:http';

/**
 * @param count the number of requests
 * @param requestOf returns `{ url, method, headers, body }` of the n-th request
 * @returns seconds and sorted latencies in milliseconds
 */
export async function sendRequests({ count, connections, requestOf }) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const latencies = [];
  let next = 0;
  const connection = async () => {
    while (next < count) {
      const sent = requestOf(next++);
      const startMs = performance.now();
      await send(agent, sent);
      latencies.push(performance.now() - startMs);
    }
  };
  const startMs = performance.now();
  await Promise.all(Array.from({ length: connections }, connection));
  const seconds = (performance.now() - startMs) / 1000;
  agent.destroy();
  return { seconds, latencies: latencies.sort((one, other) => one - other) };
}

/** @returns the text of a response. @throws Error if its status is not 200 or it has errors */
export function send(agent, { url, method = 'POST', headers = {}, body }) {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const outgoing = request(
      url,
      { method, agent, headers: { 'content-type': 'application/json', ...length, ...headers } },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part) => (text += part));
        response.on('end', () =>
          response.statusCode === 200 && !text.includes('"errors"')
            ? resolve(text)
            : reject(new Error(`${response.statusCode} ${text.slice(0, 500)}`)),
        );
      },
    );
    outgoing.on('error', reject).end(body);
  });
}
