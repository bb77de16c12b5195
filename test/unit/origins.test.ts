import { describe, expect, it } from '@jest/globals';
import { readConfig } from '../../src/config/config.js';
import { isOriginAllowed } from '../../src/http/origins.js';

const production = {
  NODE_ENV: 'production',
  JWT_SECRET: 'vB7pXq2RtYw9ZkLm4NcHsJ8dFgT6aEuQ1o',
  DATABASE_URL: 'postgresql://db/auspex',
};
const originsOf = (environment: Record<string, string>): string[] => readConfig(environment).http.corsOrigins;

describe('the origins of development', () => {
  it.each([
    'http://localhost:3000',
    'http://localhost:5173',
    'http://127.0.0.1:8080',
    'http://localhost',
    'https://localhost:8443',
  ])('include %s', (origin) => {
    expect(isOriginAllowed(origin, originsOf({}))).toBe(true);
    expect(isOriginAllowed(origin, originsOf(production))).toBe(false);
  });

  it.each([
    'http://localhost.evil.example',
    'http://localhost:80.evil.example',
    'http://localhost:1234567',
    'http://localhost:',
    'http://evil.example:3000',
    'http://127x0x0x1:3000',
    'http://xlocalhost:3000',
    'http://localhost:3000/path',
    'ftp://localhost:21',
    'null',
  ])('exclude %s', (origin) => {
    expect(isOriginAllowed(origin, originsOf({}))).toBe(false);
  });
});

describe('CORS_ORIGINS', () => {
  it('accepts any port of a host', () => {
    const origins = originsOf({ CORS_ORIGINS: 'https://app.example.com:*' });
    expect(isOriginAllowed('https://app.example.com:8443', origins)).toBe(true);
    expect(isOriginAllowed('https://appXexample.com:8443', origins)).toBe(false);
  });

  it.each([
    'https://*',
    'https://*.example.com',
    '*',
    'https://app.example.com:80*',
    'https://app.example.com:80:*',
    'https://app.example.com:*/',
  ])('rejects %s', (origin) => {
    expect(() => originsOf({ CORS_ORIGINS: origin })).toThrow('CORS_ORIGINS must be origins');
  });
});
