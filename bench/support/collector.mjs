/* An OTLP collector that discards traces and counts their bytes. Runs as a child process. */
import { createServer } from 'node:http';

let bytes = 0;
const server = createServer((request, response) => {
  request.on('data', (part) => (bytes += part.length));
  request.on('end', () => response.setHeader('content-type', 'application/x-protobuf').end());
});
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
process.on('message', () => process.send({ bytes }));
process.on('disconnect', () => process.exit());
