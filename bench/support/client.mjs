/* The load client of the benchmarks, a worker thread. Start it with `startClient` of setup.mjs. */
import { Agent, request } from 'node:http';
import { parentPort } from 'node:worker_threads';

const agent = new Agent({ keepAlive: true, maxSockets: 256 });

/** Sends the bodies in turn over `connections` connections for `seconds`. @returns requests per second and latencies */
async function sendRequests({ url, token, bodies, connections, seconds, allowsErrors = false, encoding = null }) {
  const end = performance.now() + seconds * 1000;
  const latencies = [];
  let next = 0;
  const connection = async () => {
    while (performance.now() < end) {
      const start = performance.now();
      await post(url, token, bodies[next++ % bodies.length], { allowsErrors, encoding });
      latencies.push(performance.now() - start);
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: connections }, connection));
  latencies.sort((one, other) => one - other);
  const quantile = (share) => latencies[Math.min(latencies.length - 1, Math.floor(share * latencies.length))];
  return {
    perSecond: (latencies.length / (performance.now() - start)) * 1000,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
  };
}

/** @throws Error if the response has an error, unless they are allowed beside data */
function post(url, token, body, { allowsErrors, encoding }) {
  return new Promise((resolve, reject) => {
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      authorization: `Bearer ${token}`,
      ...(encoding === null ? {} : { 'accept-encoding': encoding }),
    };
    const outgoing = request(url, { method: 'POST', agent, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part) => (text += part));
      response.on('end', () =>
        response.statusCode === 200 && (allowsErrors || !text.includes('"errors"'))
          ? resolve()
          : reject(new Error(text.slice(0, 500))),
      );
    });
    outgoing.on('error', reject).end(body);
  });
}

parentPort.on('message', async (task) => {
  try {
    parentPort.postMessage(await sendRequests(task));
  } catch (error) {
    parentPort.postMessage({ error: String(error) });
  }
});
