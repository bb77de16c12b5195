import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readConfig } from '../../src/config/config.js';
import { problemsOf } from '../support/config.js';

const secret = 'vB7pXq2RtYw9ZkLm4NcHsJ8dFgT6aEuQ1o';
const databaseUrl = 'postgresql://u:p@db.example.com/auspex';

let dir: string;

beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'auspex-secrets-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

/** Writes a file. @returns its path */
function file(name: string, text: string): string {
  const at = path.join(dir, name);
  writeFileSync(at, text);
  return at;
}

describe('secrets in files', () => {
  it('are read without the trailing line break', () => {
    const env = {
      NODE_ENV: 'production',
      JWT_SECRET_FILE: file('jwt', `${secret}\n`),
      DATABASE_URL_FILE: file('database', `${databaseUrl}\r\n`),
      DATABASE_REPLICA_URLS_FILE: file('replicas', `${databaseUrl}1, ${databaseUrl}2\n`),
      REDIS_URL_FILE: file('redis', 'redis://:p@cache.example.com'),
    };
    const config = readConfig(env);
    expect(config).toMatchObject({
      auth: { jwtSecret: secret },
      database: { url: databaseUrl, replicaUrls: [`${databaseUrl}1`, `${databaseUrl}2`] },
      redis: { url: 'redis://:p@cache.example.com' },
    });
  });

  it('are validated like their variables', () => {
    expect(
      problemsOf({ JWT_SECRET_FILE: file('weak', 'short'), DATABASE_URL_FILE: file('mysql', 'mysql://localhost/x') })
        .map((problem) => problem.split(' ')[0])
        .sort(),
    ).toEqual(['DATABASE_URL', 'JWT_SECRET']);
  });

  it('exclude the variable itself', () => {
    expect(problemsOf({ JWT_SECRET: secret, JWT_SECRET_FILE: file('other', secret) })).toEqual([
      'JWT_SECRET_FILE is set beside JWT_SECRET; remove one of them',
    ]);
    expect(problemsOf({ JWT_SECRET: ' ', JWT_SECRET_FILE: file('another', secret) })).toEqual([]);
    expect(problemsOf({ JWT_SECRET: secret, JWT_SECRET_FILE: '' })).toEqual([]);
  });

  it('that are unreadable are reported once, without their values', () => {
    const production = { NODE_ENV: 'production', DATABASE_URL: databaseUrl };
    expect(problemsOf({ ...production, JWT_SECRET_FILE: file('empty', ' \n') })).toEqual([
      'JWT_SECRET_FILE names an empty file',
    ]);
    expect(problemsOf({ ...production, JWT_SECRET_FILE: dir })).toEqual(['JWT_SECRET_FILE must name a regular file']);
    expect(problemsOf({ ...production, JWT_SECRET_FILE: file('large', 'x'.repeat(65_537)) })).toEqual([
      'JWT_SECRET_FILE must name a file of at most 65536 bytes',
    ]);
    const [problem, ...others] = problemsOf({ ...production, JWT_SECRET_FILE: secret });
    expect(others).toEqual([]);
    expect(problem).toMatch(/^JWT_SECRET_FILE names a file that cannot be read \(ENOENT\)/);
    expect(problem).not.toContain(secret);
  });
});
