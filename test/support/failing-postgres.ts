import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';

/** A server that rejects every connection with an error of PostgreSQL. */
export interface FailingPostgres {
  port: number;
  close: () => void;
}

/** @param code SQLSTATE of the error, such as 57P03 during recovery */
export async function startFailingPostgres(code: string, message: string): Promise<FailingPostgres> {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0\0`);
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeInt32BE(fields.length + 4, 1);
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(Buffer.concat([head, fields])));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, close: () => void server.close() };
}
