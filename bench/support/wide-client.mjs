/* The client of the benchmark `lag`, a worker thread: sends operations one after the other, and reads their whole results. */
import { on, once } from 'node:events';
import { Agent, request } from 'node:http';
import { parentPort } from 'node:worker_threads';
import WebSocket from 'ws';

const agent = new Agent({ keepAlive: true });

/** @returns the bytes of the last result, as they were received */
async function overHttp({ url, token, bodies, headers }) {
  let bytes = 0;
  for (const body of bodies) {
    const outgoing = request(url, {
      method: 'POST',
      agent,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, ...headers },
    });
    const [response] = await once(outgoing.end(body), 'response');
    const chunks = await response.toArray();
    bytes = chunks.reduce((sum, { length }) => sum + length, 0);
    const start = String(Buffer.concat(chunks.slice(0, 2)).subarray(0, 400));
    if (response.statusCode !== 200 || start.includes('"errors"')) throw new Error(start);
  }
  return bytes;
}

/** The same over one WebSocket. */
async function overWebsocket({ url, token, bodies }) {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), 'graphql-transport-ws');
  const messages = on(socket, 'message', { close: ['close'] });
  const next = async () => String((await messages.next()).value?.[0] ?? 'The socket was closed.');
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }));
  await next();
  let bytes = 0;
  for (const [id, body] of bodies.entries()) {
    socket.send(`{"id":"${id}","type":"subscribe","payload":${body}}`);
    const result = await next();
    if (!result.includes('"type":"next"') || result.includes('"errors"')) throw new Error(result.slice(0, 400));
    bytes = Buffer.byteLength(result);
    // Its completion.
    await next();
  }
  socket.close();
  return bytes;
}

parentPort.on('message', async (task) => {
  try {
    parentPort.postMessage({ bytes: await (task.isWebsocket ? overWebsocket(task) : overHttp(task)) });
  } catch (error) {
    parentPort.postMessage({ error: String(error) });
  }
});
