import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ConfigError, readConfig } from '../../src/config.js';

const secret = 'vB7pXq2RtYw9ZkLm4NcHsJ8dFgT6aEuQ1o';
const databaseUrl = 'postgresql://u:p@db.example.com/auspex';

let dir: string;

beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'auspex-secrets-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

/** A file with this text; its path. */
function file(name: string, text: string): string {
  const at = path.join(dir, name);
  writeFileSync(at, text);
  return at;
}

/** What is wrong with the environment, a line each. */
function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('secrets in files', () => {
  it('are read, without the line break at their end', () => {
    const env = {
      NODE_ENV: 'production',
      JWT_SECRET_FILE: file('jwt', `${secret}\n`),
      DATABASE_URL_FILE: file('database', `${databaseUrl}\r\n`),
      DATABASE_REPLICA_URLS_FILE: file('replicas', `${databaseUrl}1, ${databaseUrl}2\n`),
      REDIS_URL_FILE: file('redis', 'redis://:p@cache.example.com'),
    };
    const config = readConfig(env);
    expect(config).toMatchObject({ jwtSecret: secret, databaseUrl, databaseReplicaUrls: [`${databaseUrl}1`, `${databaseUrl}2`], redisUrl: 'redis://:p@cache.example.com' });
  });

  it('are checked like the variables they stand for', () => {
    expect(problemsOf({ JWT_SECRET_FILE: file('weak', 'short'), DATABASE_URL_FILE: file('mysql', 'mysql://localhost/x') }).map((problem) => problem.split(' ')[0]).sort()).toEqual(['DATABASE_URL', 'JWT_SECRET']);
  });

  it('do not stand beside the variable itself', () => {
    expect(problemsOf({ JWT_SECRET: secret, JWT_SECRET_FILE: file('other', secret) })).toEqual(['JWT_SECRET_FILE is set beside JWT_SECRET; leave one of them out']);
    expect(problemsOf({ JWT_SECRET: ' ', JWT_SECRET_FILE: file('another', secret) })).toEqual([]);
    expect(problemsOf({ JWT_SECRET: secret, JWT_SECRET_FILE: '' })).toEqual([]);
  });

  it('are told of where they cannot be had, once, and never by their value', () => {
    const production = { NODE_ENV: 'production', DATABASE_URL: databaseUrl };
    expect(problemsOf({ ...production, JWT_SECRET_FILE: file('empty', ' \n') })).toEqual(['JWT_SECRET_FILE names a file that is empty']);
    expect(problemsOf({ ...production, JWT_SECRET_FILE: dir })).toEqual(['JWT_SECRET_FILE must name a file; what it names is none']);
    expect(problemsOf({ ...production, JWT_SECRET_FILE: file('large', 'x'.repeat(65_537)) })).toEqual(['JWT_SECRET_FILE must name a file of 65536 bytes at the most']);
    const [problem, ...others] = problemsOf({ ...production, JWT_SECRET_FILE: secret });
    expect(others).toEqual([]);
    expect(problem).toMatch(/^JWT_SECRET_FILE names a file that cannot be read \(ENOENT\)/);
    expect(problem).not.toContain(secret);
  });
});
