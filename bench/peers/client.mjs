/* Sends an exact number of requests over a fixed number of connections. */
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip } from 'node:zlib';

const decoders = { gzip: promisify(gunzip), br: promisify(brotliDecompress) };

/**
 * @param count the number of requests
 * @param requestOf returns `{ url, method, headers, body }` of the n-th request
 * @param perSecond sends at this rate; latencies then count from the time that a request was due. Without it, each connection
 *   sends its next request after the response.
 * @returns seconds and sorted latencies in milliseconds
 */
export async function sendRequests({ count, connections, requestOf, perSecond = Infinity }) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const latencies = [];
  let next = 0;
  const startMs = performance.now();
  const connection = async () => {
    while (next < count) {
      const n = next++;
      const dueMs = startMs + (n * 1000) / perSecond;
      if (dueMs > performance.now()) await sleep(dueMs - performance.now());
      const sentMs = perSecond === Infinity ? performance.now() : dueMs;
      await send(agent, requestOf(n));
      latencies.push(performance.now() - sentMs);
    }
  };
  try {
    await Promise.all(Array.from({ length: connections }, connection));
  } finally {
    agent.destroy();
  }
  return { seconds: (performance.now() - startMs) / 1000, latencies: latencies.sort((one, other) => one - other) };
}

/** @returns `{ body, encoding }` of a response. @throws Error if its status is not 200 or it has errors */
export function send(agent, { url, method = 'POST', headers = {}, body }) {
  return new Promise((resolve, reject) => {
    const entity =
      body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const outgoing = request(url, { method, agent, headers: { ...entity, ...headers } }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part)).on('error', reject);
      response.on('end', () => {
        const received = Buffer.concat(parts);
        if (response.statusCode !== 200 || received.includes('"errors"'))
          reject(new Error(`${response.statusCode} ${received.toString('utf8', 0, 500)}`));
        else resolve({ body: received, encoding: response.headers['content-encoding'] });
      });
    });
    outgoing.on('error', reject).end(body);
  });
}

/** @returns the decoded text of a response. */
export async function textOf({ body, encoding }) {
  return (encoding === undefined ? body : await decoders[encoding](body)).toString();
}
