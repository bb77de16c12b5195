import { describe, expect, it } from '@jest/globals';
import { readConfig } from '../../src/config/config.js';
import { variableNames } from '../../src/config/schema.js';
import { unknownVariables } from '../../src/config/unknown-variables.js';

const reportsOf = (...names: string[]): string[] =>
  unknownVariables(Object.fromEntries(names.map((name) => [name, 'a-secret-value'])));

describe('an unknown environment variable', () => {
  it.each([
    ['DATABSE_URL', 'DATABASE_URL'],
    ['POTR', 'PORT'],
    ['RATE_LIMIT_PER_VIEWR', 'RATE_LIMIT_PER_VIEWER'],
    ['JWT_SECRET_FLIE', 'JWT_SECRET_FILE'],
    ['redis_url', 'REDIS_URL'],
    ['AUSPEX_LOG_LEVEL', 'LOG_LEVEL'],
  ])('%s is reported as a misspelling of %s, without its value', (name, meant) => {
    expect(reportsOf(name)).toEqual([`${name} is unknown; did you mean ${meant}?`]);
  });

  it('is reported if its prefix belongs to the gateway', () => {
    expect(reportsOf('RATE_LIMIT_FOR_NOBODY')).toEqual(['RATE_LIMIT_FOR_NOBODY is unknown; see docs/configuration.md']);
  });

  it('is not reported if it belongs to another program', () => {
    const others =
      'PATH HOME HOSTNAME HOSTTYPE LANG LOGNAME SHELL USER TERM PWD TMPDIR NODE_OPTIONS PGHOST PGPORT npm_config_user_agent ' +
      'OTEL_SERVICE_NAME COMPOSE_PROJECT_NAME GATEWAY_ADDRESS KUBERNETES_SERVICE_HOST AUSPEX_SERVICE_HOST AUSPEX_PORT ' +
      'AUSPEX_PORT_4000_TCP_ADDR';
    expect(reportsOf(...others.split(' '), ...variableNames)).toEqual([]);
  });

  it('is named beside the problems of the configuration', () => {
    expect(() =>
      readConfig({ NODE_ENV: 'production', JWT_SECRET: 'x'.repeat(3), DATABSE_URL: 'postgresql://a@b/c' }),
    ).toThrow(/DATABASE_URL must be set[^]*DATABSE_URL is unknown; did you mean DATABASE_URL\?/);
  });

  it('is reported at most twenty times', () => {
    expect(reportsOf(...Array.from({ length: 50 }, (_none, index) => `RATE_LIMIT_UNKNOWN_${index}`))).toHaveLength(20);
  });
});
