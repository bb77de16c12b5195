import type { EventEmitter } from 'node:events';
import pg from 'pg';

const timeoutMs = 5_000;

/** What this module uses of a connection of the driver; missing in its types. */
interface ProtocolConnection extends EventEmitter {
  stream: { destroy(): void };
  connect(portOrPath: number | string, host?: string): void;
  requestSsl(): void;
  cancel(processId: number, secretKey: number): void;
}

interface ClientInternals {
  connection: ProtocolConnection;
  ssl: unknown;
  processID: number;
  secretKey: number;
}

/**
 * Requests the server, on another connection, to cancel the running statement. The request may arrive late and cancel a later
 * statement: do not reuse the connection.
 */
export function cancelStatement(running: pg.Client, config: pg.ClientConfig): void {
  const { processID, secretKey } = running as unknown as ClientInternals;
  const client = new pg.Client(config);
  const { connection, ssl } = client as unknown as ClientInternals;
  const timeout = setTimeout(() => connection.stream.destroy(), timeoutMs).unref();
  connection.on('error', () => {}); // then the client's time limit ends the statement
  connection.on('end', () => clearTimeout(timeout));
  const cancel = (): void => connection.cancel(processID, secretKey);
  if (ssl) connection.once('connect', () => connection.requestSsl());
  connection.once(ssl ? 'sslconnect' : 'connect', cancel);
  if (client.host.startsWith('/')) connection.connect(`${client.host}/.s.PGSQL.${client.port}`);
  else connection.connect(client.port, client.host);
}
