import type { FastifyInstance } from 'fastify';
import { ConfigError } from '../errors/operator-error.js';
import { systemErrorCode } from '../errors/system-error-code.js';

/**
 * Listens. @returns the port
 * @param variable the variable that sets the port, for messages
 * @throws ConfigError if the address is unavailable
 */
export async function listen(
  server: FastifyInstance,
  { host, port }: { host: string; port: number },
  variable = 'PORT',
): Promise<number> {
  try {
    await server.listen({ host, port });
  } catch (error) {
    const reason = {
      EADDRINUSE: `${variable} ${port} is in use on ${host}; stop the program that listens there, or set another port`,
      EACCES: `${variable} ${port} is not permitted for this user; set a port above 1023`,
      EADDRNOTAVAIL: `HOST ${host} is not an address of this machine`,
      ENOTFOUND: `HOST ${host} is not known`,
    }[systemErrorCode(error) ?? ''];
    throw reason === undefined ? error : new ConfigError([reason]);
  }
  const address = server.server.address();
  return typeof address === 'object' && address ? address.port : port;
}

/** The host in URLs; a wildcard address becomes localhost. */
export const urlHost = (host: string): string =>
  host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
