import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { describeInBrowser, type OpenPage, type TestPage } from '../kit/browser.js';
import { buildFrontend, removeFrontend, serveFrontend, type ServedFrontend } from '../kit/example-web.js';
import { codesOf, startGateway, type Any, type TestGateway } from '../kit/gateway.js';
import { projectDir } from '../kit/process.js';
import { until } from '../kit/until.js';

const password = 'auspex-demo-2026';
/** `npm run screenshots` sets it, and the README's picture is made anew. */
const makesScreenshots = process.env.SCREENSHOTS === 'true';
const pageSize = 15;
const waitMs = 20_000;
const phone = { viewport: { width: 360, height: 740 } };

let outDir: string;
let gateway: TestGateway;
let frontend: ServedFrontend;
beforeAll(async () => {
  [outDir, gateway] = await Promise.all([buildFrontend(), startGateway({ TRUSTED_DOCUMENTS: 'enforce', MAX_LOGINS_PER_ACCOUNT: '1000' })]);
  frontend = await serveFrontend(outDir, gateway.url);
}, 120_000);
afterAll(async () => {
  await frontend.close();
  await gateway.close();
  await removeFrontend(outDir);
});

describeInBrowser('the example frontend', (open) => {
  describe('signing in', () => {
    it('says what is wrong with a wrong password, and lets in with the right one', async () => {
      const { page } = await openFrontend(open);
      await signIn(page, 'user', 'not-the-password');
      await page.getByRole('alert').filter({ hasText: 'The e-mail address or the password is wrong.' }).waitFor();
      expect(await page.evaluate(() => sessionStorage.length)).toBe(0);

      await page.getByLabel('Password').fill(password);
      await page.keyboard.press('Enter');
      await rows(page).first().waitFor();
      expect(await page.title()).toBe('Employees · Auspex');
    });

    it('keeps the session over a reload, and the access token out of any storage', async () => {
      const { page, errors } = await openSignedIn(open, 'user');
      expect(await page.evaluate(() => [Object.keys(sessionStorage), Object.keys(localStorage), document.cookie])).toEqual([['auspex.refreshToken'], [], '']);
      await page.reload();
      await rows(page).first().waitFor();
      await page.getByText('user@example.com').waitFor();
      expect(errors).toEqual([]);
    });

    it('ends the session at the gateway on signing out, and leaves nothing for the next user', async () => {
      const { page } = await openSignedIn(open, 'admin');
      const refreshToken = await page.evaluate(() => sessionStorage.getItem('auspex.refreshToken'));
      const ended = page.waitForResponse((response) => response.request().postData()?.includes(idOf.SignOut) === true);
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByLabel('Password').waitFor();
      await ended;
      expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
      expect(codesOf(await gateway.ask('admin', 'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken } }', { token: refreshToken }))).toEqual(['UNAUTHENTICATED']);

      await signIn(page, 'user');
      await rows(page).first().waitFor();
      expect(new Set(await salaries(page))).toEqual(new Set(['—not shown to you']));
    });

    it('ends the session at the gateway also where the access token is no longer good', async () => {
      const { page } = await openSignedIn(open, 'user');
      await gateway.db.deleteFrom('session').execute();
      await page.getByRole('button', { name: 'Sign out' }).click();
      await signIn(page, 'user');
      await rows(page).first().waitFor();
      expect(await sessionCount()).toBe(1);
      await page.clock.setFixedTime(Date.now() + 14 * 60_000);
      const ended = page.waitForResponse((response) => response.request().postData()?.includes(idOf.SignOut) === true);
      await page.getByRole('button', { name: 'Sign out' }).click();
      await ended;
      expect(await sessionCount()).toBe(0);
    });

    it('is not lost where the gateway cannot be reached for a moment', async () => {
      const { page } = await openSignedIn(open, 'user');
      await page.route('**/graphql', (route) => route.abort());
      await page.reload();
      await page.getByRole('alert').filter({ hasText: 'Reload this page in a moment' }).waitFor();
      await page.unroute('**/graphql');
      await page.reload();
      await rows(page).first().waitFor();
    });
  });

  describe('the employees', () => {
    it('come in pages, there and back', async () => {
      const { page } = await openSignedIn(open, 'user');
      const first = await names(page);
      expect(first).toHaveLength(pageSize);
      await page.getByText('240 people').waitFor();
      expect(await page.getByRole('button', { name: 'Previous' }).isDisabled()).toBe(true);

      await page.getByRole('button', { name: 'Next' }).click();
      await page.getByText('Page 2 of 16').waitFor();
      const second = await settledNames(page, first);
      expect(second.filter((name) => first.includes(name))).toEqual([]);
      await page.getByRole('button', { name: 'Next' }).click();
      const third = await settledNames(page, second);
      expect(third.filter((name) => second.includes(name))).toEqual([]);

      await page.getByRole('button', { name: 'Previous' }).click();
      expect(await settledNames(page, third)).toEqual(second);
      await page.getByRole('button', { name: 'Previous' }).click();
      expect(await settledNames(page, second)).toEqual(first);
    });

    it('are searched, filtered and ordered by the gateway', async () => {
      const { page } = await openSignedIn(open, 'user');
      await page.getByLabel('Search').fill('team lead');
      await page.getByText('32 people').waitFor();
      expect(await page.getByRole('cell', { name: /Team Lead$/ }).count()).toBe(pageSize);

      await page.getByLabel('Department').selectOption('Support');
      await page.getByText('4 people').waitFor();
      await page.getByLabel('Search').fill('nobody at all');
      await page.getByText('Nobody matches.').waitFor();

      await page.getByLabel('Search').fill('');
      await page.getByText('30 people').waitFor();
      const before = await names(page);
      await page.getByLabel('Order').selectOption('Name, Z to A');
      const backwards = await settledNames(page, before);
      const { data } = await gateway.ask<Any>('admin', '{ employees(first: 100, orderBy: { field: NAME, direction: DESC }) { nodes { name email department { name } } } }');
      const ofSupport = data.employees.nodes.filter((node: Any) => node.department.name === 'Support').map((node: Any) => `${String(node.name)}${String(node.email)}`);
      expect(backwards.slice(0, ofSupport.length)).toEqual(ofSupport.slice(0, pageSize));
      expect(await page.getByRole('columnheader', { name: 'Name' }).getAttribute('aria-sort')).toBe('descending');
    });

    it('show a salary only to who may see it', async () => {
      const user = await openSignedIn(open, 'user');
      expect(new Set(await salaries(user.page))).toEqual(new Set(['—not shown to you']));
      expect(await user.page.getByRole('alert').count()).toBe(0);
      expect(await user.page.getByLabel('Order').getByRole('option', { name: /Salary/ }).count()).toBe(0);

      const manager = await openSignedIn(open, 'manager', { viewport: { width: 1280, height: 800 } });
      await manager.page.getByLabel('Search').fill('weber');
      await manager.page.getByText('8 people').waitFor();
      await manager.page.getByText('Live', { exact: true }).waitFor();
      expect((await salaries(manager.page)).some((salary) => /\d/.test(salary))).toBe(true);
      expect((await salaries(manager.page)).some((salary) => salary === '—not shown to you')).toBe(true);
      if (makesScreenshots) await takeScreenshot(manager.page);

      const { page } = await openSignedIn(open, 'admin');
      const before = await names(page);
      expect((await salaries(page)).every((salary) => /^\d{1,3}(,\d{3})+$/.test(salary))).toBe(true);
      await page.getByLabel('Order').selectOption('Salary, highest first');
      await settledNames(page, before);
      const highest = (await salaries(page)).map((salary) => Number(salary.replaceAll(',', '')));
      expect(highest).toEqual([...highest].sort((a, b) => b - a));
    });

    it('follow what another client changes, and say so', async () => {
      const { page } = await openSignedIn(open, 'user');
      await page.getByText('Live', { exact: true }).waitFor();
      const { id, name } = await anEmployee(gateway);
      await gateway.ask('admin', changeJob, { id, jobTitle: 'Keeper of the Seals' });
      await page.getByRole('status').filter({ hasText: `${name} was changed.` }).waitFor();
      await page.getByRole('cell', { name: 'Keeper of the Seals' }).waitFor();
      expect(new Set(await salaries(page))).toEqual(new Set(['—not shown to you']));
    });

    it('are followed on where the gateway has ended the subscription', async () => {
      const { page } = await openFrontend(open);
      const subscribed: string[] = [];
      await page.routeWebSocket('**/graphql', (socket) => {
        const server = socket.connectToServer();
        socket.onMessage((message) => {
          const { type, id } = JSON.parse(String(message)) as { type: string; id: string };
          if (type === 'subscribe') subscribed.push(id);
          server.send(message);
          if (subscribed.length === 1 && type === 'subscribe') socket.send(JSON.stringify({ type: 'complete', id }));
        });
      });
      await page.reload();
      await signIn(page, 'user');
      await until(() => subscribed.length === 2, 15_000);
      await page.getByText('Live', { exact: true }).waitFor();
      const { id, name } = await anEmployee(gateway);
      await until(async () => {
        await gateway.ask('admin', changeJob, { id, jobTitle: 'Keeper of the Gates' });
        return page.getByRole('status').filter({ hasText: `${name} was changed.` }).isVisible();
      });
    });

    it('say that the gateway cannot be reached, and come once it can', async () => {
      const { page } = await openFrontend(open);
      let isCut = false;
      await page.route('**/graphql', (route) => (isCut ? route.abort() : route.continue()));
      await signIn(page, 'user');
      await rows(page).first().waitFor();
      isCut = true;
      await page.getByRole('button', { name: 'Next' }).click();
      await page.getByRole('alert').filter({ hasText: 'The gateway cannot be reached.' }).waitFor();
      isCut = false;
      await page.getByRole('button', { name: 'Try again' }).click();
      await page.getByRole('alert').waitFor({ state: 'detached' });
      await page.getByText('Page 2 of 16').waitFor();
    });
  });

  describe('the price of a car', () => {
    it('is computed, then known; and the predictions beside it follow', async () => {
      const { page } = await openSignedIn(open, 'user');
      await page.getByRole('link', { name: 'Car price' }).click();
      await page.getByText('None yet.').waitFor();
      await page.getByText('Live', { exact: true }).waitFor();
      await page.getByLabel('Maker').fill('Maruti');
      await page.getByLabel('Year of first registration').fill('2014');
      await page.getByLabel('Distance driven').fill('90,000');
      await page.getByLabel('Fuel').selectOption('Diesel');
      await page.getByRole('button', { name: 'Estimate the price' }).click();
      await page.getByText('₹478,277').waitFor();
      await page.getByRole('status').getByText('MODEL').waitFor();

      await page.keyboard.press('Enter');
      await page.getByRole('status').getByText('CACHE').waitFor();
      const recent = page.getByRole('log', { name: 'Recent predictions' }).getByRole('listitem');
      await recent.nth(1).waitFor();
      expect(await recent.count()).toBe(2);
      expect(await recent.first().innerText()).toMatch(/Maruti 2014\s+\d+:\d+:\d+.* · CACHE\s+478,277/s);
    });

    it('is refused with words at the fields that are wrong, and nothing is recorded', async () => {
      const { page } = await openSignedIn(open, 'manager');
      await page.getByRole('link', { name: 'Car price' }).click();
      await page.getByRole('button', { name: 'Estimate the price' }).click();
      expect(await page.getByLabel('Maker').evaluate((field) => field === document.activeElement)).toBe(true);
      expect(await problemAt(page, 'Distance driven')).toBe('is required');

      await page.getByLabel('Maker').fill('Maruti');
      await page.getByLabel('Year of first registration').fill('1890');
      await page.getByLabel('Distance driven').fill('-5');
      await page.getByLabel('Power').fill('90');
      await page.getByRole('button', { name: 'Estimate the price' }).click();
      await page.getByText(/must be from 1980 to 2030/).waitFor();
      expect(await problemAt(page, 'Year of first registration')).toMatch(/must be from 1980 to 2030/);
      expect(await problemAt(page, 'Distance driven')).toMatch(/must be from 0 to 3000000/);
      expect(await page.locator('[aria-invalid=true]').count()).toBe(2);
      const { data } = await gateway.ask<Any>('admin', '{ predictions(first: 100) { nodes { requestedBy { email } } } }');
      expect(data.predictions.nodes.filter((node: Any) => node.requestedBy.email === 'manager@example.com')).toEqual([]);
    });
  });

  describe('an access token that expires', () => {
    it('is renewed before it does, once for all that wait for it', async () => {
      const tested = await openSignedIn(open, 'user');
      const { page } = tested;
      const refreshes = countOf(tested, idOf.RefreshSession);
      await page.clock.setFixedTime(Date.now() + 14 * 60_000);
      // The page of prices asks for the model and the recent predictions at the same time.
      await page.getByRole('link', { name: 'Car price' }).click();
      await page.getByText('Asking price of a used car').waitFor();
      expect(refreshes()).toBe(1);
      expect(tested.refused).toEqual([]);
    });

    it('is renewed where the gateway refuses it, once for all that were refused', async () => {
      const tested = await openSignedIn(open, 'user');
      const { page } = tested;
      const refreshes = countOf(tested, idOf.RefreshSession);
      await page.route('**/graphql', (route) => {
        const { authorization, ...headers } = route.request().headers();
        return refreshes() > 0 || authorization === undefined ? route.continue() : route.continue({ headers: { ...headers, authorization: 'Bearer of-long-ago' } });
      });
      await page.getByRole('link', { name: 'Car price' }).click();
      await page.getByText('Asking price of a used car').waitFor();
      await page.getByText('None yet.').or(page.getByRole('listitem').first()).waitFor();
      expect(tested.refused.length).toBeGreaterThan(0);
      expect(refreshes()).toBe(1);
    });

    it('closes the socket, which comes back with a new one', async () => {
      const shortLived = await startGateway({ TRUSTED_DOCUMENTS: 'enforce', ACCESS_TOKEN_TTL_SECONDS: '10' });
      const served = await serveFrontend(outDir, shortLived.url);
      try {
        const tested = await openFrontend(open, {}, served.url);
        const { page, requests } = tested;
        const sockets = (): number => requests.filter((url) => url.startsWith('ws:')).length;
        // By a clock that stands still no token ever expires: it is the gateway that finds it out.
        await page.clock.setFixedTime(Date.now());
        await signIn(page, 'user');
        await page.getByText('Live', { exact: true }).waitFor();
        const [token, opened, refreshes] = [tested.token(), sockets(), countOf(tested, idOf.RefreshSession)];
        await until(() => sockets() > opened, 20_000);
        expect(refreshes()).toBe(1);
        await page.getByText('Live', { exact: true }).waitFor();
        const { id, name } = await anEmployee(shortLived);
        await shortLived.ask('admin', changeJob, { id, jobTitle: 'Keeper of the Keys' });
        await page.getByRole('status').filter({ hasText: `${name} was changed.` }).waitFor();
        expect(tested.token()).not.toBe(token);
      } finally {
        await served.close();
        await shortLived.close();
      }
    }, 60_000);

    it('leads to the form, with the reason, where the session has been ended elsewhere', async () => {
      const { page } = await openSignedIn(open, 'manager');
      await gateway.db.deleteFrom('session').execute();
      await page.clock.setFixedTime(Date.now() + 14 * 60_000);
      await page.getByRole('link', { name: 'Car price' }).click();
      await page.getByRole('alert').filter({ hasText: 'Your session has ended.' }).waitFor();
      expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
    });
  });

  describe('its documents', () => {
    it('go by their ids alone, over HTTP and the socket, and any other is refused', async () => {
      const tested = await openFrontend(open);
      const frames: string[] = [];
      tested.page.on('websocket', (socket) => socket.on('framesent', ({ payload }) => void frames.push(String(payload))));
      await signIn(tested.page, 'user');
      await rows(tested.page).first().waitFor();
      await tested.page.getByText('Live', { exact: true }).waitFor();
      await tested.page.getByRole('link', { name: 'Car price' }).click();
      await tested.page.getByText('Asking price of a used car').waitFor();

      expect(tested.bodies.length).toBeGreaterThan(4);
      expect(tested.bodies.filter((body) => 'query' in body)).toEqual([]);
      expect(tested.clients).toEqual(new Set(['example-web 1.0.0']));
      const subscribed = frames.map((frame) => JSON.parse(frame)).filter(({ type }) => type === 'subscribe');
      expect(subscribed.length).toBeGreaterThan(0);
      expect(subscribed.filter(({ payload }) => payload.query !== '')).toEqual([]);

      const token = tested.token();
      const refused = await gateway.ask({ token }, '{ departments { name } }', {}, { 'apollographql-client-name': 'example-web', 'apollographql-client-version': '1.0.0' });
      expect(codesOf(refused)).toEqual(['DOCUMENT_NOT_TRUSTED']);
      expect(refused.data ?? null).toBeNull();
    });
  });

  describe('for everyone', () => {
    it('needs no scrolling sideways on a phone', async () => {
      const { page } = await openFrontend(open, phone);
      const isTooWide = (): Promise<boolean> => page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
      expect(await isTooWide()).toBe(false);
      await signIn(page, 'admin');
      await rows(page).first().waitFor();
      expect(await isTooWide()).toBe(false);
      // Cards to look at, and still a table to listen to.
      expect(await rows(page).first().evaluate((row) => getComputedStyle(row).display)).toBe('block');
      await page.getByRole('link', { name: 'Car price' }).click();
      await page.getByText('Asking price of a used car').waitFor();
      expect(await isTooWide()).toBe(false);
    });

    it.each([
      ['a desktop', { viewport: { width: 1280, height: 800 } }],
      ['a phone', phone],
    ])('does not jump while it loads on %s', async (_device, options) => {
      const { page } = await openSignedIn(open, 'user', options);
      await page.addInitScript(sumLayoutShifts);
      for (const [path, last] of [
        ['#/employees', '240 people'],
        ['#/price', 'Asking price of a used car'],
      ] as const) {
        await page.goto(`${frontend.url}${path}`);
        await page.reload();
        await page.getByText(last).waitFor();
        await page.getByText('Live', { exact: true }).waitFor();
        expect(await page.evaluate<number>('window.layoutShift')).toBeLessThan(0.02);
      }
    });

    it.each(['light', 'dark'] as const)('has enough contrast when it is %s', async (colorScheme) => {
      const { page } = await openFrontend(open, { colorScheme });
      await signIn(page, 'user', 'not-the-password');
      await page.getByRole('alert').filter({ hasText: 'wrong' }).waitFor();
      expect(await tooFaint(page)).toEqual([]);
      await page.getByLabel('Password').fill(password);
      await page.keyboard.press('Enter');
      await rows(page).first().waitFor();
      expect(await tooFaint(page)).toEqual([]);
      await page.getByRole('link', { name: 'Car price' }).click();
      await page.getByText('Asking price of a used car').waitFor();
      await page.getByRole('button', { name: 'Estimate the price' }).click();
      await page.locator('[aria-invalid=true]').first().waitFor();
      expect(await tooFaint(page)).toEqual([]);
    });

    it('names every control, and the keyboard reaches them all', async () => {
      const { page } = await openFrontend(open);
      expect(await nameless(page)).toEqual([]);
      expect(await reachedByTab(page)).toEqual(await controls(page));
      await signIn(page, 'user');
      await rows(page).first().waitFor();
      await page.getByRole('heading', { name: 'Employees', level: 1 }).waitFor();
      expect(await page.getByRole('heading', { level: 1 }).evaluate((heading) => heading === document.activeElement)).toBe(true);
      expect(await nameless(page)).toEqual([]);
      expect(await reachedByTab(page)).toEqual(await controls(page));
      await page.getByRole('link', { name: 'Car price' }).click();
      await page.getByText('Asking price of a used car').waitFor();
      expect(await nameless(page)).toEqual([]);
      expect(await reachedByTab(page)).toEqual(await controls(page));
    });
  });
});

const changeJob = 'mutation ($id: ID!, $jobTitle: String!) { updateEmployee(id: $id, input: { jobTitle: $jobTitle }) { id } }';

/** The first employee of the first page. */
async function anEmployee(of: TestGateway): Promise<{ id: string; name: string }> {
  const { data } = await of.ask<Any>('admin', '{ employees(first: 1) { nodes { id name } } }');
  return data.employees.nodes[0];
}

async function sessionCount(): Promise<number> {
  return (await gateway.db.selectFrom('session').select('id').execute()).length;
}

/** The hashes under which the frontend's operations are published. */
const idOf = { SignOut: hashOf('SignOut'), RefreshSession: hashOf('RefreshSession') };

function hashOf(name: string): string {
  const manifest = JSON.parse(readFileSync(path.join(projectDir, 'schema/documents/example-web/1.0.0.json'), 'utf8')) as Record<string, string>;
  const found = Object.entries(manifest).find(([, text]) => text.includes(`mutation ${name}`));
  if (!found) throw new Error(`${name} is not published.`);
  return found[0].replace('sha256:', '');
}

/** An open page, and what it has sent. */
interface TestedPage extends TestPage {
  bodies: Record<string, unknown>[];
  /** Client names and versions of its requests. */
  clients: Set<string>;
  /** Bodies of requests that the gateway refused as UNAUTHENTICATED. */
  refused: string[];
  /** The access token that it sent last. */
  token: () => string;
}

async function openFrontend(open: OpenPage, options: BrowserContextOptions = {}, url = frontend.url): Promise<TestedPage> {
  const opened = await open({ locale: 'en-GB', ...options });
  const tested = { ...opened, bodies: [] as Record<string, unknown>[], clients: new Set<string>(), refused: [] as string[] };
  let token = '';
  opened.page.on('request', (request) => {
    const body = request.postData();
    if (body === null) return;
    const headers = request.headers();
    tested.bodies.push(JSON.parse(body) as Record<string, unknown>);
    tested.clients.add(`${headers['apollographql-client-name'] ?? ''} ${headers['apollographql-client-version'] ?? ''}`);
    token = headers.authorization?.replace('Bearer ', '') ?? token;
  });
  opened.page.on('response', (response) => {
    if (response.status() === 401) tested.refused.push(response.request().postData() ?? '');
  });
  opened.page.setDefaultTimeout(waitMs);
  await opened.page.goto(url);
  await opened.page.getByLabel('Password').waitFor();
  return { ...tested, token: () => token };
}

async function openSignedIn(open: OpenPage, account: 'admin' | 'manager' | 'user', options: BrowserContextOptions = {}): Promise<TestedPage> {
  const tested = await openFrontend(open, options);
  await signIn(tested.page, account);
  await rows(tested.page).first().waitFor();
  return tested;
}

async function signIn(page: Page, account: 'admin' | 'manager' | 'user', tried = password): Promise<void> {
  await page.getByLabel('E-mail address').fill(`${account}@example.com`);
  await page.getByLabel('Password').fill(tried);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

async function takeScreenshot(page: Page): Promise<void> {
  const file = path.join(projectDir, 'docs', 'images', 'example-web.png');
  await mkdir(path.dirname(file), { recursive: true });
  await page.screenshot({ path: file });
}

const rows = (page: Page) => page.locator('tbody tr:not(.skeleton)');

/** Each row's name with its e-mail address, which tells namesakes apart. */
const names = (page: Page): Promise<string[]> => rows(page).locator('th').allTextContents();

const salaries = (page: Page): Promise<string[]> => page.locator('td[data-label=Salary]').allTextContents();

/** The names once they are others than these. */
async function settledNames(page: Page, before: string[]): Promise<string[]> {
  await page.waitForFunction((old) => {
    const shown = [...document.querySelectorAll('tbody tr:not(.skeleton) th')].map((cell) => cell.textContent);
    return shown.length > 0 && JSON.stringify(shown) !== old && document.querySelector('table[aria-busy=false]') !== null;
  }, JSON.stringify(before));
  return names(page);
}

/** What stands at a field that is marked as faulty. */
async function problemAt(page: Page, label: string): Promise<string> {
  const field = page.getByLabel(label);
  expect(await field.getAttribute('aria-invalid')).toBe('true');
  return page.locator(`#${(await field.getAttribute('aria-describedby')) ?? ''}`).innerText();
}

/** Counts from now on how often the page sends a document. */
function countOf({ bodies }: TestedPage, hash: string): () => number {
  const count = (): number => bodies.filter((body) => JSON.stringify(body).includes(hash)).length;
  const before = count();
  return () => count() - before;
}

/** Adds up how much of the page moves of its own accord (web.dev/cls; below 0.1 is good). Runs in the page. */
const sumLayoutShifts = `
  window.layoutShift = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.layoutShift += entry.value;
  }).observe({ type: 'layout-shift', buffered: true });
`;

/** Texts whose contrast with what is behind them is below 4.5 : 1, and borders of controls below 3 : 1 (WCAG 2.2, 1.4.3 and 1.4.11). */
function tooFaint(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const numbersOf = (color: string): number[] => (color.match(/[\d.]+/g) ?? []).map(Number);
    const luminance = ([red = 0, green = 0, blue = 0]: number[]): number => {
      const linear = [red, green, blue].map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
      return 0.2126 * (linear[0] ?? 0) + 0.7152 * (linear[1] ?? 0) + 0.0722 * (linear[2] ?? 0);
    };
    const contrast = (one: string, other: string): number => {
      const [low = 0, high = 0] = [luminance(numbersOf(one)), luminance(numbersOf(other))].sort((a, b) => a - b);
      return (high + 0.05) / (low + 0.05);
    };
    const behind = (element: Element | null): string => {
      for (let at = element; at; at = at.parentElement) {
        const { backgroundColor } = getComputedStyle(at);
        if ((numbersOf(backgroundColor)[3] ?? 1) > 0) return backgroundColor;
      }
      return 'rgb(255, 255, 255)';
    };
    const isShown = (element: Element): boolean => element.getClientRects().length > 0 && !element.matches(':disabled, .only-heard');
    const texts = [...document.body.querySelectorAll('*')].filter((element) => isShown(element) && [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim()));
    const boxes = [...document.querySelectorAll('input, select')].filter(isShown);
    return [
      ...texts.filter((element) => contrast(getComputedStyle(element).color, behind(element)) < 4.5).map((element) => `${element.tagName} ${element.textContent}`),
      ...boxes.filter((element) => contrast(getComputedStyle(element).borderTopColor, behind(element.parentElement)) < 3).map((element) => `border of ${element.id}`),
    ];
  });
}

/** Controls that say nothing of themselves to those who cannot see them. */
const nameless = (page: Page): Promise<string[]> =>
  page.evaluate(() =>
    [...document.querySelectorAll('input, select, button, a')]
      .filter((element) => {
        const isLabelled = ((element as HTMLInputElement).labels ?? []).length > 0;
        return !isLabelled && (element.matches('input, select') || element.textContent.trim() === '');
      })
      .map((element) => element.outerHTML),
  );

const describeControl = 'element => element.id || element.textContent';

/** What can be operated, in the order of the page. */
const controls = (page: Page): Promise<string[]> =>
  page.evaluate(`[...document.querySelectorAll('input, select, button, a')].filter(element => !element.disabled).map(${describeControl})`);

/** What Tab comes by, from the start of the page until it leaves it. */
async function reachedByTab(page: Page): Promise<string[]> {
  await page.evaluate(() => {
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute('tabindex');
  });
  const reached: string[] = [];
  for (let press = 0; press < 60; press += 1) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate<string | null>(`document.activeElement === document.body ? null : (${describeControl})(document.activeElement)`);
    if (at === null || reached[0] === at) break;
    reached.push(at);
  }
  return reached;
}
