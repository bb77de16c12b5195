import { describe, expect, it } from '@jest/globals';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ConfigError, readConfig, variableNames } from '../../src/config.js';
import { keptSecret } from '../../src/data-dir.js';
import { secretFileVariables } from '../../src/secret-files.js';
import { startGateway } from '../kit/gateway.js';

const secret = 'vB7pXq2RtYw9ZkLm4NcHsJ8dFgT6aEuQ1o';
const production = { NODE_ENV: 'production', JWT_SECRET: secret, DATABASE_URL: 'postgresql://u:p@db.example.com/auspex' };

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

describe('the configuration', () => {
  it('needs nothing outside production', () => {
    expect(problemsOf({})).toEqual([]);
  });

  it('names every mistake at once, each by its variable', () => {
    const mistakes = {
      NODE_ENV: 'staging',
      PORT: '70000',
      TRUST_PROXY: 'perhaps',
      DATABASE_URL: 'mysql://localhost/x',
      DATABASE_POOL_SIZE: '0',
      REDIS_URL: 'localhost:6379',
      CACHE_DEADLINE_MS: '1.5',
      JWT_SECRET: 'short',
      REGISTRATION: 'maybe',
      MAX_QUERY_DEPTH: '-1',
      MAX_BODY_BYTES: '1MB',
      EXECUTOR: 'fast',
      LOG_LEVEL: 'loud',
      DEMO_DATA: 'x',
    };
    const problems = problemsOf(mistakes);
    expect(problems.map((problem) => problem.split(' ')[0]).sort()).toEqual(Object.keys(mistakes).sort());
    expect(problems).toContain('PORT must be a whole number from 0 to 65535');
    expect(problems).toContain('DATABASE_URL must be a URL that starts with postgres:// or postgresql://');
    expect(problems).toContain('TRUST_PROXY must be true, false, or how many proxies there are, from 0 to 10');
  });

  it('tells them in one message, without the values', () => {
    const read = (): unknown => readConfig({ PORT: 'x', DATABASE_URL: 'not-a-url-but-a-password' });
    expect(read).toThrow('The configuration is not usable:\n  - PORT must be a whole number from 0 to 65535\n  - DATABASE_URL must be');
    expect(read).not.toThrow('not-a-url-but-a-password');
  });

  it('names the mistakes of production beside all others', () => {
    expect(problemsOf({ NODE_ENV: 'production', PORT: 'x' }).map((problem) => problem.split(' ')[0])).toEqual(['PORT', 'JWT_SECRET', 'DATABASE_URL']);
  });

  it('takes an empty variable for an absent one', () => {
    const empty = Object.fromEntries(variableNames.map((name) => [name, name.length % 2 === 0 ? '' : '  ']));
    expect(readConfig(empty)).toEqual(readConfig({}));
    expect(problemsOf({ ...production, JWT_SECRET: ' ' })).toHaveLength(1);
  });

  it.each(variableNames.filter((name) => !['HOST', 'DATA_DIR', 'MODEL_STORE', 'TRUSTED_DOCUMENTS_DIR', 'CORS_ORIGINS'].includes(name)))('checks %s', (name) => {
    expect(problemsOf({ [name]: '-?-' }).some((problem) => problem.startsWith(`${name} `))).toBe(true);
  });
});

describe('each limit', () => {
  it.each([
    ['MAX_QUERY_DEPTH', 1, 1000],
    ['MAX_QUERY_ALIASES', 0, 10_000],
    ['MAX_QUERY_TOKENS', 10, 1_000_000],
    ['MAX_ROOT_FIELDS', 1, 1000],
    ['MAX_QUERY_COST', 1, 100_000_000],
    ['MAX_BODY_BYTES', 1024, 104_857_600],
    ['PORT', 0, 65_535],
    ['SHUTDOWN_SECONDS', 1, 600],
    ['ACCESS_TOKEN_TTL_SECONDS', 10, 86_400],
    ['MAX_LOGINS_PER_ACCOUNT', 1, 1_000_000],
  ])('%s lies between %d and %d', (name, lowest, highest) => {
    expect(problemsOf({ [name]: String(lowest) })).toEqual([]);
    expect(problemsOf({ [name]: String(highest) })).toEqual([]);
    expect(problemsOf({ [name]: String(lowest - 1) })).toHaveLength(1);
    expect(problemsOf({ [name]: String(highest + 1) })).toHaveLength(1);
    for (const odd of ['1e3', '0x10', '١٢', '12 000', '+12']) expect(problemsOf({ [name]: odd })).toHaveLength(1);
  });

  it('reaches the part that keeps it', () => {
    const config = readConfig({ MAX_QUERY_DEPTH: '1', MAX_QUERY_ALIASES: '2', MAX_QUERY_TOKENS: '30', MAX_ROOT_FIELDS: '4', MAX_QUERY_COST: '5', MAX_BODY_BYTES: '6000' });
    expect(config.limits).toEqual({ depth: 1, aliases: 2, tokens: 30, rootFields: 4, cost: 5 });
    expect(config.maxBodyBytes).toBe(6000);
  });
});

describe('a shutdown', () => {
  it('has its delay within its time', () => {
    expect(problemsOf({ SHUTDOWN_DELAY_SECONDS: '20' })).toEqual(['SHUTDOWN_DELAY_SECONDS must be less than SHUTDOWN_SECONDS, 20, of which it is the beginning']);
    expect(readConfig({ SHUTDOWN_DELAY_SECONDS: '20', SHUTDOWN_SECONDS: '21' }).shutdownDelaySeconds).toBe(20);
  });

  it('has a delay in production alone, of a quarter of its time and five seconds at the most', () => {
    expect(readConfig({}).shutdownDelaySeconds).toBe(0);
    expect([4, 12, 20, 600].map((seconds) => readConfig({ ...production, SHUTDOWN_SECONDS: String(seconds) }).shutdownDelaySeconds)).toEqual([1, 3, 5, 5]);
  });
});

describe('production', () => {
  it('is closed where development is open', () => {
    expect(readConfig(production)).toMatchObject({
      isProduction: true,
      host: '0.0.0.0',
      corsOrigins: [],
      hasDemoData: false,
      isRegistrationOpen: false,
      isIntrospectionOpen: false,
      hasLandingPage: false,
      logLevel: 'info',
      trustedProxies: 0,
    });
    expect(readConfig({})).toMatchObject({
      isProduction: false,
      host: 'localhost',
      hasDemoData: true,
      isRegistrationOpen: true,
      isIntrospectionOpen: true,
      hasLandingPage: true,
      trustedProxies: 0,
    });
  });

  it('opens what it is told to open', () => {
    const open = { INTROSPECTION: 'true', LANDING_PAGE: 'true', REGISTRATION: 'open', DEMO_DATA: 'true', TRUST_PROXY: '2' };
    expect(readConfig({ ...production, ...open })).toMatchObject({
      isIntrospectionOpen: true,
      hasLandingPage: true,
      isRegistrationOpen: true,
      hasDemoData: true,
      trustedProxies: 2,
    });
  });

  it('refuses to start without a secret', () => {
    expect(problemsOf({ ...production, JWT_SECRET: '' })).toEqual(['JWT_SECRET must be set in production; make one with: openssl rand -base64 48']);
  });

  it.each(['short', 'a'.repeat(64), 'abcabcabcabcabcabcabcabcabcabcabcabc', 'my-secret-that-is-long-enough-0123456789', 'changeme0123456789ABCDEFGHIJKLMNOP'])(
    'refuses the weak secret %s, and so does development',
    (weak) => {
      expect(problemsOf({ ...production, JWT_SECRET: weak })).toEqual([expect.stringMatching(/^JWT_SECRET is weak/)]);
      expect(problemsOf({ JWT_SECRET: weak })).toEqual([expect.stringMatching(/^JWT_SECRET is weak/)]);
    },
  );

  it('refuses the embedded database unless it is asked for', () => {
    const embedded = { ...production, DATABASE_URL: '' };
    expect(problemsOf(embedded)).toEqual([expect.stringMatching(/^DATABASE_URL must be set in production; .* set ALLOW_EMBEDDED_DATABASE=true$/)]);
    expect(problemsOf({ ...embedded, ALLOW_EMBEDDED_DATABASE: 'false' })).toHaveLength(1);
    for (const yes of ['true', '1', 'yes']) expect(problemsOf({ ...embedded, ALLOW_EMBEDDED_DATABASE: yes })).toEqual([]);
  });

  it('refuses a database with demo accounts, names them, and starts once they are gone or asked for', async () => {
    const env = { NODE_ENV: 'production', JWT_SECRET: secret };
    await expect(startGateway(env)).rejects.toThrow(/demo accounts with the published password \(.*admin@example\.com.*\).*DEMO_DATA=true/);
    const asked = await startGateway({ ...env, DEMO_DATA: 'true' });
    expect((await asked.ask('user', '{ me { email } }')).data).toEqual({ me: { email: 'user@example.com' } });
    await asked.close();
  });
});

describe('the secret that is kept where none is set', () => {
  it('is made once, for the owner’s eyes alone, and refused where it was damaged', () => {
    const dir = mkdtempSync(path.join(tmpdir(), 'auspex-secret-'));
    try {
      const made = keptSecret(dir);
      expect(problemsOf({ JWT_SECRET: made })).toEqual([]);
      expect(keptSecret(dir)).toBe(made);
      expect(readdirSync(dir)).toEqual(['jwt-secret']);
      expect(statSync(path.join(dir, 'jwt-secret')).mode & 0o777).toBe(0o600);
      writeFileSync(path.join(dir, 'jwt-secret'), '');
      expect(() => keptSecret(dir)).toThrow(/^The configuration is not usable:\n {2}- JWT_SECRET is not set, and the one kept in .* is damaged/);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

describe('.env.example', () => {
  const text = readFileSync(path.join(import.meta.dirname, '..', '..', '.env.example'), 'utf8');
  const lines = text.split('\n');
  const named = lines.filter((line) => /^[A-Z]/.test(line)).map((line) => line.split('=')[0] ?? '');

  it('names exactly the variables that are read, each once and empty', () => {
    expect([...named].sort()).toEqual([...variableNames, ...secretFileVariables].sort());
    expect(lines.filter((line) => /^[A-Z_]+=./.test(line))).toEqual([]);
  });

  it('tells the defaults that are taken', () => {
    /** The last words of the comment over a variable. */
    const told = (name: string): string => {
      const comment = lines[lines.indexOf(`${name}=`) - 1] ?? '';
      return comment.replace(/^# /, '').split(';').at(-1)?.trim() ?? '';
    };
    const { predictionCache, throttle, limits, ...config } = readConfig({});
    const defaults = {
      PORT: config.port,
      DATABASE_POOL_SIZE: config.databasePoolSize,
      CACHE_DEADLINE_MS: config.cacheDeadlineMs,
      PREDICTION_CACHE_TTL_SECONDS: predictionCache.ttlSeconds,
      PREDICTION_CACHE_MAX_ENTRIES: predictionCache.maxEntries,
      PREDICTION_HISTORY_DAYS: config.predictionHistoryDays,
      MODEL_STORE: config.modelStoreDir,
      ACCESS_TOKEN_TTL_SECONDS: config.accessTokenTtlSeconds,
      REFRESH_TOKEN_TTL_DAYS: config.refreshTokenTtlDays,
      THROTTLE_WINDOW_SECONDS: throttle.windowSeconds,
      MAX_LOGINS_PER_ACCOUNT: throttle.loginsPerAccount,
      MAX_LOGINS_PER_ADDRESS: throttle.loginsPerAddress,
      MAX_REFRESHES_PER_ACCOUNT: throttle.refreshesPerAccount,
      MAX_REFRESHES_PER_ADDRESS: throttle.refreshesPerAddress,
      MAX_REGISTRATIONS_PER_ADDRESS: throttle.registrationsPerAddress,
      MAX_QUERY_DEPTH: limits.depth,
      MAX_QUERY_ALIASES: limits.aliases,
      MAX_QUERY_TOKENS: limits.tokens,
      MAX_ROOT_FIELDS: limits.rootFields,
      MAX_QUERY_COST: limits.cost,
      MAX_BODY_BYTES: config.maxBodyBytes,
      EXECUTOR: config.executor,
      SHUTDOWN_SECONDS: config.shutdownSeconds,
      TRUST_PROXY: config.trustedProxies > 0,
      ALLOW_EMBEDDED_DATABASE: false,
    };
    expect(Object.fromEntries(Object.keys(defaults).map((name) => [name, told(name)]))).toEqual(
      Object.fromEntries(Object.entries(defaults).map(([name, value]) => [name, String(value)])),
    );
  });
});
