import { describe, expect, it } from '@jest/globals';
import { canonicalAddress, networkOf } from '../../../src/auth/network.js';

describe('the canonical form of an address', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['2001:0DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::FFFF:CB00:7107', '203.0.113.7'],
    ['::ffff:0:5', '0.0.0.5'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::', '::'],
    ['', null],
    ['unknown', null],
    ['203.0.113.079', null],
    ['[::1]', null],
  ])('of "%s" is %s', (text, address) => {
    expect(canonicalAddress(text)).toBe(address);
  });
});

describe('the network of an address', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['::ffff:cb00:7107', '203.0.113.7'],
    ['not an address', 'not an address'],
  ])('of %s is %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});
