import { describe, expect, it } from '@jest/globals';
import { allowedHosts, hostDenial } from '../../../src/http/allowed-hosts.js';
import { problemsOf } from '../../support/config.js';

const allows = (host: string, configured: string[] = [], isProduction = false): boolean =>
  allowedHosts(configured, isProduction)?.includes(host) ?? true;

describe('the allowed hosts', () => {
  it.each([
    'localhost',
    'localhost:4000',
    'LOCALHOST:4000',
    'localhost.',
    'localhost.:4000',
    'app.localhost:1',
    '127.0.0.1:4000',
    '[::1]:4000',
    '[::1]',
  ])('include the loopback name %s in development', (host) => {
    expect(allows(host)).toBe(true);
  });

  it.each([
    'evil.example:4000',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'evillocalhost',
    '.localhost.evil',
    '192.168.1.5',
    '0.0.0.0',
    '',
    ':4000',
    'localhost@evil.example',
  ])('exclude %s in development', (host) => {
    expect(allows(host)).toBe(false);
  });

  it('include those that are configured, with their subdomains by *.', () => {
    const configured = ['dev.example.com', '*.preview.example.com'];
    for (const host of ['dev.example.com:4000', 'a.preview.example.com', 'a.b.preview.example.com', 'localhost'])
      expect(allows(host, configured)).toBe(true);
    for (const host of ['example.com', 'x.dev.example.com', 'preview.example.com', 'evilpreview.example.com'])
      expect(allows(host, configured)).toBe(false);
  });

  it('are all in production, unless some are configured', () => {
    expect(allows('any.example', [], true)).toBe(true);
    expect(allows('any.example', ['api.example.com'], true)).toBe(false);
    expect(allows('localhost', ['api.example.com'], true)).toBe(false);
    expect(allows('api.example.com', ['api.example.com'], true)).toBe(true);
    expect(allows('any.example', ['*'])).toBe(true);
  });

  it('are not checked for probes in production, which send the address of the pod', () => {
    const denial = (url: string, isProduction: boolean) =>
      hostDenial(
        { headers: { host: '10.0.0.7' }, url },
        { address: '', protocol: 'http', host: '10.0.0.7' },
        allowedHosts(['api.example.com'], isProduction),
      );
    expect([denial('/livez', true), denial('/readyz?a', true)]).toEqual([null, null]);
    for (const [url, isProduction] of [
      ['/graphql', true],
      ['/livez/x', true],
      ['/metrics', true],
      ['/livez', false],
    ] as const)
      expect(denial(url, isProduction)?.message).toContain('ALLOWED_HOSTS');
  });

  it.each(['http://a.example', 'a.example:80', 'a.example/', 'a b', '*.', 'a.*.example', '127.1', '[::01]', '[x]'])(
    'cannot be configured as "%s"',
    (value) => {
      expect(problemsOf({ ALLOWED_HOSTS: value }).join()).toMatch(/ALLOWED_HOSTS must be host names such as/);
    },
  );
});
