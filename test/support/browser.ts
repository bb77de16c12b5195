import { afterAll, afterEach, beforeAll, describe } from '@jest/globals';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core';

/** Usual paths of Chromium and Chrome, in order of preference. */
const usualPaths = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** No sandbox, because tests may run as root; no background requests. */
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const startTimeoutMs = 60_000;
/** Below the timeout of jest, so that a failure names the awaited element. */
const waitTimeoutMs = 20_000;

/** A page in a separate browser profile, with its requests and errors. */
export interface TestPage {
  page: Page;
  /** URLs of all requests of the page and its workers in order, including WebSockets, without `data:` and `blob:`. */
  requests: string[];
  /** Console errors and uncaught exceptions. */
  errors: string[];
}

/** Opens an empty page with a new profile; closed after the test. */
export type OpenPage = (options?: BrowserContextOptions) => Promise<TestPage>;

/**
 * Declares tests that need Chromium. Without it they are skipped, with the reason in the name of the group.
 * @throws Error on CI, so that a missing browser fails the tests
 */
export function describeInBrowser(name: string, tests: (open: OpenPage) => void): void {
  const executablePath = findChromium();
  if (executablePath === null) {
    const reason = 'Chromium not found; install it or set CHROMIUM_PATH to run these tests';
    if (process.env.CI) throw new Error(reason);
    describe.skip(`${name} (skipped: ${reason})`, () => tests(() => Promise.reject(new Error(reason))));
    return;
  }
  describe(name, () => {
    let browser: Browser;
    const opened: BrowserContext[] = [];
    beforeAll(async () => {
      browser = await launchChromium(executablePath);
    }, startTimeoutMs);
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((context) => context.close()));
    });
    afterAll(() => browser.close());

    tests(async (options) => {
      const context = await browser.newContext(options);
      opened.push(context);
      return observedPage(context);
    });
  });
}

/** @returns the path in CHROMIUM_PATH, or a usual path of Chromium; null if there is none */
export function findChromium(): string | null {
  const configured = process.env.CHROMIUM_PATH;
  if (configured) return isExecutable(configured) ? configured : null;
  return usualPaths.find(isExecutable) ?? null;
}

/** Starts headless Chromium with a temporary profile. */
export const launchChromium = (executablePath: string): Promise<Browser> =>
  chromium.launch({ executablePath, headless: true, args: flags, timeout: startTimeoutMs });

async function observedPage(context: BrowserContext): Promise<TestPage> {
  context.setDefaultTimeout(waitTimeoutMs);
  const page = await context.newPage();
  const requests: string[] = [];
  const errors: string[] = [];
  // Requests of workers are reported to the context only.
  context.on('request', (request) => {
    if (/^https?:/.test(request.url())) requests.push(request.url());
  });
  page.on('websocket', (socket) => requests.push(socket.url()));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(`${message.text()} (${path.basename(message.location().url)})`);
  });
  page.on('pageerror', (error) => errors.push(String(error)));
  return { page, requests, errors };
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
