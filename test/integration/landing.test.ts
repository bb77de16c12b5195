import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { landingPage } from '../../src/http/routes/landing-page.js';
import { prefersHtml } from '../../src/http/routes/landing.js';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { projectDir } from '../support/process.js';

/** What Chromium sends when it opens a page. */
const browser = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ DEMO_DATA: 'true' });
}, 60_000);
afterAll(() => gateway.close());

const get = (address: string, accept = browser, of = gateway): Promise<Response> =>
  fetch(new URL(address, of.url), { headers: { accept } });

const linksOf = (page: string): string[] => [...page.matchAll(/href="([^"]+)"/g)].map(([, link = '']) => link);

describe('the landing page', () => {
  it.each(['/', '/graphql', '/graphql?'])('is what a browser gets at %s', async (address) => {
    const response = await get(address);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(response.headers.get('cache-control')).toBe('no-cache');
    expect(response.headers.get('vary')?.split(', ')).toContain('accept');
    expect(await response.text()).toContain('<h1>Auspex</h1>');
  });

  it('uses nothing of other origins, and its policy allows only its style sheet', async () => {
    const response = await get('/');
    const page = await response.text();
    expect(page).not.toMatch(/<script|\bon\w+=|https?:(?!\/\/www\.w3\.org\/2000\/svg)/i);
    const styles = /<style>([^<]*)<\/style>/.exec(page)?.[1] ?? '';
    expect(response.headers.get('content-security-policy')).toBe(
      `default-src 'none'; style-src 'sha256-${createHash('sha256').update(styles).digest('base64')}'; img-src data:; ` +
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
  });

  it('has only working links: GraphiQL, models, health, metrics and the documentation', async () => {
    const links = linksOf(await (await get('/')).text()).filter((link) => !link.startsWith('data:'));
    expect(links).toEqual(
      expect.arrayContaining([
        'graphiql',
        'graphiql#operation=Models',
        'readyz',
        'livez',
        'metrics',
        'docs/clients.md',
      ]),
    );
    for (const link of new Set(links)) expect([link, (await get(`/${link}`)).status]).toEqual([link, 200]);
  });

  it('offers the demo accounts that accept the published password', async () => {
    const signIns = (page: string): string[] => linksOf(page).filter((link) => link.startsWith('graphiql#sign-in='));
    expect(signIns(await (await get('/')).text())).toEqual(
      ['user', 'manager', 'admin'].map((name) => `graphiql#sign-in=${name}%40example.com`),
    );
    const without = await startGateway({ DEMO_DATA: 'false' });
    const page = await (await get('/', browser, without)).text();
    expect(signIns(page)).toEqual([]);
    expect(page).not.toContain('auspex-demo-2026');
    await without.close();
  });

  it('does not offer an account whose password was changed', async () => {
    const changed = await startGateway({ DEMO_DATA: 'true' });
    await changed.db
      .updateTable('user_account')
      .set({ password_hash: 'changed' })
      .where('email', '=', 'admin@example.com')
      .execute();
    const page = await (await get('/', browser, changed)).text();
    expect(page).toContain('user@example.com');
    expect(page).not.toContain('admin@example.com');
    await changed.close();
  });

  it('leaves other clients what they had', async () => {
    for (const accept of ['*/*', 'application/json', 'application/json, text/html', 'text/html;q=0'])
      expect((await get('/', accept)).status).toBe(404);
    const executed = await fetch(`${gateway.url}?query=%7B__typename%7D`, {
      headers: { accept: browser, 'apollo-require-preflight': 'true' },
    });
    expect(await executed.json()).toEqual({ data: { __typename: 'Query' } });
  });

  it('has no link to GraphiQL if that is off', async () => {
    const plain = await startGateway({ GRAPHIQL: 'false' });
    expect(linksOf(await (await get('/', browser, plain)).text()).join()).not.toContain('graphiql');
    await plain.close();
  });

  it('is absent in production, unless LANDING_PAGE is set', async () => {
    const env = { NODE_ENV: 'production', JWT_SECRET: 'vB7pXq2RtYw9ZkLm4NcHsJ8dFgT6aEuQ1o', DEMO_DATA: 'true' };
    const [closed, open] = await Promise.all([startGateway(env), startGateway({ ...env, LANDING_PAGE: 'true' })]);
    for (const address of ['/', '/graphql', '/docs/clients.md'])
      expect((await get(address, browser, closed)).headers.get('content-type')).toContain('application/json');
    expect((await get('/', browser, open)).status).toBe(200);
    await Promise.all([closed.close(), open.close()]);
  });

  it('escapes what it shows', () => {
    const page = landingPage({
      hasGraphiql: true,
      hasMetrics: false,
      demo: { accounts: [{ email: '"><script>', role: '<b>' }], password: '&<>' },
      provider: { name: '<b>' },
      docs: [{ name: 'a.md', title: '<i>' }],
    });
    expect(page).not.toMatch(/<script|<b>|<i>|&<>/);
  });
});

describe('a page of the documentation', () => {
  it('is the file of the checkout, as text', async () => {
    const response = await get('/docs/clients.md');
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(await response.text()).toBe(await readFile(path.join(projectDir, 'docs', 'clients.md'), 'utf8'));
  });

  it('is one of a fixed list; other paths return 404', async () => {
    for (const address of ['/docs/', '/docs/..%2fpackage.json', '/docs/%2e%2e/README.md', '/docs/images/graphiql.png'])
      expect((await get(address)).status).toBe(404);
  });
});

describe('a preference for HTML', () => {
  it.each([
    [browser, true],
    ['text/html', true],
    ['TEXT/HTML; charset=utf-8', true],
    ['application/json;q=0.9, text/html', true],
    ['text/html;q=0.5, application/graphql-response+json', false],
    ['text/html;q=0', false],
    ['text/html;q=none', false],
    ['text/event-stream, text/html', false],
    ['*/*', false],
    ['', false],
    [undefined, false],
  ])('of %j is %s', (accept, expected) => {
    expect(prefersHtml(accept)).toBe(expected);
  });
});
