import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { canonicalAddress } from '../auth/network.js';

/** The connection of a client to the outermost trusted proxy or, without one, to the gateway. */
export interface ClientConnection {
  /** IP address in canonical form, without port and zone. */
  address: string;
  protocol: 'http' | 'https';
  /** Host and port as the client sent them; empty if it sent none. */
  host: string;
}

/** What proxies report about the connection of a client; undefined where they report nothing. */
interface Reported {
  /** Null if what they report is no address. */
  address: string | null | undefined;
  protocol: string | undefined;
  host: string | undefined;
}

/**
 * Reads the client's connection from `X-Forwarded-For`, `-Proto` and `-Host`, or `Forwarded` (RFC 7239). Each trusted proxy
 * appends to them; what precedes the appended entries was sent by the client and is ignored. A reported address that is none,
 * such as `unknown`, counts as the peer. A client can send the header that its proxy does not set: where both are present and
 * disagree, neither is believed.
 */
export function clientConnection(
  { socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>,
  trustedProxies: number,
): ClientConnection {
  const direct: ClientConnection = {
    address: addressIn(socket.remoteAddress) ?? '',
    protocol: (socket as Partial<TLSSocket>).encrypted === true ? 'https' : 'http',
    host: headers.host ?? '',
  };
  if (trustedProxies === 0) return direct;
  const [one, other] = [byForwardedFor(headers, trustedProxies), byForwarded(headers.forwarded, trustedProxies)];
  return {
    address: agreed(one.address, other.address) ?? direct.address,
    protocol: protocols.get(agreed(one.protocol, other.protocol)) ?? direct.protocol,
    host: agreed(one.host, other.host) ?? direct.host,
  };
}

const protocols = new Map<string | undefined, ClientConnection['protocol']>([
  ['http', 'http'],
  ['ws', 'http'],
  ['https', 'https'],
  ['wss', 'https'],
]);

const agreed = <Value>(one: Value | undefined, other: Value | undefined): Value | undefined =>
  one === undefined || other === undefined || one === other ? (one ?? other) : undefined;

/** Proxies replace the protocol and the host, or append them; the last entry is that of the nearest proxy. */
function byForwardedFor(headers: IncomingMessage['headers'], trustedProxies: number): Reported {
  const entries = (name: 'x-forwarded-for' | 'x-forwarded-proto' | 'x-forwarded-host'): string[] | undefined => {
    const value = String(headers[name] ?? '').trim();
    return value === '' ? undefined : value.split(',').map((entry) => entry.trim());
  };
  const addresses = entries('x-forwarded-for');
  return {
    address: addresses && addressIn(outermost(addresses, trustedProxies)),
    protocol: normalized(entries('x-forwarded-proto')?.at(-1)),
    host: normalized(entries('x-forwarded-host')?.at(-1)),
  };
}

function byForwarded(header: string | undefined, trustedProxies: number): Reported {
  if (header === undefined || header.trim() === '') return { address: undefined, protocol: undefined, host: undefined };
  const element = outermost(forwardedElements(header), trustedProxies);
  return {
    address: addressIn(element?.get('for')),
    protocol: normalized(element?.get('proto')),
    host: normalized(element?.get('host')),
  };
}

const normalized = (text: string | undefined): string | undefined => (text === '' ? undefined : text?.toLowerCase());

/** The entry of the outermost trusted proxy; a list that is shorter than the chain starts with it. */
const outermost = <Entry>(entries: readonly Entry[], trustedProxies: number): Entry | undefined =>
  entries[Math.max(0, entries.length - trustedProxies)];

/** A `name=value` and what follows it. Many proxies omit the quotes that the RFC requires around ports and IPv6 addresses. */
const forwardedPair = /[ \t]*(?:([\w!#$%&'*+.^`|~-]+)=("(?:[^"\\]|\\.)*"|[^\s",;]*)[ \t]*)?([;,]|$)/gy;

/** The elements of a `Forwarded` header, by lower-case parameter; none if the header is malformed. */
function forwardedElements(header: string): Map<string, string>[] {
  let element = new Map<string, string>();
  const elements: Map<string, string>[] = [element];
  let end: string | undefined;
  for (const [, name, value = '', separator] of header.matchAll(forwardedPair)) {
    if (name !== undefined) element.set(name.toLowerCase(), unquoted(value));
    if (separator === ',') elements.push((element = new Map<string, string>()));
    end = separator;
  }
  return end === '' ? elements : [];
}

const unquoted = (text: string): string =>
  text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1).replace(/\\(.)/g, '$1') : text;

/** An IPv6 address in brackets or an IPv4 address, each with an optional port, which may be obfuscated (RFC 7239, 6.2). */
const withPort = /^(?:\[([^\]]*)\]|([\d.]+))(?::[\w.-]*)?$/;

/** The address in an entry that may have quotes, brackets, a port or a zone; null if there is none. */
function addressIn(entry: string | undefined): string | null {
  const text = unquoted(entry ?? '').trim();
  const match = withPort.exec(text);
  return canonicalAddress(match?.[1] ?? match?.[2] ?? text);
}

/** A host name or address with an optional port (RFC 3986, 3.2.2). */
const hostAndPort = /^(?:\[[\da-f:.]+\]|[\w.~!$&'()*+;=%-]+)(?::\d{0,5})?$/i;

/**
 * Whether the request has one Host header that names a host, or none in HTTP/1.0 (RFC 9112, 3.2). Of several, a proxy may route by another
 * one than the gateway reads. It is empty for a target without an authority.
 */
export function hasValidHost({
  headers,
  rawHeaders,
  httpVersion,
}: Pick<IncomingMessage, 'headers' | 'rawHeaders' | 'httpVersion'>): boolean {
  const hosts = rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'host');
  const { host = '' } = headers;
  const isComplete = hosts.length === 1 || (hosts.length === 0 && httpVersion === '1.0');
  return isComplete && (host === '' || hostAndPort.test(host));
}

/** @returns a host in lower case and without the default port of the protocol; null if the text is no host. */
export const canonicalHost = (protocol: 'http:' | 'https:', text: string): string | null =>
  hostAndPort.test(text) ? (URL.parse(`${protocol}//${text}`)?.host ?? null) : null;

/** Whether a page of this origin came from the host that its request names. */
export function isSameOrigin(origin: string, host: string): boolean {
  const { protocol, host: ownHost } = URL.parse(origin) ?? {};
  return (protocol === 'http:' || protocol === 'https:') && canonicalHost(protocol, host) === ownHost;
}
