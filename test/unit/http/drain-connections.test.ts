import { expect, it } from '@jest/globals';
import fastify from 'fastify';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { addLingering } from '../../../src/http/hooks/drain-connections.js';

/** Opens the connections with a request each, and reports the number of responses once all are closed. */
const client = `
const { parentPort } = require('node:worker_threads');
parentPort.once('message', ({ port, connections }) => {
  let open = connections;
  let responses = 0;
  for (let index = 0; index < connections; index += 1) {
    const socket = require('node:net').connect(port, '127.0.0.1');
    socket.write('POST / HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Length: 0\\r\\n\\r\\n');
    socket.once('data', () => (responses += 1));
    socket.on('error', () => {});
    socket.once('close', () => {
      open -= 1;
      if (open === 0) parentPort.postMessage(responses);
    });
  }
});`;

it('serves every connection that was established before the listener closed', async () => {
  const server = fastify();
  addLingering(server, 2);
  server.post('/', () => 'served');
  const { port } = new URL(await server.listen({ host: '127.0.0.1', port: 0 }));
  const worker = new Worker(client, { eval: true });
  await once(worker, 'online');
  const responses = once(worker, 'message');
  worker.postMessage({ port: Number(port), connections: 20 });
  // The system establishes the connections while this process is busy.
  const end = performance.now() + 500;
  while (performance.now() < end);
  await server.close();
  expect(await responses).toEqual([20]);
  await worker.terminate();
});
