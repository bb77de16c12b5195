import { isIP, isIPv6 } from 'node:net';

/** @returns the canonical form of an IP address: without zone, IPv4 if it is IPv4-mapped; null if the text is no address. */
export function canonicalAddress(text: string): string | null {
  const [address = ''] = text.split('%', 1);
  if (!isIPv6(address)) return isIP(address) === 0 ? null : address;
  // The URL parser writes the shortest form (RFC 5952), in hexadecimal groups.
  const canonical = URL.parse(`http://[${address}]`)?.hostname.slice(1, -1) ?? address;
  const [, high, low] = /^::ffff:([\da-f]+):([\da-f]+)$/.exec(canonical) ?? [];
  return high === undefined || low === undefined ? canonical : [...bytesOf(high), ...bytesOf(low)].join('.');
}

/** @returns the key to count an address by: an IPv4 address, or the /64 of an IPv6 address, the smallest subscriber network (RFC 6177). */
export function networkOf(address: string): string {
  const canonical = canonicalAddress(address) ?? address;
  if (!isIPv6(canonical)) return canonical;
  const [head = [], tail = []] = canonical.split('::').map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => '0');
  return [...head, ...zeros, ...tail].slice(0, 4).join(':');
}

/** The two bytes of a hexadecimal group. */
function bytesOf(group: string): number[] {
  const value = Number.parseInt(group, 16);
  return [value >> 8, value & 0xff];
}
