import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { BrowserContextOptions, Page } from 'playwright-core';
import sharp from 'sharp';
import { describeInBrowser, type OpenPage, type TestPage } from '../support/browser.js';
import { buildFrontend, removeFrontend, serveFrontend, type ServedFrontend } from '../support/example-web.js';
import { codesOf, startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { projectDir } from '../support/process.js';
import { waitUntil } from '../support/wait-until.js';

const password = 'auspex-demo-2026';
/** Set by `npm run screenshots` to update the pictures in the docs. */
const makesScreenshots = process.env.SCREENSHOTS === 'true';
const pageSize = 15;
const waitMs = 20_000;
/** A PNG file of a zero: dark ink on light paper. */
function zeroPng(): Promise<Buffer> {
  const [width, height] = [120, 160];
  const pixels = Buffer.alloc(width * height, 255);
  for (let y = 0; y < height; y += 1)
    for (let x = 0; x < width; x += 1) {
      const radius = Math.hypot((x - 60) / 40, (y - 80) / 62);
      if (radius > 0.7 && radius < 1) pixels[y * width + x] = 20;
    }
  return sharp(pixels, { raw: { width, height, channels: 1 } })
    .png()
    .toBuffer();
}
const phone = { viewport: { width: 360, height: 740 } };

let outDir: string;
let gateway: TestGateway;
let frontend: ServedFrontend;
beforeAll(async () => {
  [outDir, gateway] = await Promise.all([
    buildFrontend(),
    startGateway({ TRUSTED_DOCUMENTS: 'enforce', MAX_LOGINS_PER_ACCOUNT: '1000' }),
  ]);
  frontend = await serveFrontend(outDir, gateway.url);
}, 120_000);
afterAll(async () => {
  await frontend.close();
  await gateway.close();
  await removeFrontend(outDir);
});

describeInBrowser('the example frontend', (open) => {
  describe('signing in', () => {
    it('shows the error of a wrong password, and accepts the right one', async () => {
      const { page } = await openFrontend(open);
      await signIn(page, 'user', 'not-the-password');
      await page.getByRole('alert').filter({ hasText: 'The e-mail address or the password is wrong.' }).waitFor();
      expect(await page.evaluate(() => sessionStorage.length)).toBe(0);

      await page.getByLabel('Password').fill(password);
      await page.keyboard.press('Enter');
      await rows(page).first().waitFor();
      expect(await page.title()).toBe('Employees · Auspex');
    });

    it('offers the demo accounts as buttons, and shows the role', async () => {
      const { page } = await openFrontend(open);
      await page.getByRole('button', { name: 'manager@example.com' }).click();
      await rows(page).first().waitFor();
      await page.getByText('Manager', { exact: true }).waitFor();
    });

    it('keeps the session across a reload, and stores no access token', async () => {
      const { page, errors } = await openSignedIn(open, 'user');
      expect(
        await page.evaluate(() => [Object.keys(sessionStorage), Object.keys(localStorage), document.cookie]),
      ).toEqual([['auspex.refreshToken'], [], '']);
      await page.reload();
      await rows(page).first().waitFor();
      await page.getByText('user@example.com').waitFor();
      expect(errors).toEqual([]);
    });

    it('ends the session at the gateway at sign-out, and clears the cache for the next user', async () => {
      const { page } = await openSignedIn(open, 'admin');
      const refreshToken = await page.evaluate(() => sessionStorage.getItem('auspex.refreshToken'));
      const ended = page.waitForResponse((response) => response.request().postData()?.includes(idOf.SignOut) === true);
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByLabel('Password').waitFor();
      await ended;
      expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
      expect(
        codesOf(
          await gateway.execute(
            'admin',
            'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken } }',
            { token: refreshToken },
          ),
        ),
      ).toEqual(['UNAUTHENTICATED']);

      await signIn(page, 'user');
      await rows(page).first().waitFor();
      expect(new Set(await salaries(page))).toEqual(new Set(['—no access']));
    });

    it('ends the session at the gateway even if the access token has expired', async () => {
      await endSessions();
      const { page } = await openSignedIn(open, 'user');
      await rows(page).first().waitFor();
      expect(await sessionCount()).toBe(1);
      await page.clock.setFixedTime(Date.now() + 14 * 60_000);
      const ended = page.waitForResponse((response) => response.request().postData()?.includes(idOf.SignOut) === true);
      await page.getByRole('button', { name: 'Sign out' }).click();
      await ended;
      expect(await sessionCount()).toBe(0);
    });

    it('survives a reload while the gateway is unreachable', async () => {
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
    it('page forward and back', async () => {
      const { page } = await openSignedIn(open, 'user');
      const first = await names(page);
      expect(first).toHaveLength(pageSize);
      await page.getByText('240 employees').waitFor();
      expect(await page.getByRole('button', { name: 'Previous' }).isDisabled()).toBe(true);

      await page.getByRole('button', { name: 'Next' }).click();
      await page.getByText('Page 2 of 16').waitFor();
      const second = await changedNames(page, first);
      expect(second.filter((name) => first.includes(name))).toEqual([]);
      await page.getByRole('button', { name: 'Next' }).click();
      const third = await changedNames(page, second);
      expect(third.filter((name) => second.includes(name))).toEqual([]);

      await page.getByRole('button', { name: 'Previous' }).click();
      expect(await changedNames(page, third)).toEqual(second);
      await page.getByRole('button', { name: 'Previous' }).click();
      expect(await changedNames(page, second)).toEqual(first);
    });

    it('are searched, filtered and ordered by the gateway', async () => {
      const { page } = await openSignedIn(open, 'user');
      await page.getByLabel('Search').fill('team lead');
      await page.getByText('32 employees').waitFor();
      expect(await page.getByRole('cell', { name: /Team Lead$/ }).count()).toBe(pageSize);

      await page.getByLabel('Department').selectOption('Support');
      await page.getByText('4 employees').waitFor();
      await page.getByLabel('Search').fill('nobody at all');
      await page.getByText('No employees found.').waitFor();

      await page.getByLabel('Search').fill('');
      await page.getByText('30 employees').waitFor();
      const before = await names(page);
      await page.getByLabel('Order').selectOption('Name, Z to A');
      const backwards = await changedNames(page, before);
      const { data } = await gateway.execute<AnyData>(
        'admin',
        '{ employees(first: 100, orderBy: { field: NAME, direction: DESC }) { nodes { name email department { name } } } }',
      );
      const ofSupport = data.employees.nodes
        .filter((node: AnyData) => node.department.name === 'Support')
        .map((node: AnyData) => `${String(node.name)}${String(node.email)}`);
      expect(backwards.slice(0, ofSupport.length)).toEqual(ofSupport.slice(0, pageSize));
      expect(await page.getByRole('columnheader', { name: 'Name' }).getAttribute('aria-sort')).toBe('descending');
    });

    it('show a salary only to authorized users', async () => {
      const user = await openSignedIn(open, 'user');
      expect(new Set(await salaries(user.page))).toEqual(new Set(['—no access']));
      expect(await user.page.getByRole('alert').count()).toBe(0);
      expect(
        await user.page
          .getByLabel('Order')
          .getByRole('option', { name: /Salary/ })
          .count(),
      ).toBe(0);

      const manager = await openSignedIn(open, 'manager', { viewport: { width: 1280, height: 800 } });
      await manager.page.getByLabel('Search').fill('weber');
      await manager.page.getByText('8 employees').waitFor();
      await manager.page.getByText('Live', { exact: true }).waitFor();
      expect((await salaries(manager.page)).some((salary) => /\d/.test(salary))).toBe(true);
      expect((await salaries(manager.page)).some((salary) => salary === '—no access')).toBe(true);
      if (makesScreenshots) await takeScreenshot(manager.page);

      const { page } = await openSignedIn(open, 'admin');
      const before = await names(page);
      expect((await salaries(page)).every((salary) => /^US\$\d{1,3}(,\d{3})+$/.test(salary))).toBe(true);
      await page.getByLabel('Order').selectOption('Salary, highest first');
      await changedNames(page, before);
      const highest = (await salaries(page)).map((salary) => Number(salary.replaceAll(/\D/g, '')));
      expect(highest).toEqual([...highest].sort((a, b) => b - a));
    });

    it('are changed by a manager, in the team only', async () => {
      const { page } = await openSignedIn(open, 'manager');
      const [report] = await gateway.db
        .selectFrom('user_account')
        .innerJoin('employee as manager', 'manager.id', 'user_account.employee_id')
        .innerJoin('employee', 'employee.manager_id', 'manager.id')
        .select(['employee.name', 'manager.name as manager'])
        .where('user_account.email', '=', 'manager@example.com')
        .execute();
      const editable = page.getByRole('button', { name: /^Edit/ });
      // A manager sees their salary and cannot change it.
      await page.getByLabel('Search').fill(report?.manager ?? '');
      await page.getByText('1 employee', { exact: true }).waitFor();
      expect((await salaries(page)).filter((salary) => /\d/.test(salary))).toHaveLength(1);
      expect(await editable.count()).toBe(0);
      await page.getByLabel('Search').fill(report?.name ?? '');
      await editable.first().click();
      const dialog = page.getByRole('dialog');
      await dialog.getByLabel('Job title').fill('Keeper of the Maps');
      await dialog.getByLabel('Yearly salary, USD').fill('-1');
      await dialog.getByRole('button', { name: 'Save' }).click();
      await dialog.getByText(/must be/).waitFor();
      await dialog.getByLabel('Yearly salary, USD').fill('51,234');
      await dialog.getByRole('button', { name: 'Save' }).click();
      await page.getByRole('cell', { name: 'Keeper of the Maps' }).waitFor();
      await page.getByRole('cell', { name: '$51,234' }).waitFor();
      expect(await dialog.count()).toBe(0);

      const user = await openSignedIn(open, 'user');
      expect(await user.page.getByRole('button', { name: /^Edit/ }).count()).toBe(0);
    });

    it('reject a change of an employee that someone else has changed meanwhile', async () => {
      const { page } = await openFrontend(open);
      // Without live updates the page keeps the old version.
      await page.routeWebSocket('**/graphql', (socket) => void socket.close());
      await signIn(page, 'admin');
      const { id } = await firstEmployee(gateway);
      await page.getByRole('button', { name: /^Edit/ }).first().click();
      await gateway.execute('admin', changeJob, { id, jobTitle: 'Keeper of the Doors' });
      const dialog = page.getByRole('dialog');
      await dialog.getByLabel('Job title').fill('Keeper of the Windows');
      await dialog.getByRole('button', { name: 'Save' }).click();
      await dialog.getByRole('alert').filter({ hasText: 'Someone else has changed this employee' }).waitFor();
      await page.getByText('Keeper of the Doors').waitFor({ state: 'attached' });
    });

    it('update and announce changes of another client', async () => {
      const { page } = await openSignedIn(open, 'user');
      await page.getByText('Live', { exact: true }).waitFor();
      const { id, name } = await firstEmployee(gateway);
      await gateway.execute('admin', changeJob, { id, jobTitle: 'Keeper of the Seals' });
      await page
        .getByRole('status')
        .filter({ hasText: `${name} was updated.` })
        .waitFor();
      await page.getByRole('cell', { name: 'Keeper of the Seals' }).waitFor();
      expect(new Set(await salaries(page))).toEqual(new Set(['—no access']));
    });

    it('resubscribe after the gateway ended the subscription', async () => {
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
      await waitUntil(() => subscribed.length === 2, 'The change', 15_000);
      await page.getByText('Live', { exact: true }).waitFor();
      const { id, name } = await firstEmployee(gateway);
      await waitUntil(async () => {
        await gateway.execute('admin', changeJob, { id, jobTitle: 'Keeper of the Gates' });
        return page
          .getByRole('status')
          .filter({ hasText: `${name} was updated.` })
          .isVisible();
      });
    });

    it('report an unreachable gateway, and load after a retry', async () => {
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

    it('are not shown below a search that failed', async () => {
      const { page } = await openSignedIn(open, 'user');
      await page.route('**/graphql', (route) => route.abort());
      await page.getByLabel('Search').fill('weber');
      await page.getByRole('alert').filter({ hasText: 'The gateway cannot be reached.' }).waitFor();
      expect(await rows(page).count()).toBe(0);
      expect(await page.getByText('240 employees').count()).toBe(0);
    });

    it('are reported as possibly out of date while the page is offline', async () => {
      const { page } = await openFrontend(open);
      let isCut = false;
      const sockets: { close: () => Promise<void> }[] = [];
      await page.routeWebSocket('**/graphql', (socket) => {
        if (isCut) return void socket.close();
        sockets.push(socket);
        socket.connectToServer();
      });
      await page.reload();
      await signIn(page, 'user');
      await page.getByText('Live', { exact: true }).waitFor();
      isCut = true;
      await Promise.all(sockets.map((socket) => socket.close()));
      await page.getByText('Offline', { exact: true }).waitFor();
      await page.getByRole('alert').filter({ hasText: 'may be out of date' }).waitFor();
      isCut = false;
      await page.getByText('Live', { exact: true }).waitFor();
      expect(await page.getByRole('alert').count()).toBe(0);
    });
  });

  describe('predictions', () => {
    it('are computed, then cached, and the recent predictions update', async () => {
      const { page } = await openSignedIn(open, 'user');
      await page.getByRole('link', { name: 'Predictions' }).click();
      await page.getByText('No predictions yet.').waitFor();
      await page.getByText('Live', { exact: true }).waitFor();
      await page.getByLabel('Model').selectOption('Price of a used car');
      await page.getByLabel('Company').fill('Maruti');
      await page.getByLabel('Year').fill('2014');
      await page.getByLabel('Km driven').fill('90,000');
      await page.getByLabel('Fuel').selectOption('Diesel');
      await page.getByRole('button', { name: 'Predict', exact: true }).click();
      await page.getByRole('status').getByText('₹478,277').waitFor();
      await page.getByRole('status').getByText('Version 1, computed by the model').waitFor();

      await page.getByRole('button', { name: 'Predict', exact: true }).click();
      await page.getByRole('status').getByText('Version 1, from the cache').waitFor();
      const recent = page.getByRole('log', { name: 'Recent predictions' }).getByRole('listitem');
      await recent.nth(1).waitFor();
      expect(await recent.count()).toBe(2);
      expect(await recent.first().innerText()).toMatch(
        /Price of a used car\s+\d+:\d+:\d+.* · from the cache\s+₹478,277/s,
      );
    });

    it('run every model with a form made from its inputs, and its example', async () => {
      const { data } = await gateway.execute<AnyData>('admin', '{ models { title current { inputs { name } } } }');
      expect(data.models.length).toBeGreaterThan(2);
      const { page, errors } = await openSignedIn(open, 'user');
      await page.getByRole('link', { name: 'Predictions' }).click();
      for (const { title, current } of data.models as AnyData[]) {
        await page.getByLabel('Model').selectOption(String(title));
        for (const { name } of current.inputs as AnyData[]) await page.locator(`#${String(name)}`).waitFor();
        await page.getByRole('button', { name: 'Fill in an example' }).click();
        await page.getByRole('button', { name: 'Predict', exact: true }).click();
        await page
          .getByRole('status')
          .getByText(/^Version 1, /)
          .waitFor();
      }
      expect(errors).toEqual([]);
    });

    it('show an image as a picture and probabilities as bars', async () => {
      const { page } = await openSignedIn(open, 'user');
      await page.getByRole('link', { name: 'Predictions' }).click();
      await page.getByLabel('Model').selectOption('Handwritten digit');
      await page.getByRole('button', { name: 'Fill in an example' }).click();
      expect(await page.getByRole('img', { name: 'Picture of Pixels' }).locator('rect').count()).toBe(64);
      await page.getByRole('button', { name: 'Predict', exact: true }).click();
      await page.getByRole('meter', { name: '5' }).waitFor();
      expect(Number(await page.getByRole('meter', { name: '5' }).getAttribute('value'))).toBeGreaterThan(0.9);
      await page.getByRole('textbox', { name: 'Pixels' }).fill('0 0 x');
      await page.getByRole('button', { name: 'Predict', exact: true }).click();
      expect(await problemAt(page, 'Pixels')).toBe('must have only numbers, separated by spaces');
    });

    it.each([
      ['a desktop', { viewport: { width: 1280, height: 800 } }],
      ['a phone', phone],
    ])('take an image file, and reject one that is no image, on %s', async (_device, options) => {
      const { page, errors } = await openSignedIn(open, 'user', options);
      await page.getByRole('link', { name: 'Predictions' }).click();
      await page.getByLabel('Model').selectOption('Handwritten digit');
      const field = page.getByLabel('Image');
      const buffer = await zeroPng();
      await field.setInputFiles({ name: 'zero.png', mimeType: 'image/png', buffer });
      const picture = page.getByRole('img', { name: 'Chosen file of Image' });
      await picture.waitFor();
      await page.getByRole('button', { name: 'Predict', exact: true }).click();
      await page.getByRole('meter', { name: '0' }).waitFor();
      expect(Number(await page.getByRole('meter', { name: '0' }).getAttribute('value'))).toBeGreaterThan(0.5);
      expect(
        await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth),
      ).toBe(false);

      await field.setInputFiles({ name: 'note.png', mimeType: 'image/png', buffer: Buffer.from('no image') });
      await page.getByRole('button', { name: 'Predict', exact: true }).click();
      await waitUntil(async () => (await field.getAttribute('aria-invalid')) === 'true', 'The error', waitMs);
      expect(await problemAt(page, 'Image')).toMatch(/JPEG or PNG/);
      await page.getByRole('button', { name: 'Remove' }).click();
      expect([await picture.count(), await field.inputValue()]).toEqual([0, '']);
      expect(errors).toEqual([]);
    });

    it('show validation errors at the invalid fields, and record nothing', async () => {
      const { page } = await openSignedIn(open, 'manager');
      await page.getByRole('link', { name: 'Predictions' }).click();
      await page.getByLabel('Model').selectOption('Price of a used car');
      await page.getByRole('button', { name: 'Predict', exact: true }).click();
      // The first required field in the order of the form.
      expect(await page.getByLabel('Year').evaluate((field) => field === document.activeElement)).toBe(true);
      expect(await problemAt(page, 'Km driven')).toBe('is required');

      await page.getByLabel('Company').fill('Maruti');
      await page.getByLabel('Year').fill('1890');
      await page.getByLabel('Km driven').fill('-5');
      await page.getByLabel('Max power').fill('90');
      await page.getByRole('button', { name: 'Predict', exact: true }).click();
      await page.getByText(/must be from 1980 to 2030/).waitFor();
      expect(await problemAt(page, 'Year')).toMatch(/must be from 1980 to 2030/);
      expect(await problemAt(page, 'Km driven')).toMatch(/must be from 0 to 3000000/);
      expect(await page.locator('[aria-invalid=true]').count()).toBe(2);
      const { data } = await gateway.execute<AnyData>(
        'admin',
        '{ predictions(first: 100) { nodes { requestedBy { email } } } }',
      );
      expect(
        data.predictions.nodes.filter((node: AnyData) => node.requestedBy.email === 'manager@example.com'),
      ).toEqual([]);
    });
  });

  describe('an access token that expires', () => {
    it('is renewed in time, once for concurrent requests', async () => {
      const tested = await openSignedIn(open, 'user');
      const { page } = tested;
      const refreshes = countOf(tested, idOf.RefreshSession);
      await page.clock.setFixedTime(Date.now() + 14 * 60_000);
      // The page loads the model and the recent predictions concurrently.
      await page.getByRole('link', { name: 'Predictions' }).click();
      await page.getByText('price of a used car in India').waitFor();
      expect(refreshes()).toBe(1);
      expect(tested.rejected).toEqual([]);
    });

    it('is renewed after a rejection, once for all rejected requests', async () => {
      const tested = await openSignedIn(open, 'user');
      const { page } = tested;
      const refreshes = countOf(tested, idOf.RefreshSession);
      await page.route('**/graphql', (route) => {
        const { authorization, ...headers } = route.request().headers();
        return refreshes() > 0 || authorization === undefined
          ? route.continue()
          : route.continue({ headers: { ...headers, authorization: 'Bearer expired' } });
      });
      await page.getByRole('link', { name: 'Predictions' }).click();
      await page.getByText('price of a used car in India').waitFor();
      await page.getByText('No predictions yet.').or(page.getByRole('listitem').first()).waitFor();
      expect(tested.rejected.length).toBeGreaterThan(0);
      expect(refreshes()).toBe(1);
    });

    it('closes the socket, which reconnects with a new token', async () => {
      const shortLived = await startGateway({ TRUSTED_DOCUMENTS: 'enforce', ACCESS_TOKEN_TTL_SECONDS: '10' });
      const served = await serveFrontend(outDir, shortLived.url);
      try {
        const tested = await openFrontend(open, {}, served.url);
        const { page, requests } = tested;
        const sockets = (): number => requests.filter((url) => url.startsWith('ws:')).length;
        // With a stopped clock the page never sees a token expire, so the gateway has to reject it.
        await page.clock.setFixedTime(Date.now());
        await signIn(page, 'user');
        await page.getByText('Live', { exact: true }).waitFor();
        const [token, opened, refreshes] = [tested.token(), sockets(), countOf(tested, idOf.RefreshSession)];
        await waitUntil(() => sockets() > opened, 'The change', 20_000);
        expect(refreshes()).toBe(1);
        await page.getByText('Live', { exact: true }).waitFor();
        const { id, name } = await firstEmployee(shortLived);
        await shortLived.execute('admin', changeJob, { id, jobTitle: 'Keeper of the Keys' });
        await page
          .getByRole('status')
          .filter({ hasText: `${name} was updated.` })
          .waitFor();
        expect(tested.token()).not.toBe(token);
      } finally {
        await served.close();
        await shortLived.close();
      }
    }, 60_000);

    it('leads to the sign-in form with the reason if the session was ended elsewhere', async () => {
      const { page } = await openSignedIn(open, 'manager');
      await rows(page).first().waitFor();
      await endSessions();
      await page.getByRole('alert').filter({ hasText: 'Your session has ended.' }).waitFor();
      expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
    });
  });

  describe('persisted documents', () => {
    it('are sent by id over HTTP and WebSocket, and other documents are rejected', async () => {
      const tested = await openFrontend(open);
      const frames: string[] = [];
      tested.page.on('websocket', (socket) =>
        socket.on('framesent', ({ payload }) => void frames.push(String(payload))),
      );
      await signIn(tested.page, 'user');
      await rows(tested.page).first().waitFor();
      await tested.page.getByText('Live', { exact: true }).waitFor();
      await tested.page.getByRole('link', { name: 'Predictions' }).click();
      await tested.page.getByText('price of a used car in India').waitFor();

      expect(tested.bodies.length).toBeGreaterThan(4);
      expect(tested.bodies.filter((body) => 'query' in body)).toEqual([]);
      expect(tested.clients).toEqual(new Set(['example-web 1.0.0']));
      const subscribed = frames.map((frame) => JSON.parse(frame)).filter(({ type }) => type === 'subscribe');
      expect(subscribed.length).toBeGreaterThan(0);
      expect(subscribed.filter(({ payload }) => payload.query !== '')).toEqual([]);

      const token = tested.token();
      const response = await gateway.execute(
        { token },
        '{ departments { name } }',
        {},
        { 'apollographql-client-name': 'example-web', 'apollographql-client-version': '1.0.0' },
      );
      expect(codesOf(response)).toEqual(['DOCUMENT_NOT_TRUSTED']);
      expect(response.data ?? null).toBeNull();
    });
  });

  describe('accessibility', () => {
    it('does not scroll horizontally on a phone', async () => {
      const { page } = await openFrontend(open, phone);
      const isTooWide = (): Promise<boolean> =>
        page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
      expect(await isTooWide()).toBe(false);
      await signIn(page, 'admin');
      await rows(page).first().waitFor();
      expect(await isTooWide()).toBe(false);
      // Rows look like cards, but remain a table for screen readers.
      expect(
        await rows(page)
          .first()
          .evaluate((row) => getComputedStyle(row).display),
      ).toBe('block');
      await page.getByRole('link', { name: 'Predictions' }).click();
      await page.getByText('price of a used car in India').waitFor();
      expect(await isTooWide()).toBe(false);
    });

    it.each([
      ['a desktop', { viewport: { width: 1280, height: 800 } }],
      ['a phone', phone],
    ])('has a stable layout while loading on %s', async (_device, options) => {
      const { page } = await openSignedIn(open, 'user', options);
      await page.addInitScript(sumLayoutShifts);
      for (const [path, last] of [
        ['#/employees', '240 employees'],
        ['#/predict', 'price of a used car in India'],
      ] as const) {
        await page.goto(`${frontend.url}${path}`);
        await page.reload();
        await page.getByText(last).waitFor();
        await page.getByText('Live', { exact: true }).waitFor();
        expect(await page.evaluate<number>('window.layoutShift')).toBeLessThan(0.02);
      }
    });

    it.each(['light', 'dark'] as const)('has sufficient contrast in the %s theme', async (colorScheme) => {
      const { page } = await openFrontend(open, { colorScheme });
      await signIn(page, 'user', 'not-the-password');
      await page.getByRole('alert').filter({ hasText: 'wrong' }).waitFor();
      expect(await lowContrast(page)).toEqual([]);
      await page.getByLabel('Password').fill(password);
      await page.keyboard.press('Enter');
      await rows(page).first().waitFor();
      expect(await lowContrast(page)).toEqual([]);
      await page.getByRole('link', { name: 'Predictions' }).click();
      await page.getByText('price of a used car in India').waitFor();
      await page.getByRole('button', { name: 'Predict', exact: true }).click();
      await page.locator('[aria-invalid=true]').first().waitFor();
      expect(await lowContrast(page)).toEqual([]);
    });

    it('names every control, and reaches each with the keyboard', async () => {
      const { page } = await openFrontend(open);
      expect(await unnamedControls(page)).toEqual([]);
      expect(await reachedByTab(page)).toEqual(await controls(page));
      await signIn(page, 'user');
      await rows(page).first().waitFor();
      await page.getByRole('heading', { name: 'Employees', level: 1 }).waitFor();
      expect(
        await page.getByRole('heading', { level: 1 }).evaluate((heading) => heading === document.activeElement),
      ).toBe(true);
      expect(await unnamedControls(page)).toEqual([]);
      expect(await reachedByTab(page)).toEqual(await controls(page));
      await page.getByRole('link', { name: 'Predictions' }).click();
      await page.getByText('price of a used car in India').waitFor();
      expect(await unnamedControls(page)).toEqual([]);
      expect(await reachedByTab(page)).toEqual(await controls(page));
    });
  });
});

const changeJob =
  'mutation ($id: ID!, $jobTitle: String!) { updateEmployee(id: $id, input: { jobTitle: $jobTitle }) { id } }';

/** The first employee of the first page. */
async function firstEmployee(of: TestGateway): Promise<{ id: string; name: string }> {
  const { data } = await of.execute<AnyData>('admin', '{ employees(first: 1) { nodes { id name } } }');
  return data.employees.nodes[0];
}

/** The sessions that the pages opened; those of `gateway.execute` begin later. */
const openedSessions = () => gateway.db.selectFrom('session').select('id').where('created_at', '<', new Date());

const endSessions = () => gateway.db.deleteFrom('session').where('id', 'in', openedSessions()).execute();

async function sessionCount(): Promise<number> {
  return (await openedSessions().execute()).length;
}

/** Ids of published operations. */
const idOf = { SignOut: hashOf('SignOut'), RefreshSession: hashOf('RefreshSession') };

function hashOf(name: string): string {
  const manifest = JSON.parse(
    readFileSync(path.join(projectDir, 'schema/documents/example-web/1.0.0.json'), 'utf8'),
  ) as Record<string, string>;
  const found = Object.entries(manifest).find(([, text]) => text.includes(`mutation ${name}`));
  if (!found) throw new Error(`${name} is not published.`);
  return found[0].replace('sha256:', '');
}

/** An open page and its requests. */
interface TestedPage extends TestPage {
  bodies: Record<string, unknown>[];
  /** Client names and versions of its requests. */
  clients: Set<string>;
  /** Bodies of requests that the gateway rejected with status 401. */
  rejected: string[];
  /** The last access token it sent. */
  token: () => string;
}

async function openFrontend(
  open: OpenPage,
  options: BrowserContextOptions = {},
  url = frontend.url,
): Promise<TestedPage> {
  const opened = await open({ locale: 'en-GB', ...options });
  const tested = {
    ...opened,
    bodies: [] as Record<string, unknown>[],
    clients: new Set<string>(),
    rejected: [] as string[],
  };
  let token = '';
  opened.page.on('request', (request) => {
    const body = request.postData();
    if (body === null) return;
    const headers = request.headers();
    tested.bodies.push(JSON.parse(body) as Record<string, unknown>);
    tested.clients.add(
      `${headers['apollographql-client-name'] ?? ''} ${headers['apollographql-client-version'] ?? ''}`,
    );
    token = headers.authorization?.replace('Bearer ', '') ?? token;
  });
  opened.page.on('response', (response) => {
    if (response.status() === 401) tested.rejected.push(response.request().postData() ?? '');
  });
  opened.page.setDefaultTimeout(waitMs);
  await opened.page.goto(url);
  await opened.page.getByLabel('Password').waitFor();
  return { ...tested, token: () => token };
}

async function openSignedIn(
  open: OpenPage,
  account: 'admin' | 'manager' | 'user',
  options: BrowserContextOptions = {},
): Promise<TestedPage> {
  const tested = await openFrontend(open, options);
  await signIn(tested.page, account);
  await rows(tested.page).first().waitFor();
  return tested;
}

async function signIn(page: Page, account: 'admin' | 'manager' | 'user', secret = password): Promise<void> {
  await page.getByLabel('E-mail address').fill(`${account}@example.com`);
  await page.getByLabel('Password').fill(secret);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

async function takeScreenshot(page: Page): Promise<void> {
  const file = path.join(projectDir, 'docs', 'images', 'example-web.png');
  await mkdir(path.dirname(file), { recursive: true });
  await page.screenshot({ path: file });
}

const rows = (page: Page) => page.locator('tbody tr:not(.skeleton)');

/** Names with e-mail addresses, because names are not unique. */
const names = (page: Page): Promise<string[]> => rows(page).locator('th').allTextContents();

const salaries = (page: Page): Promise<string[]> => page.locator('td[data-label=Salary]').allTextContents();

/** Waits until the names differ from `before`. */
async function changedNames(page: Page, before: string[]): Promise<string[]> {
  await page.waitForFunction((old) => {
    const shown = [...document.querySelectorAll('tbody tr:not(.skeleton) th')].map((cell) => cell.textContent);
    return (
      shown.length > 0 && JSON.stringify(shown) !== old && document.querySelector('table[aria-busy=false]') !== null
    );
  }, JSON.stringify(before));
  return names(page);
}

/** The error message of an invalid field. */
async function problemAt(page: Page, label: string): Promise<string> {
  const field = page.locator('input, textarea, select').and(page.getByLabel(label));
  expect(await field.getAttribute('aria-invalid')).toBe('true');
  return page.locator(`#${(await field.getAttribute('aria-describedby')) ?? ''}`).innerText();
}

/** Counts how often the page sends a document from now on. */
function countOf({ bodies }: TestedPage, hash: string): () => number {
  const count = (): number => bodies.filter((body) => JSON.stringify(body).includes(hash)).length;
  const before = count();
  return () => count() - before;
}

/** Sums unexpected layout shifts (web.dev/cls; below 0.1 is good). Runs in the page. */
const sumLayoutShifts = `
  window.layoutShift = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.layoutShift += entry.value;
  }).observe({ type: 'layout-shift', buffered: true });
`;

/** Texts with a contrast below 4.5 : 1, and borders of controls below 3 : 1 (WCAG 2.2, 1.4.3 and 1.4.11). */
function lowContrast(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const numbersOf = (color: string): number[] => (color.match(/[\d.]+/g) ?? []).map(Number);
    const luminance = ([red = 0, green = 0, blue = 0]: number[]): number => {
      const linear = [red, green, blue]
        .map((part) => part / 255)
        .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
      return 0.2126 * (linear[0] ?? 0) + 0.7152 * (linear[1] ?? 0) + 0.0722 * (linear[2] ?? 0);
    };
    const contrast = (one: string, other: string): number => {
      const [low = 0, high = 0] = [luminance(numbersOf(one)), luminance(numbersOf(other))].sort((a, b) => a - b);
      return (high + 0.05) / (low + 0.05);
    };
    const backgroundOf = (element: Element | null): string => {
      for (let at = element; at; at = at.parentElement) {
        const { backgroundColor } = getComputedStyle(at);
        if ((numbersOf(backgroundColor)[3] ?? 1) > 0) return backgroundColor;
      }
      return 'rgb(255, 255, 255)';
    };
    const isShown = (element: Element): boolean =>
      element.getClientRects().length > 0 && !element.matches(':disabled, .visually-hidden');
    const texts = [...document.body.querySelectorAll('*')].filter(
      (element) =>
        isShown(element) &&
        [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim()),
    );
    const boxes = [...document.querySelectorAll('input, select')].filter(isShown);
    return [
      ...texts
        .filter((element) => contrast(getComputedStyle(element).color, backgroundOf(element)) < 4.5)
        .map((element) => `${element.tagName} ${element.textContent}`),
      ...boxes
        .filter(
          (element) => contrast(getComputedStyle(element).borderTopColor, backgroundOf(element.parentElement)) < 3,
        )
        .map((element) => `border of ${element.id}`),
    ];
  });
}

/** Controls without an accessible name. */
const unnamedControls = (page: Page): Promise<string[]> =>
  page.evaluate(() =>
    [...document.querySelectorAll('input, select, button, a')]
      .filter((element) => {
        const isLabelled = ((element as HTMLInputElement).labels ?? []).length > 0;
        return !isLabelled && (element.matches('input, select') || element.textContent.trim() === '');
      })
      .map((element) => element.outerHTML),
  );

const describeControl = 'element => element.id || element.textContent';

/** Enabled controls in document order. */
const controls = (page: Page): Promise<string[]> =>
  page.evaluate(
    `[...document.querySelectorAll('input, select, button, a')].filter(element => !element.disabled).map(${describeControl})`,
  );

/** Controls in the order in which Tab reaches them. */
async function reachedByTab(page: Page): Promise<string[]> {
  await page.evaluate(() => {
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute('tabindex');
  });
  const reached: string[] = [];
  for (let press = 0; press < 60; press += 1) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate<string | null>(
      `document.activeElement === document.body ? null : (${describeControl})(document.activeElement)`,
    );
    if (at === null || reached[0] === at) break;
    reached.push(at);
  }
  return reached;
}
