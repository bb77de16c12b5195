import { describe, expect, it } from '@jest/globals';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readConfig } from '../../src/config/config.js';
import { variableNames } from '../../src/config/schema.js';
import { loadOrCreateSecret } from '../../src/app/data-dir.js';
import { generatedDocs } from '../../src/scripts/lib/generated-docs.js';
import { startGateway } from '../support/gateway.js';
import { problemsOf } from '../support/config.js';

const secret = 'vB7pXq2RtYw9ZkLm4NcHsJ8dFgT6aEuQ1o';
const production = {
  NODE_ENV: 'production',
  JWT_SECRET: secret,
  DATABASE_URL: 'postgresql://u:p@db.example.com/auspex',
};

describe('the configuration', () => {
  it('requires no variable outside production', () => {
    expect(problemsOf({})).toEqual([]);
  });

  it('reports every invalid variable at once', () => {
    const invalid = {
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
      LOG_LEVEL: 'loud',
      DEMO_DATA: 'x',
    };
    const problems = problemsOf(invalid);
    expect(problems.map((problem) => problem.split(' ')[0]).sort()).toEqual(Object.keys(invalid).sort());
    expect(problems).toContain('PORT must be a whole number from 0 to 65535');
    expect(problems).toContain('DATABASE_URL must be a URL that starts with postgres:// or postgresql://');
    expect(problems).toContain('TRUST_PROXY must be true, false, or the number of proxies, from 0 to 10');
  });

  it('lists the problems in one message, without values', () => {
    const read = (): unknown => readConfig({ PORT: 'x', DATABASE_URL: 'not-a-url-but-a-password' });
    expect(read).toThrow(
      'The configuration is invalid:\n  - PORT must be a whole number from 0 to 65535\n  - DATABASE_URL must be',
    );
    expect(read).not.toThrow('not-a-url-but-a-password');
  });

  it('reports the requirements of production beside other problems', () => {
    expect(problemsOf({ NODE_ENV: 'production', PORT: 'x' }).map((problem) => problem.split(' ')[0])).toEqual([
      'PORT',
      'JWT_SECRET',
      'DATABASE_URL',
    ]);
  });

  it('logs changes of models in development too, unless LOG_LEVEL is set', () => {
    const levelsOf = (env: Record<string, string>): string[] => {
      const { runtime, modelLogLevel } = readConfig(env);
      return [runtime.logLevel, modelLogLevel];
    };
    expect(levelsOf({})).toEqual(['warn', 'info']);
    expect(levelsOf({ LOG_LEVEL: 'warn' })).toEqual(['warn', 'warn']);
    expect(levelsOf(production)).toEqual(['info', 'info']);
  });

  it('reads the roles that require MFA, its name in apps, and its keys', () => {
    const former = [...secret].reverse().join('');
    const env = { MFA_REQUIRED_ROLES: ' ADMIN, MANAGER', MFA_ENCRYPTION_KEYS: `${secret}, ${former}` };
    expect(readConfig(env).mfa).toEqual({
      requiredRoles: ['ADMIN', 'MANAGER'],
      issuer: 'Auspex',
      encryptionKeys: [secret, former],
    });
    expect(problemsOf({ MFA_REQUIRED_ROLES: 'ADMIN,ROOT' })).toEqual([
      'MFA_REQUIRED_ROLES must be any of ADMIN, MANAGER, USER, separated by commas',
    ]);
    expect(problemsOf({ MFA_ISSUER: 'Auspex: staging' })).toEqual([
      'MFA_ISSUER must have 1 to 64 characters, without a colon',
    ]);
    expect(problemsOf({ MFA_ENCRYPTION_KEYS: `${secret},short` })).toEqual([
      expect.stringContaining('MFA_ENCRYPTION_KEYS must be keys of at least 32 characters'),
    ]);
    expect(problemsOf({ MFA_ENCRYPTION_KEYS: 'a'.repeat(40) })).toEqual([
      expect.stringContaining('MFA_ENCRYPTION_KEYS is weak'),
    ]);
  });

  it('treats an empty variable as absent', () => {
    const empty = Object.fromEntries(variableNames.map((name) => [name, name.length % 2 === 0 ? '' : '  ']));
    expect(readConfig(empty)).toEqual(readConfig({}));
    expect(problemsOf({ ...production, JWT_SECRET: ' ' })).toHaveLength(1);
  });

  it.each(
    variableNames.filter(
      (name) =>
        !['HOST', 'DATA_DIR', 'MODEL_STORE', 'TRUSTED_DOCUMENTS_DIR', 'CORS_ORIGINS', 'MFA_ISSUER'].includes(name),
    ),
  )('validates %s', (name) => {
    expect(problemsOf({ [name]: '-?-' }).some((problem) => problem.startsWith(`${name} `))).toBe(true);
  });
});

describe('limits', () => {
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
  ])('%s is an integer from %d to %d', (name, lowest, highest) => {
    expect(problemsOf({ [name]: String(lowest) })).toEqual([]);
    expect(problemsOf({ [name]: String(highest) })).toEqual([]);
    expect(problemsOf({ [name]: String(lowest - 1) })).toHaveLength(1);
    expect(problemsOf({ [name]: String(highest + 1) })).toHaveLength(1);
    for (const odd of ['1e3', '0x10', '١٢', '12 000', '+12']) expect(problemsOf({ [name]: odd })).toHaveLength(1);
  });

  it('is available in its group', () => {
    const config = readConfig({
      MAX_QUERY_DEPTH: '1',
      MAX_QUERY_ALIASES: '2',
      MAX_QUERY_TOKENS: '30',
      MAX_ROOT_FIELDS: '4',
      MAX_QUERY_COST: '5',
      MAX_QUERY_FIELDS: '6',
      MAX_QUERY_DIRECTIVES: '7',
      MAX_BODY_BYTES: '6000',
    });
    expect(config.queryLimits).toEqual({
      depth: 1,
      aliases: 2,
      tokens: 30,
      rootFields: 4,
      cost: 5,
      fields: 6,
      directives: 7,
    });
    expect(config.http.maxBodyBytes).toBe(6000);
  });
});

describe('a shutdown', () => {
  it('includes its delay', () => {
    expect(problemsOf({ SHUTDOWN_DELAY_SECONDS: '20' })).toEqual([
      'SHUTDOWN_DELAY_SECONDS must be less than SHUTDOWN_SECONDS, 20, which includes it',
    ]);
    expect(readConfig({ SHUTDOWN_DELAY_SECONDS: '20', SHUTDOWN_SECONDS: '21' }).runtime.shutdownDelaySeconds).toBe(20);
  });

  it('is delayed only in production, by a quarter of its time and at most five seconds', () => {
    expect(readConfig({}).runtime.shutdownDelaySeconds).toBe(0);
    expect(
      [4, 12, 20, 600].map(
        (seconds) => readConfig({ ...production, SHUTDOWN_SECONDS: String(seconds) }).runtime.shutdownDelaySeconds,
      ),
    ).toEqual([1, 3, 5, 5]);
  });
});

describe('production', () => {
  it('closes what development opens', () => {
    expect(readConfig(production)).toMatchObject({
      isProduction: true,
      runtime: { logLevel: 'info' },
      http: { host: '0.0.0.0', corsOrigins: [], trustedProxies: 0 },
      database: { hasDemoData: false },
      auth: { registration: 'closed' },
      graphql: { isIntrospectionOpen: false, hasLandingPage: false, hasGraphiql: false },
    });
    expect(readConfig({})).toMatchObject({
      isProduction: false,
      http: { host: 'localhost', trustedProxies: 0 },
      database: { hasDemoData: true },
      auth: { registration: 'open' },
      graphql: { isIntrospectionOpen: true, hasLandingPage: true, hasGraphiql: true },
    });
  });

  it('opens what is set explicitly', () => {
    const open = {
      INTROSPECTION: 'true',
      LANDING_PAGE: 'true',
      REGISTRATION: 'email',
      SMTP_URL: 'smtp://mail.example.com:587',
      MAIL_FROM: 'no-reply@example.com',
      PUBLIC_URL: 'https://auspex.example.com',
      DEMO_DATA: 'true',
      TRUST_PROXY: '2',
    };
    expect(readConfig({ ...production, ...open })).toMatchObject({
      graphql: { isIntrospectionOpen: true, hasLandingPage: true },
      auth: { registration: 'email' },
      database: { hasDemoData: true },
      http: { trustedProxies: 2 },
    });
  });

  it('rejects registration without confirmed addresses, and mail without its sender or the start of links', () => {
    expect(problemsOf({ ...production, REGISTRATION: 'open' })).toEqual([
      expect.stringMatching(/^REGISTRATION must not be open in production/),
    ]);
    expect(problemsOf({ ...production, REGISTRATION: 'email' })).toEqual([
      'REGISTRATION=email needs SMTP_URL in production',
    ]);
    expect(problemsOf({ ...production, SMTP_URL: 'smtp://mail.example.com' })).toEqual([
      expect.stringMatching(/^MAIL_FROM must be set with SMTP_URL/),
      expect.stringMatching(/^PUBLIC_URL must be set with SMTP_URL/),
    ]);
  });

  it('requires a secret', () => {
    expect(problemsOf({ ...production, JWT_SECRET: '' })).toEqual([
      'JWT_SECRET must be set in production; create one with: openssl rand -base64 48',
    ]);
  });

  it.each([
    'short',
    'a'.repeat(64),
    'abcabcabcabcabcabcabcabcabcabcabcabc',
    'my-secret-that-is-long-enough-0123456789',
    'changeme0123456789ABCDEFGHIJKLMNOP',
  ])('rejects the weak secret %s, as development does', (weak) => {
    expect(problemsOf({ ...production, JWT_SECRET: weak })).toEqual([expect.stringMatching(/^JWT_SECRET is weak/)]);
    expect(problemsOf({ JWT_SECRET: weak })).toEqual([expect.stringMatching(/^JWT_SECRET is weak/)]);
  });

  it('rejects the embedded database unless it is allowed', () => {
    const embedded = { ...production, DATABASE_URL: '' };
    expect(problemsOf(embedded)).toEqual([
      expect.stringMatching(/^DATABASE_URL must be set in production; .* set ALLOW_EMBEDDED_DATABASE=true$/),
    ]);
    expect(problemsOf({ ...embedded, ALLOW_EMBEDDED_DATABASE: 'false' })).toHaveLength(1);
    for (const yes of ['true', '1', 'yes'])
      expect(problemsOf({ ...embedded, ALLOW_EMBEDDED_DATABASE: yes })).toEqual([]);
  });

  it('rejects a database with demo accounts unless DEMO_DATA is set', async () => {
    const env = { NODE_ENV: 'production', JWT_SECRET: secret };
    await expect(startGateway(env)).rejects.toThrow(
      /demo accounts with the published password \(.*admin@example\.com.*\).*DEMO_DATA=true/,
    );
    const allowed = await startGateway({ ...env, DEMO_DATA: 'true' });
    expect((await allowed.execute('user', '{ me { email } }')).data).toEqual({ me: { email: 'user@example.com' } });
    await allowed.close();
  });
});

describe('the generated secret', () => {
  it('is created once, readable by its owner only, and rejected if damaged', () => {
    const dir = mkdtempSync(path.join(tmpdir(), 'auspex-secret-'));
    try {
      const generated = loadOrCreateSecret(dir);
      expect(problemsOf({ JWT_SECRET: generated })).toEqual([]);
      expect(loadOrCreateSecret(dir)).toBe(generated);
      expect(readdirSync(dir)).toEqual(['jwt-secret']);
      expect(statSync(path.join(dir, 'jwt-secret')).mode & 0o777).toBe(0o600);
      writeFileSync(path.join(dir, 'jwt-secret'), '');
      expect(() => loadOrCreateSecret(dir)).toThrow(
        /^The configuration is invalid:\n {2}- JWT_SECRET is not set, and the generated one in .* is damaged/,
      );
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

describe('the documentation', () => {
  it.each(generatedDocs().map(({ path: file, text }) => [file, text]))('%s is up to date', (file, text) => {
    expect(readFileSync(path.join(import.meta.dirname, '..', '..', file), 'utf8')).toBe(text);
  });

  it('of .env.example sets no variable', () => {
    const text = generatedDocs().find(({ path: file }) => file === '.env.example')?.text ?? '';
    const assignments = text.split('\n').filter((line) => /^[A-Z]/.test(line));
    expect(assignments.filter((line) => !/^[A-Z_]+=$/.test(line))).toEqual([]);
    expect(assignments.length).toBeGreaterThan(variableNames.length);
  });
});
