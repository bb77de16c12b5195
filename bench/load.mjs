import { Agent, request } from 'node:http';
import { parentPort } from 'node:worker_threads';

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

/** Asks the same again and again with `connections` requests under way for `seconds`; answers how many a second came back. */
async function load({ url, token, bodies, connections, seconds }) {
  const end = performance.now() + seconds * 1000;
  let answered = 0;
  let next = 0;
  const client = async () => {
    while (performance.now() < end) {
      await post(url, token, bodies[next++ % bodies.length]);
      answered += 1;
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: connections }, client));
  return (answered / (performance.now() - start)) * 1000;
}

function post(url, token, body) {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), authorization: `Bearer ${token}` };
    const sent = request(url, { method: 'POST', agent, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part) => (text += part));
      response.on('end', () => (response.statusCode === 200 && !text.includes('"errors"') ? resolve() : reject(new Error(text.slice(0, 500)))));
    });
    sent.on('error', reject).end(body);
  });
}

parentPort.on('message', async (task) => {
  try {
    parentPort.postMessage({ perSecond: await load(task) });
  } catch (error) {
    parentPort.postMessage({ error: String(error) });
  }
});
