import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { Page, Request } from 'playwright-core';
import { describeInBrowser, type OpenPage, type TestPage } from '../kit/browser.js';
import { startGateway, type TestGateway } from '../kit/gateway.js';
import { buildIde, projectDir } from '../kit/process.js';
import { until } from '../kit/streams.js';

// A page with an editor takes its time on a machine that has more to do.
jest.setTimeout(90_000);

const password = 'auspex-demo-2026';
/** `npm run screenshots` sets it, and the README's picture is made anew. */
const makesScreenshots = process.env.SCREENSHOTS === 'true';

describeInBrowser('GraphiQL', (open: OpenPage) => {
  let gateway: TestGateway;
  let ide: string;
  beforeAll(async () => {
    buildIde();
    // Short-lived tokens, so that a test sees one exchanged.
    gateway = await startGateway({ ACCESS_TOKEN_TTL_SECONDS: '10' });
    ide = gateway.graphiqlUrl ?? '';
  });
  afterAll(() => gateway.close());

  let seen: TestPage;
  let page: Page;
  beforeEach(async () => {
    seen = await open({ viewport: { width: 1280, height: 800 } });
    page = seen.page;
    await page.goto(ide);
    await page.locator('.graphiql-query-editor .view-line').first().waitFor();
  });

  it('signs in, runs the example of a model and shows its answer, without a request to another origin or an error', async () => {
    await signIn(page, 'user@example.com');
    await pickExample(page, 'Price of a used car');
    const sent = await run(page);
    const { predictCarPrice } = await dataShown<{ predictCarPrice: { sellingPrice: number; version: number; source: string }[] }>(page);
    expect(predictCarPrice).toMatchObject([{ version: 1, source: 'MODEL' }]);
    expect(predictCarPrice[0]?.sellingPrice).toBeGreaterThan(10_000);
    expect(predictCarPrice[0]?.sellingPrice).toBeLessThan(10_000_000);

    expect(sent.headers()['apollographql-client-name']).toBe('graphiql');
    expect(sent.headers().authorization).toMatch(/^Bearer \S+$/);
    expect(seen.errors).toEqual([]);
    // Workers for the languages of the editor, and fonts, among them.
    expect(seen.requests.filter((url) => url.includes('worker')).length).toBeGreaterThan(1);
    expect(seen.requests.filter((url) => /font-\w+\.woff/.test(url)).length).toBeGreaterThan(1);
    expect(seen.requests.filter((url) => new URL(url).origin !== new URL(ide).origin)).toEqual([]);
    if (makesScreenshots) await takeScreenshot(page);
  });

  it('shows what the gateway says of a wrong password, and signs nobody in', async () => {
    await fillIn(page, 'user@example.com', 'not the password');
    await page.getByRole('alert').waitFor();
    expect(await page.getByRole('alert').textContent()).toBe('The e-mail address or the password is wrong.');
    await page.getByRole('button', { name: 'Close dialog' }).click();
    const sent = await run(page);
    expect(sent.headers()).not.toHaveProperty('authorization');
    await shown(page, 'UNAUTHENTICATED');
  });

  it('keeps what was run in its history, and forgets neither it nor who is signed in when the page is loaded again', async () => {
    await signIn(page, 'user@example.com');
    await pickExample(page, 'Species of an iris');
    await run(page);
    await shown(page, 'species');
    await page.reload();
    await page.getByRole('button', { name: 'Signed in as user@example.com, USER' }).waitFor();
    await page.getByRole('button', { name: 'Show History' }).click();
    await page.locator('.graphiql-history-item').getByText('Iris').waitFor();
  });

  it('has an example for each model once somebody is signed in, and before that says how to get one', async () => {
    const names = async (): Promise<string[]> => {
      await page.getByRole('button', { name: 'Examples' }).click();
      const items = await page.getByRole('menuitem').allTextContents();
      await page.keyboard.press('Escape');
      return items;
    };
    expect(await names()).not.toContain('Handwritten digit');
    await page.getByRole('button', { name: 'Examples' }).click();
    await page.getByText('Sign in for an example of each model.').waitFor();
    await page.keyboard.press('Escape');
    await signIn(page, 'user@example.com');
    await pickExample(page, 'Handwritten digit');
    expect(await names()).toEqual(expect.arrayContaining(['Price of a used car', 'Handwritten digit', 'Species of an iris', 'A page of employees', 'My predictions']));
    await run(page);
    await shown(page, 'probabilities');
  });

  it('shows the headers that it sends, and the secret among them only when asked', async () => {
    await page.getByText('Headers sent with each operation: 1').click();
    await signIn(page, 'manager@example.com');
    const list = page.locator('.sent dl');
    await page.getByText('Headers sent with each operation: 2').waitFor();
    expect(await list.textContent()).toMatch(/^apollographql-client-name\s*graphiqlauthorizationBearer \S{12}…$/);
    await page.getByRole('button', { name: 'Show secrets' }).click();
    expect(await list.textContent()).toMatch(/Bearer [\w-]+\.[\w-]+\.[\w-]+$/);
  });

  it('exchanges the token before it expires, and says so once the session was ended elsewhere', async () => {
    await signIn(page, 'user@example.com');
    const first = await run(page);
    await shown(page, 'user@example.com');
    await page.waitForResponse((response) => response.request().postData()?.includes('refreshSession') === true);
    const second = await run(page);
    expect(second.headers().authorization).not.toBe(first.headers().authorization);
    const token = second.headers().authorization?.replace('Bearer ', '') ?? '';
    expect((await gateway.ask({ token }, 'mutation { logout }')).data).toEqual({ logout: true });
    await page.getByText('Your session has ended. Sign in again.').waitFor();
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
  });

  it('ends the session when somebody signs out', async () => {
    await signIn(page, 'user@example.com');
    const { refreshToken } = await page.evaluate(() => (JSON.parse(sessionStorage.getItem('auspex:identity') ?? '{}') as { tokens: { refreshToken: string } }).tokens);
    await page.getByRole('button', { name: /Signed in as/ }).click();
    const ended = page.waitForResponse((response) => response.request().postData()?.includes('logout') === true);
    await page.getByRole('menuitem', { name: 'Sign out' }).click();
    await ended;
    expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
    const { errors } = await gateway.ask(null, 'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken } }', { token: refreshToken });
    expect(errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }]);
  });

  it('takes an API key instead of a password', async () => {
    const { data } = await gateway.ask<{ createApiKey: { secret: string } }>('user', 'mutation { createApiKey(name: "For the IDE", scopes: ["predict"]) { secret } }');
    const secret = data?.createApiKey.secret ?? 'none was made';
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('button', { name: 'Use an API key instead' }).click();
    await page.getByLabel('API key').fill('no such key');
    await page.getByRole('button', { name: 'Use this key' }).click();
    await page.getByRole('alert').waitFor();
    await page.getByLabel('API key').fill(secret);
    await page.getByRole('button', { name: 'Use this key' }).click();
    await pickExample(page, 'Price of a used car');
    const sent = await run(page);
    await shown(page, 'sellingPrice');
    expect(sent.headers()['x-api-key']).toBe(secret);
    expect(sent.headers()).not.toHaveProperty('authorization');
  });

  it('shows the events of a subscription as they come, to who is signed in', async () => {
    const connected = page.waitForEvent('websocket');
    await signIn(page, 'user@example.com');
    await page.locator('.graphiql-query-editor .view-lines').click();
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.insertText('subscription Mine { predictionRecorded { model { name } output } }');
    await page.getByRole('tab', { name: 'Mine' }).waitFor();
    await page.getByRole('button', { name: /Execute query/ }).click();
    expect((await connected).url()).toBe(gateway.url.replace('http', 'ws'));
    await until(() => gateway.logs.some(({ msg, operation }) => msg === 'stream opened' && operation === 'Mine'), 'The stream');
    await gateway.ask('user', '{ predictIris(inputs: [{ petalLength: 4.8, petalWidth: 1.6 }]) { species } }');
    await shown(page, 'versicolor');
  });

  it('leads to Apollo Sandbox with this gateway as its endpoint', async () => {
    const address = await page.getByRole('link', { name: /Apollo Sandbox/ }).getAttribute('href');
    expect(address).toBe(`https://studio.apollographql.com/sandbox/explorer?endpoint=${encodeURIComponent(gateway.url)}`);
  });

  it('is light or dark as the system is', async () => {
    const brightness = (): Promise<number[]> =>
      page.evaluate(() => ['#bar', '#ide .graphiql-container'].map((place) => Number(/\d+/.exec(getComputedStyle(document.querySelector(place) ?? document.body).backgroundColor)?.[0])));
    expect(await brightness()).toEqual([255, 255]);
    await page.emulateMedia({ colorScheme: 'dark' });
    for (const value of await brightness()) expect(value).toBeLessThan(60);
  });

  it.each([1280, 800])('fits into a window of %d pixels', async (width) => {
    await page.setViewportSize({ width, height: 800 });
    await signIn(page, 'manager@example.com');
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(overflow).toBe(0);
    for (const name of ['Examples', /Signed in as/]) {
      const box = await page.getByRole('button', { name }).boundingBox();
      expect((box?.x ?? width) + (box?.width ?? width)).toBeLessThanOrEqual(width);
    }
  });
});

describeInBrowser('GraphiQL of a gateway that executes trusted documents alone', (open: OpenPage) => {
  let gateway: TestGateway;
  beforeAll(async () => {
    buildIde();
    gateway = await startGateway({ TRUSTED_DOCUMENTS: 'enforce' });
  });
  afterAll(() => gateway.close());

  it('lets anyone sign in, and an administrator run what others may not', async () => {
    const { page } = await open({ viewport: { width: 1280, height: 800 } });
    await page.goto(gateway.graphiqlUrl ?? '');
    await page.locator('.graphiql-query-editor .view-line').first().waitFor();
    await signIn(page, 'user@example.com');
    await run(page);
    await shown(page, 'DOCUMENT_NOT_TRUSTED');
    await page.getByRole('button', { name: /Signed in as/ }).click();
    await page.getByRole('menuitem', { name: 'Sign out' }).click();
    await signIn(page, 'admin@example.com');
    await pickExample(page, 'Price of a used car');
    await run(page);
    await shown(page, 'sellingPrice');
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

/** Waits until the menu has it, which for models is a moment after the sign-in. */
async function pickExample(page: Page, title: string): Promise<void> {
  await page.getByRole('button', { name: 'Examples' }).click();
  await page.getByRole('menuitem', { name: title }).click();
}

/** Runs what the editor holds; answers the request that it made. */
async function run(page: Page): Promise<Request> {
  const sent = page.waitForRequest((request) => request.method() === 'POST' && !/IntrospectionQuery|RefreshSession|ModelsForExamples/.test(request.postData() ?? ''));
  await page.getByRole('button', { name: /Execute query/ }).click();
  return sent;
}

const responseOf = (page: Page) => page.locator('.graphiql-response');

const shown = (page: Page, text: string): Promise<void> => responseOf(page).getByText(text).first().waitFor();

/** The data of the answer that is shown; only the lines that fit into the window are there to be read. */
async function dataShown<Data>(page: Page): Promise<Data> {
  await shown(page, '"data"');
  const lines = await responseOf(page).locator('.view-line').evaluateAll((all) => all.map((line) => ({ top: line.getBoundingClientRect().top, text: line.textContent })));
  const text = lines.sort((one, other) => one.top - other.top).map((line) => line.text.replaceAll('\u00a0', ' ')).join('\n');
  return (JSON.parse(text) as { data: Data }).data;
}

async function takeScreenshot(page: Page): Promise<void> {
  const file = path.join(projectDir, 'docs', 'images', 'graphiql.png');
  await mkdir(path.dirname(file), { recursive: true });
  await page.mouse.move(0, 0);
  await page.screenshot({ path: file });
}
