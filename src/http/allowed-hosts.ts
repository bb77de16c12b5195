import type { IncomingMessage } from 'node:http';
import { AppError } from '../errors/app-error.js';
import { canonicalHost, type ClientConnection } from './forwarded.js';

/** The names under which the gateway is served. */
export interface AllowedHosts {
  /** Whether the gateway is served under a host, as sent in `Host`, with any port. */
  includes: (host: string) => boolean;
  /** Whether probes may name another host: Kubernetes sends the address of the pod. */
  isProbeExempt: boolean;
}

const loopbackHosts: readonly string[] = ['localhost', '*.localhost', '127.0.0.1', '[::1]'];

const probePaths: readonly string[] = ['/livez', '/readyz'];

/**
 * In development, the names of this machine and those that are configured: a page whose name resolves to 127.0.0.1 (DNS
 * rebinding) sends its own name. In production those that are configured.
 * @returns null if every host is allowed
 */
export function allowedHosts(configured: readonly string[], isProduction: boolean): AllowedHosts | null {
  if (configured.includes('*') || (isProduction && configured.length === 0)) return null;
  const hosts = isProduction ? configured : [...loopbackHosts, ...configured];
  const names = new Set(hosts);
  const suffixes = hosts.filter((host) => host.startsWith('*.')).map((host) => host.slice(1));
  return {
    includes: (host) => {
      const name = nameOf(host);
      return name !== null && (names.has(name) || suffixes.some((suffix) => name.endsWith(suffix)));
    },
    isProbeExempt: isProduction,
  };
}

/** The canonical name without port and without the dot that ends an absolute name. */
function nameOf(host: string): string | null {
  const canonical = canonicalHost('http:', host);
  return canonical === null ? null : canonical.replace(/:\d{1,5}$/, '').replace(/\.$/, '');
}

/**
 * Checks each host that a request names: `Host`, and the forwarded one behind a trusted proxy, which a page could set itself.
 * @returns the error for a host that is not allowed, or null
 */
export function hostDenial(
  request: Pick<IncomingMessage, 'headers' | 'url'>,
  client: ClientConnection,
  hosts: AllowedHosts | null,
): HostNotAllowed | null {
  if (hosts === null) return null;
  if (hosts.isProbeExempt && probePaths.includes(request.url?.split('?', 1)[0] ?? '')) return null;
  const denied = [request.headers.host ?? '', client.host].find((host) => !hosts.includes(host));
  return denied === undefined ? null : new HostNotAllowed(denied);
}

const maxHostLength = 100;

/** The request names a host under which the gateway is not served. */
export class HostNotAllowed extends AppError {
  constructor(host: string) {
    const shown = host.length > maxHostLength ? `${host.slice(0, maxHostLength)}…` : host;
    super('HOST_NOT_ALLOWED', `The gateway is not served under the host "${shown}"; add it to ALLOWED_HOSTS.`);
  }
}
