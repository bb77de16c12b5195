import type { FastifyInstance } from 'fastify';
import { ConfigError } from '../config.js';
import { codeOf } from '../shared/error-code.js';

/**
 * Listens; answers the port.
 * @param variable the one that sets the port
 * @throws ConfigError where the address cannot be had
 */
export async function listen(server: FastifyInstance, { host, port }: { host: string; port: number }, variable = 'PORT'): Promise<number> {
  try {
    await server.listen({ host, port });
  } catch (error) {
    const reason = {
      EADDRINUSE: `${variable} ${port} is taken on ${host}; stop what listens there, or set another`,
      EACCES: `${variable} ${port} may not be used by this user; set one above 1023`,
      EADDRNOTAVAIL: `HOST ${host} is no address of this machine`,
      ENOTFOUND: `HOST ${host} is not known`,
    }[codeOf(error) ?? ''];
    throw reason === undefined ? error : new ConfigError([reason]);
  }
  const address = server.server.address();
  return typeof address === 'object' && address ? address.port : port;
}

/** A host as URLs have it; an address that stands for all of this machine's becomes one that can be opened. */
export const urlHost = (host: string): string => (host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host);
