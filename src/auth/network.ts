import type { IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';

/**
 * The address that a connection comes from.
 * @param trustedProxies in front, that each add an address to `X-Forwarded-For`; what a caller wrote there itself comes before theirs
 */
export function callerAddress({ socket, headers }: IncomingMessage, trustedProxies: number): string {
  const forwarded = String(headers['x-forwarded-for'] ?? '').split(',').map((part) => part.trim()).filter((part) => part !== '');
  const hops = [...forwarded, socket.remoteAddress ?? ''].reverse();
  return hops[Math.min(trustedProxies, hops.length - 1)] ?? '';
}

/** What an address is counted as: IPv4 by itself, IPv6 by its /64, which is the least that one subscriber gets (RFC 6177). */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const ipv4 = /^::ffff:(\d+(?:\.\d+){3})$/i.exec(address)?.[1];
  if (ipv4 !== undefined) return ipv4;
  // Puts the address into its one canonical form, of hexadecimal groups alone; a zone says nothing about the network.
  const canonical = URL.parse(`http://[${address.replace(/%.*/, '')}]`)?.hostname.slice(1, -1) ?? address;
  const [front = [], back = []] = canonical.split('::').map((part) => part.split(':').filter((group) => group !== ''));
  const skipped = Array.from({ length: 8 - front.length - back.length }, () => '0');
  return [...front, ...skipped, ...back].slice(0, 4).join(':');
}
