import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { auditServer, type AuditResult } from 'graphql-http';
import { randomBytes } from 'node:crypto';
import { startGateway, type TestGateway } from '../support/gateway.js';

/** Failing audits of level MAY by id, each with the reason. None at present. */
const exceptions: Record<string, string> = {};

/** The number of audits in graphql-http: the test fails if an update adds or removes audits, so that they are reviewed. */
const auditCount = 61;

/** Audits that send `__type`, which is closed in production. */
const introspectionAudits = ['28B9', '2EA1', '6A70', 'D6D5'];

let gateway: TestGateway;
let production: TestGateway;
let results: AuditResult[];
beforeAll(async () => {
  [gateway, production] = await Promise.all([
    startGateway(),
    startGateway({ NODE_ENV: 'production', DEMO_DATA: 'true', JWT_SECRET: randomBytes(48).toString('base64url') }),
  ]);
  results = await audit(gateway, { 'apollo-require-preflight': 'true' });
});
afterAll(() => Promise.all([gateway.close(), production.close()]));

/** Audits a gateway with these headers: GET needs one that makes a browser send a preflight. */
const audit = ({ url }: TestGateway, sent: Record<string, string>): Promise<AuditResult[]> =>
  auditServer({
    url,
    fetchFn: (input: string, init?: RequestInit) =>
      fetch(input, { ...init, headers: { ...Object.fromEntries(new Headers(init?.headers)), ...sent } }),
  });

const level = ({ name }: AuditResult): string => name.split(' ')[0] ?? '';
const failed = (levels: string[]): string[] =>
  results.flatMap((result) =>
    result.status !== 'ok' && levels.includes(level(result)) ? [`${result.id} ${result.name}: ${result.reason}`] : [],
  );

describe('GraphQL over HTTP compliance, audited by graphql-http,', () => {
  it('passes every MUST and SHOULD', () => {
    const passed = (of: string): string => {
      const all = results.filter((result) => level(result) === of);
      return `${all.filter(({ status }) => status === 'ok').length} of ${all.length} ${of}`;
    };
    process.stdout.write(`GraphQL over HTTP: ${['MUST', 'SHOULD', 'MAY'].map(passed).join(', ')}\n`);
    expect(failed(['MUST', 'SHOULD'])).toEqual([]);
    expect(results).toHaveLength(auditCount);
    expect(results.filter(({ status }) => status === 'ok')).toHaveLength(auditCount - Object.keys(exceptions).length);
  });

  it('passes every MAY except the documented exceptions', () => {
    const ids = failed(['MAY']).map((text) => text.split(' ')[0]);
    expect(ids.sort()).toEqual(Object.keys(exceptions).sort());
  });

  it('passes every audit in production with the role ADMIN, which introspection requires', async () => {
    const audited = await audit(production, { authorization: `Bearer ${await production.tokenOf('admin')}` });
    expect(audited).toHaveLength(auditCount);
    expect(audited.filter(({ status }) => status !== 'ok').map(({ id, name }) => `${id} ${name}`)).toEqual([]);
  });

  it('passes every audit in production for an anonymous caller except those that introspect', async () => {
    const audited = await audit(production, { 'apollo-require-preflight': 'true' });
    expect(audited).toHaveLength(auditCount);
    expect(audited.flatMap(({ id, status }) => (status === 'ok' ? [] : [id])).sort()).toEqual(introspectionAudits);
  });

  it('rejects GET without a header that prevents CSRF', async () => {
    const response = await fetch(`${gateway.url}?query=%7B__typename%7D`);
    expect(response.status).toBe(400);
    expect(await response.text()).toContain('Cross-Site Request Forgery');
  });
});
