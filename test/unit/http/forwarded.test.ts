import { describe, expect, it } from '@jest/globals';
import type { IncomingMessage } from 'node:http';
import {
  canonicalHost,
  clientConnection,
  hasValidHost,
  isSameOrigin,
  type ClientConnection,
} from '../../../src/http/forwarded.js';

const peer = '10.0.0.1';

/** The client of a request from the peer with these headers. */
function clientOf(
  headers: Record<string, string>,
  trustedProxies = 1,
  socket: { remoteAddress?: string; encrypted?: boolean } = { remoteAddress: peer },
): ClientConnection {
  const request = { headers, socket } as unknown as Pick<IncomingMessage, 'headers' | 'socket'>;
  return clientConnection(request, trustedProxies);
}
const addressIn = (entry: string): string => clientOf({ 'x-forwarded-for': entry }).address;
const addressFor = (value: string): string => clientOf({ forwarded: value }).address;

describe('the address in X-Forwarded-For', () => {
  it.each([
    ['an IPv4 address', '203.0.113.7', '203.0.113.7'],
    ['an IPv4 address with a port', '203.0.113.7:50001', '203.0.113.7'],
    ['an IPv4 address in quotes', '"203.0.113.7"', '203.0.113.7'],
    ['an IPv4 address and port in quotes', '"203.0.113.7:80"', '203.0.113.7'],
    ['an IPv6 address', '2001:db8::1', '2001:db8::1'],
    ['an IPv6 address in brackets', '[2001:db8::1]', '2001:db8::1'],
    ['an IPv6 address with a port', '[2001:db8::1]:4711', '2001:db8::1'],
    ['an IPv6 address and port in quotes', '"[2001:db8::1]:4711"', '2001:db8::1'],
    ['a long IPv6 address in capitals', '2001:0DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['an IPv6 address with a zone', 'fe80::1%eth0', 'fe80::1'],
    ['a zone in brackets', '[fe80::1%25eth0]:80', 'fe80::1'],
    ['an IPv4-mapped address', '::ffff:203.0.113.7', '203.0.113.7'],
    ['an IPv4-mapped address in hexadecimal', '[::ffff:cb00:7107]:80', '203.0.113.7'],
    ['space around it', '  203.0.113.7\t', '203.0.113.7'],
  ])('is read from %s', (_form, entry, address) => {
    expect(addressIn(entry)).toBe(address);
    expect(addressIn(`198.51.100.1, ${entry}`)).toBe(address);
  });

  it.each([
    ['an empty header', ''],
    ['an empty entry', '203.0.113.7,'],
    ['unknown', 'unknown'],
    ['an obfuscated name', '_hidden'],
    ['a host name', 'client.example.com'],
    ['leading zeros', '203.0.113.079'],
    ['too many groups', '1:2:3:4:5:6:7:8:9'],
    ['an open bracket', '[2001:db8::1'],
    ['an open quote', '"203.0.113.7'],
    ['a list in quotes', '"203.0.113.7 203.0.113.8"'],
    ['a number', '3405803783'],
    ['a URL', 'http://203.0.113.7/'],
    ['markup', "'><script>"],
  ])('is the peer for %s', (_form, entry) => {
    expect(addressIn(entry)).toBe(peer);
  });

  it('is the entry of the outermost trusted proxy', () => {
    const headers = { 'x-forwarded-for': '192.0.2.1, 203.0.113.7:80, 10.0.0.2' };
    expect([0, 1, 2, 3, 9].map((proxies) => clientOf(headers, proxies).address)).toEqual([
      peer,
      '10.0.0.2',
      '203.0.113.7',
      '192.0.2.1',
      '192.0.2.1',
    ]);
  });

  it('is the peer without proxies, in canonical form', () => {
    expect(clientOf({}, 0, { remoteAddress: '::ffff:192.0.2.9' }).address).toBe('192.0.2.9');
    expect(clientOf({}, 1, { remoteAddress: 'fe80::1%eth0' }).address).toBe('fe80::1');
    expect(clientOf({}, 1, {}).address).toBe('');
  });
});

describe('the header Forwarded', () => {
  it.each([
    ['for=203.0.113.7', '203.0.113.7'],
    ['For="203.0.113.7:50001"', '203.0.113.7'],
    ['for=203.0.113.7:50001', '203.0.113.7'],
    ['for="[2001:db8::1]"', '2001:db8::1'],
    ['for="[2001:db8::1]:4711"', '2001:db8::1'],
    ['for="[2001:db8::1]:_port"', '2001:db8::1'],
    ['for=[2001:db8::1]', '2001:db8::1'],
    ['proto=https;by=203.0.113.43;for=203.0.113.7', '203.0.113.7'],
    ['for=192.0.2.1, for=203.0.113.7', '203.0.113.7'],
    ['for=192.0.2.1,for=203.0.113.7 ; proto=http', '203.0.113.7'],
    ['for="_a,b;c=\\"d";by=unknown, for="203.0.113.7"', '203.0.113.7'],
    [',, for=203.0.113.7', '203.0.113.7'],
    ['for=203.0.113.7;;proto=http;', '203.0.113.7'],
    ['for="2\\03.0.113.7"', '203.0.113.7'],
  ])('gives the address in %s', (value, address) => {
    expect(addressFor(value)).toBe(address);
  });

  it.each([
    '',
    'for=unknown',
    'for=_hidden',
    'for="_gazonk"',
    'proto=https',
    'for=203.0.113.7,',
    'for="203.0.113.7',
    'for=203.0.113.7"',
    'for="x, for=203.0.113.7;by="y"',
    '203.0.113.7',
    'for 203.0.113.7',
    'for=',
    '=203.0.113.7',
    '"for"=203.0.113.7',
    'for==203.0.113.7',
  ])('gives the peer for %s', (value) => {
    expect(addressFor(value)).toBe(peer);
  });

  it('gives the protocol and the host of the outermost trusted proxy', () => {
    const headers = {
      forwarded: 'host=evil.example, for=_a;proto=HTTPS;host="GW.example.com:8443", for=_b;proto=http',
    };
    expect(clientOf(headers, 2)).toEqual({ address: peer, protocol: 'https', host: 'gw.example.com:8443' });
    expect(clientOf({ ...headers, host: 'internal:4000' })).toMatchObject({ protocol: 'http', host: 'internal:4000' });
  });

  it('is read in time linear in its length', () => {
    const start = performance.now();
    for (const part of ['for="\\"', ' \t', 'a', 'for=', '"', ';', ',', '\\', '%', 'for=[', 'for="['])
      expect(addressFor(part.repeat(20_000))).toBe(peer);
    expect(performance.now() - start).toBeLessThan(2_000);
  });
});

describe('both headers', () => {
  it('are believed if they agree', () => {
    const headers = { 'x-forwarded-for': '2001:DB8::1', forwarded: 'for="[2001:db8:0::1]:80"' };
    expect(clientOf(headers).address).toBe('2001:db8::1');
  });

  it.each([
    ['203.0.113.7', 'for=198.51.100.9'],
    ['203.0.113.7', 'for=unknown'],
    ['unknown', 'for=203.0.113.7'],
    ['203.0.113.7', 'nonsense'],
  ])('count as the peer for %s and %s, because a client can send one of them', (forwardedFor, forwarded) => {
    expect(clientOf({ 'x-forwarded-for': forwardedFor, forwarded }).address).toBe(peer);
  });

  it('do not make a plain connection an encrypted one', () => {
    const headers = { 'x-forwarded-proto': 'http', forwarded: 'proto=https', host: 'gw.example.com' };
    expect(clientOf(headers).protocol).toBe('http');
    expect(clientOf({ ...headers, 'x-forwarded-proto': 'https', forwarded: 'proto=http' }).protocol).toBe('http');
    expect(clientOf({ ...headers, 'x-forwarded-host': 'a.example', forwarded: 'host=b.example' }).host).toBe(
      'gw.example.com',
    );
  });
});

describe('the protocol and the host', () => {
  const headers = {
    host: 'internal:4000',
    'x-forwarded-host': 'a.example, GW.example.com',
    'x-forwarded-proto': 'http, WSS',
  };

  it('are those of the nearest proxy', () => {
    expect(clientOf(headers)).toMatchObject({ protocol: 'https', host: 'gw.example.com' });
  });

  it('are those of the connection without a trusted proxy', () => {
    expect(clientOf(headers, 0)).toEqual({ address: peer, protocol: 'http', host: 'internal:4000' });
    expect(clientOf({}, 0, { remoteAddress: peer, encrypted: true })).toMatchObject({ protocol: 'https', host: '' });
  });

  it.each(['constructor', 'ftp', 'https://', ''])('are not read from the protocol "%s"', (protocol) => {
    expect(clientOf({ 'x-forwarded-proto': protocol }).protocol).toBe('http');
  });
});

describe('a host', () => {
  it.each([
    ['GW.example.com', 'gw.example.com'],
    ['gw.example.com:443', 'gw.example.com'],
    ['gw.example.com:8443', 'gw.example.com:8443'],
    ['[2001:DB8::1]:443', '[2001:db8::1]'],
    ['a b', null],
    ['user@gw.example.com', null],
    ['gw.example.com/path', null],
    ['gw.example.com?x', null],
    ['gw.example.com#x', null],
    ['gw\\evil', null],
    ['gw.example.com, evil.example', null],
    ['gw.example.com:99999', null],
    ['', null],
  ])('%s is %s', (text, host) => {
    expect(canonicalHost('https:', text)).toBe(host);
  });

  it.each([
    ['https://gw.example.com', 'gw.example.com', true],
    ['https://gw.example.com', 'gw.example.com:443', true],
    ['https://GW.example.com:443', 'Gw.Example.Com', true],
    ['http://gw.example.com', 'gw.example.com:80', true],
    ['http://localhost:4000', 'localhost:4000', true],
    ['https://gw.example.com', 'gw.example.com:80', false],
    ['https://gw.example.com:8443', 'gw.example.com', false],
    ['https://gw.example.com.evil.example', 'gw.example.com', false],
    ['https://evil.example', 'gw.example.com', false],
    ['null', 'null', false],
    ['', '', false],
    ['file://', '', false],
    ['chrome-extension://gw.example.com', 'gw.example.com', false],
  ])('of a page at %s and a request to %s: same origin is %s', (origin, host, isSame) => {
    expect(isSameOrigin(origin, host)).toBe(isSame);
  });
});

describe('the Host header', () => {
  const isValid = (...rawHeaders: string[]): boolean =>
    hasValidHost({ httpVersion: '1.1', rawHeaders, headers: { host: rawHeaders[1] ?? '' } });

  it.each(['gw.example.com', 'gw_1.internal:4000', '127.0.0.1:4000', '[::1]:4000', ''])('may be "%s"', (host) => {
    expect(isValid('Host', host, 'accept', 'host')).toBe(true);
  });

  it.each(['a b', 'a/b', 'user@a', 'a:b', 'a,b', '[::1', 'a\\b', 'a?b'])('may not be "%s"', (host) => {
    expect(isValid('Host', host)).toBe(false);
  });

  it('may be absent in HTTP/1.0 only', () => {
    expect(isValid()).toBe(false);
    expect(hasValidHost({ httpVersion: '1.0', rawHeaders: [], headers: {} })).toBe(true);
  });

  it('may not be repeated, even with the same value', () => {
    expect(isValid('Host', 'a', 'x', 'y', 'HOST', 'a')).toBe(false);
  });
});
