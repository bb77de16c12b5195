import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { auditServer, type AuditResult } from 'graphql-http';
import { startGateway, type TestGateway } from '../kit/gateway.js';

/** Audits of the level MAY that fail, by id, each with the reason. There is none. */
const exceptions: Record<string, string> = {};

/** How many audits graphql-http has: a new one is to be looked at, and one that is gone as well. */
const auditCount = 61;

let gateway: TestGateway;
let results: AuditResult[];
beforeAll(async () => {
  gateway = await startGateway();
  results = await auditServer({ url: gateway.url, fetchFn: fetchWithPreflight });
});
afterAll(() => gateway.close());

/** As programs send GET that the prevention of CSRF lets pass: with a header that no page of another origin can send unasked. */
const fetchWithPreflight: typeof fetch = (input, init) => {
  const headers = new Headers(init?.headers);
  if ((init?.method ?? 'GET') === 'GET') headers.set('apollo-require-preflight', 'true');
  return fetch(input, { ...init, headers });
};

const level = ({ name }: AuditResult): string => name.split(' ')[0] ?? '';
const failed = (levels: string[]): string[] =>
  results.flatMap((result) => (result.status !== 'ok' && levels.includes(level(result)) ? [`${result.id} ${result.name}: ${result.reason}`] : []));

describe('GraphQL over HTTP, by the audits of graphql-http with CSRF prevention on,', () => {
  it('is kept in every MUST and SHOULD', () => {
    const passed = (of: string): string => {
      const all = results.filter((result) => level(result) === of);
      return `${all.filter(({ status }) => status === 'ok').length} of ${all.length} ${of}`;
    };
    process.stdout.write(`GraphQL over HTTP: ${['MUST', 'SHOULD', 'MAY'].map(passed).join(', ')}\n`);
    expect(failed(['MUST', 'SHOULD'])).toEqual([]);
    expect(results).toHaveLength(auditCount);
    expect(results.filter(({ status }) => status === 'ok')).toHaveLength(auditCount - Object.keys(exceptions).length);
  });

  it('is kept in every MAY but those that are named with a reason', () => {
    const ids = failed(['MAY']).map((text) => text.split(' ')[0]);
    expect(ids.sort()).toEqual(Object.keys(exceptions).sort());
  });

  it('refuses GET without the header that the audits are sent with', async () => {
    const response = await fetch(`${gateway.url}?query=%7B__typename%7D`);
    expect(response.status).toBe(400);
    expect(await response.text()).toContain('Cross-Site Request Forgery');
  });
});
