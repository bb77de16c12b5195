import { describe, expect, it } from '@jest/globals';
import { readConfig } from '../../src/config/config.js';
import { redisAddress } from '../../src/redis/client.js';
import { parseRedisUrl } from '../../src/redis/url.js';
import { problemsOf } from '../support/config.js';

const server = (host: string, port = 6379, tls = false) => ({ host, port, tls });

describe('REDIS_URL', () => {
  it.each([
    ['redis://cache', { socket: server('cache'), database: 0 }],
    ['redis://cache:6380/', { socket: server('cache', 6380), database: 0 }],
    ['REDIS://cache/15', { socket: server('cache'), database: 15 }],
    ['redis://cache?db=3', { socket: server('cache'), database: 3 }],
    ['rediss://cache:6390/2', { socket: server('cache', 6390, true), database: 2 }],
    ['redis://[::1]:6380', { socket: server('::1', 6380), database: 0 }],
    ['redis://my_cache', { socket: server('my_cache'), database: 0 }],
    ['redis://:pw@cache', { socket: server('cache'), password: 'pw', database: 0 }],
    ['redis://me:p%40%2F%25@cache', { socket: server('cache'), username: 'me', password: 'p@/%', database: 0 }],
    ['redis://me:p@ss:word@cache', { socket: server('cache'), username: 'me', password: 'p@ss:word', database: 0 }],
    ['redis://cache?password=a+b', { socket: server('cache'), password: 'a+b', database: 0 }],
    ['unix:/run/redis.sock', { socket: { path: '/run/redis.sock' }, database: 0 }],
    ['unix:///run/redis.sock', { socket: { path: '/run/redis.sock' }, database: 0 }],
    ['redis+unix:///run/redis.sock?db=4', { socket: { path: '/run/redis.sock' }, database: 4 }],
    ['unix:///my%20run/redis.sock', { socket: { path: '/my run/redis.sock' }, database: 0 }],
    ['unix://:pw@/run/r.sock?db=1', { socket: { path: '/run/r.sock' }, password: 'pw', database: 1 }],
    ['unix://me:p%40@localhost/r', { socket: { path: '/r' }, username: 'me', password: 'p@', database: 0 }],
    ['unix:///r?user=me&pass=p%26w&db=1', { socket: { path: '/r' }, username: 'me', password: 'p&w', database: 1 }],
    [' redis://cache ', { socket: server('cache'), database: 0 }],
  ])('%s names a server', (url, target) => {
    expect(parseRedisUrl(url)).toEqual(target);
    expect(readConfig({ REDIS_URL: url }).redis.url).toBe(url);
  });

  it.each([
    ['redis://cache', 'cache:6379'],
    ['redis://:hidden@[::1]:6380/1', '[::1]:6380'],
    ['unix://:hidden@/run/redis.sock', '/run/redis.sock'],
  ])('%s has an address without the password', (url, address) => {
    expect(redisAddress(url)).toBe(address);
  });

  it.each([
    ['localhost:6379', 'must be a URL such as redis://host:6379/0,'],
    ['hidden', 'must be a URL such as'],
    ['http://:hidden@cache', 'must be a URL such as'],
    ['redis:cache:6379', 'must be a URL such as'],
    ['redis-cluster://:hidden@one:6379', 'names a cluster or Sentinel, which are not supported; name one server'],
    ['rediss+cluster://one', 'names a cluster or Sentinel'],
    ['redis+sentinel://one:26379/main', 'names a cluster or Sentinel'],
    ['redis://one,two', 'names several hosts; name one server: redis://host:6379'],
    ['redis://:hidden@one:6379,two:6379/0', 'names several hosts'],
    ['redis://', 'must name a host'],
    ['redis://:6379', 'must name a host'],
    ['redis://cache:port', 'must name a host'],
    ['redis://cache:0', 'must have a port from 1 to 65535'],
    ['redis://cache:70000', 'must have a port from 1 to 65535'],
    ['redis://cache/abc', 'must have a database number, from 0 to 15 unless'],
    ['redis://cache/0/1', 'must have a database number'],
    ['redis://cache/-1', 'must have a database number'],
    ['redis://cache/1.5', 'must have a database number'],
    ['redis://cache/12345678901', 'must have a database number'],
    ['redis://cache?db=', 'must have a database number'],
    ['redis://cache/1?db=2', 'has the database in the path and in db; write it once'],
    ['redis://cache?db=1&db=2', 'has db twice'],
    ['redis://:%ZZhidden@cache', 'has a malformed percent-encoding; write % itself as %25'],
    ['redis://:hidden%@cache', 'has a malformed percent-encoding'],
    ['redis://:hidden/word@cache', 'has a special character outside its place; percent-encode'],
    ['redis://:hidden?word@cache', 'has a special character outside its place'],
    ['redis://:hidden#word@cache', 'has a special character outside its place'],
    ['redis://cache?hidden=1', 'has parameters other than db, username and password'],
    ['rediss://cache?family=0', 'has parameters other than db'],
    ['redis://:hidden@cache?password=hidden', 'has the user or password twice'],
    ['unix:redis.sock', 'must have the absolute path of a socket: unix:///run/redis.sock'],
    ['unix:', 'must have the absolute path of a socket'],
    ['unix:///', 'must have the absolute path of a socket'],
    ['unix:///run/%00', 'must have the absolute path of a socket'],
    ['unix://run/redis.sock', 'must have three slashes before the path of a socket'],
    [`unix:///${'x'.repeat(120)}`, 'has a socket path of more than 103 bytes'],
    ['unix:///r?db=x', 'must have a database number'],
  ])('%s is rejected in one line that does not repeat it', (url, problem) => {
    const problems = problemsOf({ REDIS_URL: url });
    expect(problems).toEqual([expect.stringContaining(`REDIS_URL ${problem}`)]);
    expect(problems[0]).not.toMatch(/hidden|\n/);
    expect(problems[0]?.length).toBeLessThan(200);
  });

  it('of 1 MB is read in linear time', () => {
    for (const text of ['redis://', 'unix:', 'redis://:', 'redis://h?', 'redis://[']) {
      const startMs = performance.now();
      problemsOf({ REDIS_URL: text + '@/:%,&='.repeat(150_000) });
      expect(performance.now() - startMs).toBeLessThan(2_000);
    }
  });
});
