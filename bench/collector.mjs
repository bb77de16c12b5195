import { createServer } from 'node:http';

// A collector that takes traces and throws them away; it tells who started it where it listens, and counts.

let bytes = 0;
const server = createServer((request, response) => {
  request.on('data', (part) => (bytes += part.length));
  request.on('end', () => response.setHeader('content-type', 'application/x-protobuf').end());
});
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
process.on('message', () => {
  process.send({ bytes });
  bytes = 0;
});
process.on('disconnect', () => process.exit());
