import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import bcrypt from 'bcrypt';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { Page, Request } from 'playwright-core';
import { describeInBrowser, type OpenPage, type TestPage } from '../support/browser.js';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { codeOf, setUpMfa, wrongCodeOf } from '../support/mfa.js';
import { addPerson } from '../support/people.js';
import { buildIde, projectDir } from '../support/process.js';
import { waitUntil } from '../support/wait-until.js';

// Loading the editor takes long on a busy machine.
jest.setTimeout(90_000);

const password = 'auspex-demo-2026';
/** Set by `npm run screenshots` to update the pictures in the docs. */
const makesScreenshots = process.env.SCREENSHOTS === 'true';

describeInBrowser('GraphiQL', (open: OpenPage) => {
  let gateway: TestGateway;
  let ide: string;
  beforeAll(async () => {
    buildIde();
    // Short-lived, so that a test sees a token renewed.
    gateway = await startGateway({ ACCESS_TOKEN_TTL_SECONDS: '10', DEMO_DATA: 'true' });
    ide = gateway.graphiqlUrl ?? '';
  });
  afterAll(() => gateway.close());

  let tested: TestPage;
  let page: Page;
  beforeEach(async () => {
    tested = await open({ viewport: { width: 1280, height: 800 } });
    page = tested.page;
    await page.goto(ide);
    await page.locator('.graphiql-query-editor .view-line').first().waitFor();
  });

  it('signs in and runs the example of a model, without errors or requests to other origins', async () => {
    await signIn(page, 'user@example.com');
    await pickExample(page, 'Price of a used car');
    const sent = await run(page);
    const { predictCarPrice } = await displayedData<{
      predictCarPrice: { sellingPrice: number; version: number; source: string }[];
    }>(page);
    expect(predictCarPrice).toMatchObject([{ version: 1, source: 'MODEL' }]);
    expect(predictCarPrice[0]?.sellingPrice).toBeGreaterThan(10_000);
    expect(predictCarPrice[0]?.sellingPrice).toBeLessThan(10_000_000);

    expect(sent.headers()['apollographql-client-name']).toBe('graphiql');
    expect(sent.headers().authorization).toMatch(/^Bearer \S+$/);
    expect(tested.errors).toEqual([]);
    // The editor loads its language workers and fonts.
    expect(tested.requests.filter((url) => url.includes('worker')).length).toBeGreaterThan(1);
    expect(tested.requests.filter((url) => /font-\w+\.woff/.test(url)).length).toBeGreaterThan(1);
    expect(tested.requests.filter((url) => new URL(url).origin !== new URL(ide).origin)).toEqual([]);
  });

  it('runs the example of an employee beside a prediction', async () => {
    await signIn(page, 'user@example.com');
    await pickExample(page, 'An employee and a prediction');
    await run(page);
    expect(await displayedData(page)).toEqual({
      employees: { nodes: [expect.objectContaining({ name: expect.any(String), department: expect.any(Object) })] },
      predictCarPrice: [expect.objectContaining({ sellingPrice: expect.any(Number), version: 1, source: 'MODEL' })],
    });
    if (makesScreenshots) await takeScreenshot(page);
  });

  it('opens signed in from the landing page, and shows its errors', async () => {
    await page.goto(new URL('/', gateway.url).href);
    await page.getByRole('link', { name: 'manager@example.com' }).click();
    await page.getByRole('button', { name: 'Signed in as manager@example.com, MANAGER' }).waitFor();
    expect(new URL(page.url()).hash).toBe('');

    await gateway.db
      .updateTable('user_account')
      .set({ is_active: false })
      .where('email', '=', 'admin@example.com')
      .execute();
    await page.evaluate(() => sessionStorage.clear());
    await page.goto('about:blank');
    await page.goto(`${ide}#sign-in=admin%40example.com`);
    await page.getByText('The e-mail address or the password is wrong.').waitFor();
    await gateway.db
      .updateTable('user_account')
      .set({ is_active: true })
      .where('email', '=', 'admin@example.com')
      .execute();
  });

  it('opens the example that the landing page links to, and ignores unknown accounts', async () => {
    await page.goto('about:blank');
    await page.goto(`${ide}#operation=Models&sign-in=nobody%40example.com`);
    await page.getByRole('tab', { name: 'Models' }).waitFor();
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
    expect(tested.requests.filter((url) => url.includes('nobody'))).toEqual([]);
  });

  it('signs in with a demo account, and runs the rejected query again', async () => {
    await run(page);
    await waitForText(page, 'UNAUTHENTICATED');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'user@example.com' }).click();
    await waitForText(page, '"USER"');
    expect(await responseOf(page).getByText('UNAUTHENTICATED').count()).toBe(0);
  });

  it('clears the error of a rejected mutation after sign-in, and does not run it again', async () => {
    await enter(page, 'mutation Key { createApiKey(name: "Never", scopes: ["predict"]) { secret } }', 'Key');
    await run(page);
    await waitForText(page, 'UNAUTHENTICATED');
    await signIn(page, 'user@example.com');
    await responseOf(page).getByText('UNAUTHENTICATED').waitFor({ state: 'detached' });
    expect(await gateway.db.selectFrom('api_key').select('id').where('name', '=', 'Never').execute()).toEqual([]);
  });

  it('focuses the first field of the sign-in form', async () => {
    const focused = (): Promise<string> => page.evaluate(() => (document.activeElement as HTMLInputElement).name);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByLabel('E-mail address').waitFor();
    expect(await focused()).toBe('email');
    await page.getByRole('button', { name: 'Use an API key instead' }).click();
    expect(await focused()).toBe('apiKey');
  });

  it('reaches every example in a low window', async () => {
    await signIn(page, 'user@example.com');
    await page.setViewportSize({ width: 1280, height: 360 });
    await page.getByRole('button', { name: 'Examples' }).click();
    await page.getByRole('menuitem', { name: 'Species of an iris' }).waitFor();
    const menu = page.getByRole('menu');
    expect((await menu.boundingBox())?.height ?? 0).toBeLessThanOrEqual(360 * 0.8);
    expect(await menu.evaluate((element) => element.scrollHeight > element.clientHeight)).toBe(true);
    await page.getByRole('menuitem').last().click();
    await page.getByRole('tab').last().waitFor();
  });

  it('shows the error of a wrong password and stays signed out', async () => {
    await fillIn(page, 'user@example.com', 'not the password');
    await page.getByRole('alert').waitFor();
    expect(await page.getByRole('alert').textContent()).toBe('The e-mail address or the password is wrong.');
    await page.getByRole('button', { name: 'Close dialog' }).click();
    const sent = await run(page);
    expect(sent.headers()).not.toHaveProperty('authorization');
    await waitForText(page, 'UNAUTHENTICATED');
  });

  it('requires a code after the password of an account with MFA, and shows the error of a wrong one', async () => {
    const { uuid, email, token } = await addPerson(gateway);
    await gateway.db
      .updateTable('user_account')
      .set({ password_hash: await bcrypt.hash(password, 4) })
      .where('id', '=', uuid)
      .execute();
    const { secret } = await setUpMfa(gateway, { uuid, token });
    const dialog = page.getByRole('dialog');
    const code = dialog.getByLabel('Code of the authenticator app, or a recovery code');
    await fillIn(page, email, password);
    await code.waitFor();
    await dialog.getByRole('button', { name: 'Back' }).click();
    await dialog.getByLabel('E-mail address').fill(email);
    await dialog.getByLabel('Password').fill(password);
    await page.keyboard.press('Enter');

    await code.waitFor();
    expect(await code.getAttribute('autocomplete')).toBe('one-time-code');
    // Without a click: the field has the focus.
    await page.keyboard.insertText(wrongCodeOf(secret));
    await page.keyboard.press('Enter');
    const problem = dialog.getByRole('alert');
    await problem.waitFor();
    expect(await problem.textContent()).toBe('Invalid input: code is wrong, expired or was used already.');
    expect(await page.evaluate(() => sessionStorage.getItem('auspex:identity'))).toBeNull();
    await code.fill(codeOf(secret));
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: `Signed in as ${email}, USER` }).waitFor();
    expect(await dialog.count()).toBe(0);
    await run(page);
    await waitForText(page, email);
  });

  it('keeps the history and the session when the page is reloaded', async () => {
    await signIn(page, 'user@example.com');
    await page.getByRole('button', { name: 'Examples' }).click();
    // At once, before GraphiQL has read the text of the example.
    await page.getByRole('menuitem', { name: 'Species of an iris' }).evaluate((item: HTMLElement) => {
      item.click();
      document.querySelector<HTMLElement>('.graphiql-execute-button')?.click();
    });
    await waitForText(page, 'species');
    await page.reload();
    await page.getByRole('button', { name: 'Signed in as user@example.com, USER' }).waitFor();
    await page.getByRole('button', { name: 'Show History' }).click();
    await page.locator('.graphiql-history-item').getByText('Iris').waitFor();
  });

  it('lists an example for each model after sign-in, and a hint before', async () => {
    const names = async (): Promise<string[]> => {
      await page.getByRole('button', { name: 'Examples' }).click();
      const items = await page.getByRole('menuitem').allTextContents();
      await page.keyboard.press('Escape');
      return items;
    };
    expect(await names()).not.toContain('Handwritten digit');
    await page.getByRole('button', { name: 'Examples' }).click();
    await page.getByText('Sign in to see an example for each model.').waitFor();
    await page.keyboard.press('Escape');
    await signIn(page, 'user@example.com');
    await pickExample(page, 'Handwritten digit');
    expect(await names()).toEqual(
      expect.arrayContaining([
        'Price of a used car',
        'Handwritten digit',
        'Species of an iris',
        'Employees, by page',
        'My predictions',
      ]),
    );
    await run(page);
    await waitForText(page, 'probabilities');
  });

  it('shows the request headers, and secrets only on demand', async () => {
    await page.getByText('Headers sent with each operation: 1').click();
    await signIn(page, 'manager@example.com');
    const list = page.locator('.sent dl');
    await page.getByText('Headers sent with each operation: 2').waitFor();
    expect(await list.textContent()).toMatch(/^apollographql-client-name\s*graphiqlauthorizationBearer \S{12}…$/);
    await page.getByRole('button', { name: 'Show secrets' }).click();
    expect(await list.textContent()).toMatch(/Bearer [\w-]+\.[\w-]+\.[\w-]+$/);
  });

  it('renews the token before it expires, and reports a session that was ended elsewhere', async () => {
    await signIn(page, 'user@example.com');
    const first = await run(page);
    await waitForText(page, 'user@example.com');
    await page.waitForResponse((response) => response.request().postData()?.includes('refreshSession') === true);
    const second = await run(page);
    expect(second.headers().authorization).not.toBe(first.headers().authorization);
    const token = second.headers().authorization?.replace('Bearer ', '') ?? '';
    expect((await gateway.execute({ token }, 'mutation { logout { signedOutUserId } }')).data).toEqual({
      logout: { signedOutUserId: expect.stringMatching(/^user_/) },
    });
    await page.getByText('Your session has ended. Sign in again.').waitFor();
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
  });

  it('ends the session at sign-out', async () => {
    await signIn(page, 'user@example.com');
    const { refreshToken } = await page.evaluate(
      () =>
        (JSON.parse(sessionStorage.getItem('auspex:identity') ?? '{}') as { tokens: { refreshToken: string } }).tokens,
    );
    await page.getByRole('button', { name: /Signed in as/ }).click();
    const ended = page.waitForResponse((response) => response.request().postData()?.includes('logout') === true);
    await page.getByRole('menuitem', { name: 'Sign out' }).click();
    await ended;
    expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
    const { errors } = await gateway.execute(
      null,
      'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken } }',
      { token: refreshToken },
    );
    expect(errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }]);
  });

  it('accepts an API key instead of a password', async () => {
    const { data } = await gateway.execute<{ createApiKey: { secret: string } }>(
      'user',
      'mutation { createApiKey(name: "For the IDE", scopes: ["predict"]) { secret } }',
    );
    const secret = data?.createApiKey.secret ?? 'missing';
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('button', { name: 'Use an API key instead' }).click();
    await page.getByLabel('API key').fill('no such key');
    await page.getByRole('button', { name: 'Use API key' }).click();
    await page.getByRole('alert').waitFor();
    await page.getByLabel('API key').fill(secret);
    await page.getByRole('button', { name: 'Use API key' }).click();
    await pickExample(page, 'Price of a used car');
    const sent = await run(page);
    await waitForText(page, 'sellingPrice');
    expect(sent.headers()['x-api-key']).toBe(secret);
    expect(sent.headers()).not.toHaveProperty('authorization');
  });

  it('shows events of a subscription as they arrive', async () => {
    const connected = page.waitForEvent('websocket');
    await signIn(page, 'user@example.com');
    await enter(page, 'subscription Mine { predictionRecorded { model { name } output } }', 'Mine');
    await page.getByRole('button', { name: /Execute query/ }).click();
    expect((await connected).url()).toBe(gateway.url.replace('http', 'ws'));
    await waitUntil(
      () => gateway.logs.some(({ msg, operation }) => msg === 'stream opened' && operation === 'Mine'),
      'The stream',
    );
    const status = responseOf(page).getByRole('status');
    await status.getByText('Waiting for events.').waitFor();
    expect(await page.locator('.graphiql-spinner').isVisible()).toBe(false);
    await gateway.execute('user', '{ predictIris(inputs: [{ petalLength: 4.8, petalWidth: 1.6 }]) { species } }');
    await waitForText(page, 'versicolor');
    await status.getByText(/^1 event, the last one at /).waitFor();
    await page.getByRole('button', { name: /Stop query/ }).click();
    await status.getByText('The subscription has ended after 1 event.').waitFor();
    await enter(page, 'query Who { me { email } }', 'Who');
    await run(page);
    await waitForText(page, 'user@example.com');
    expect(await status.textContent()).toBe('');
  });

  it('links to Apollo Sandbox with this gateway as its endpoint', async () => {
    const address = await page.getByRole('link', { name: /Apollo Sandbox/ }).getAttribute('href');
    expect(address).toBe(
      `https://studio.apollographql.com/sandbox/explorer?endpoint=${encodeURIComponent(gateway.url)}`,
    );
  });

  it('follows the light or dark theme of the system', async () => {
    const brightness = (): Promise<number[]> =>
      page.evaluate(() =>
        ['#bar', '#ide .graphiql-container'].map((place) =>
          Number(/\d+/.exec(getComputedStyle(document.querySelector(place) ?? document.body).backgroundColor)?.[0]),
        ),
      );
    expect(await brightness()).toEqual([255, 255]);
    await page.emulateMedia({ colorScheme: 'dark' });
    for (const value of await brightness()) expect(value).toBeLessThan(60);
  });

  it.each([1280, 768, 390])('fits into a window %d pixels wide', async (width) => {
    await page.setViewportSize({ width, height: 800 });
    await signIn(page, 'manager@example.com');
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(overflow).toBe(0);
    // No element of the toolbar is cut off or overlaps the next one.
    const boxes = await page.locator('#bar > *').evaluateAll((elements) =>
      elements
        .map((element) => element.getBoundingClientRect())
        .filter((box) => box.width > 0)
        .map(({ left, right }) => ({ left, right })),
    );
    expect(boxes.length).toBeGreaterThan(2);
    expect(boxes.every(({ right }, position) => right <= (boxes[position + 1]?.left ?? width))).toBe(true);
  });

  it('stacks its panes in a narrow window', async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    const [editor, response] = await Promise.all(
      ['.graphiql-editors', '.graphiql-response'].map((pane) => page.locator(pane).boundingBox()),
    );
    expect(response?.y).toBeGreaterThanOrEqual((editor?.y ?? 0) + (editor?.height ?? 0));
    for (const box of [editor, response]) {
      expect(box?.width).toBeGreaterThan(340);
      expect(box?.height).toBeGreaterThan(250);
    }
    await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
    await page.locator('.graphiql-doc-explorer').waitFor();
    const docs = await page.locator('.graphiql-plugin').boundingBox();
    expect(docs?.width).toBeGreaterThan(340);
    expect(docs?.height).toBeLessThan(430);
  });
});

describeInBrowser('GraphiQL with TRUSTED_DOCUMENTS=enforce', (open: OpenPage) => {
  let gateway: TestGateway;
  beforeAll(async () => {
    buildIde();
    gateway = await startGateway({ TRUSTED_DOCUMENTS: 'enforce', MFA_REQUIRED_ROLES: 'MANAGER' });
  });
  afterAll(() => gateway.close());

  it('lets everyone sign in, and only administrators run other documents', async () => {
    const { page } = await open({ viewport: { width: 1280, height: 800 } });
    await page.goto(gateway.graphiqlUrl ?? '');
    await page.locator('.graphiql-query-editor .view-line').first().waitFor();
    await signIn(page, 'user@example.com');
    await run(page);
    await waitForText(page, 'DOCUMENT_NOT_TRUSTED');
    await page.getByRole('button', { name: /Signed in as/ }).click();
    await page.getByRole('menuitem', { name: 'Sign out' }).click();
    await signIn(page, 'admin@example.com');
    await pickExample(page, 'Price of a used car');
    await run(page);
    await waitForText(page, 'sellingPrice');
  });

  it('sets up the MFA that the role requires, shows the recovery codes once, and accepts them', async () => {
    const email = 'manager@example.com';
    const { page } = await open({ viewport: { width: 1280, height: 800 } });
    await page.goto(gateway.graphiqlUrl ?? '');
    const dialog = page.getByRole('dialog');
    await fillIn(page, email, password);
    const secret = await dialog.getByLabel('Secret', { exact: true }).inputValue();
    expect(await dialog.getByLabel('Or the secret as a URI').inputValue()).toContain(`secret=${secret}`);
    await dialog.getByLabel('Code of the authenticator app').fill(codeOf(secret));
    await dialog.getByRole('button', { name: 'Set up and sign in' }).click();

    const recoveryCodes = (await dialog.getByLabel('Recovery codes').inputValue()).split('\n');
    expect(recoveryCodes).toHaveLength(10);
    // In a low window, too, the button can be reached; nothing else closes the dialog.
    await page.setViewportSize({ width: 390, height: 360 });
    expect((await dialog.boundingBox())?.height ?? 0).toBeLessThanOrEqual(360);
    await page.keyboard.press('Escape');
    await dialog.getByRole('button', { name: 'I have saved them' }).click();
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.getByRole('button', { name: `Signed in as ${email}, MANAGER` }).click();
    await page.getByRole('menuitem', { name: 'Sign out' }).click();

    await fillIn(page, email, password);
    await dialog.getByLabel('Code of the authenticator app, or a recovery code').fill(recoveryCodes[0] ?? '');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: `Signed in as ${email}, MANAGER` }).waitFor();
    expect(await page.evaluate(() => JSON.stringify(sessionStorage))).not.toContain(secret);
  });
});

async function fillIn(page: Page, email: string, secret: string): Promise<void> {
  await page.getByRole('button', { name: 'Sign in' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('E-mail address').fill(email);
  await dialog.getByLabel('Password').fill(secret);
  await dialog.getByRole('button', { name: 'Sign in' }).click();
}

async function signIn(page: Page, email: string): Promise<void> {
  await fillIn(page, email, password);
  await page.getByRole('button', { name: `Signed in as ${email}` }).waitFor();
}

/** Replaces the text in the editor, and waits until GraphiQL has parsed it. */
async function enter(page: Page, operation: string, name: string): Promise<void> {
  await page.locator('.graphiql-query-editor .view-lines').click();
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.insertText(operation);
  await page.getByRole('tab', { name }).waitFor();
}

/** Waits for the menu item: examples of models appear shortly after sign-in. */
async function pickExample(page: Page, title: string): Promise<void> {
  await page.getByRole('button', { name: 'Examples' }).click();
  await page.getByRole('menuitem', { name: title }).click();
}

/** Runs the operation in the editor. @returns the request */
async function run(page: Page): Promise<Request> {
  const sent = page.waitForRequest(
    (request) =>
      request.method() === 'POST' &&
      !/IntrospectionQuery|RefreshSession|ModelsForExamples/.test(request.postData() ?? ''),
  );
  await page.getByRole('button', { name: /Execute query/ }).click();
  return sent;
}

const responseOf = (page: Page) => page.locator('.graphiql-response');

const waitForText = (page: Page, text: string): Promise<void> => responseOf(page).getByText(text).first().waitFor();

/** Parses the data of the displayed response; the editor renders only the visible lines. */
async function displayedData<Data>(page: Page): Promise<Data> {
  await waitForText(page, '"data"');
  const lines = await responseOf(page)
    .locator('.view-line')
    .evaluateAll((all) => all.map((line) => ({ top: line.getBoundingClientRect().top, text: line.textContent })));
  const text = lines
    .sort((one, other) => one.top - other.top)
    .map((line) => line.text.replaceAll('\u00a0', ' '))
    .join('\n');
  return (JSON.parse(text) as { data: Data }).data;
}

async function takeScreenshot(page: Page): Promise<void> {
  const file = path.join(projectDir, 'docs', 'images', 'graphiql.png');
  await mkdir(path.dirname(file), { recursive: true });
  await page.mouse.move(0, 0);
  await page.screenshot({ path: file });
}
