import { afterAll, afterEach, beforeAll, describe } from '@jest/globals';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core';

/** Where systems put Chromium, and Chrome where there is no Chromium. */
const knownPlaces = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** No sandbox, since tests may run as root; and nothing that a browser does of its own accord. */
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
/** Below jest's own, so that a failure tells what was waited for. */
const waitTimeoutMs = 20_000;

/** A page in a browser profile of its own, and what was seen of it. */
export interface TestPage {
  page: Page;
  /** The address of every request that the page and its workers made, in order; sockets among them, `data:` and `blob:` not. */
  requests: string[];
  /** Errors of the console, and exceptions that nobody caught. */
  errors: string[];
}

/** Opens an empty page with a new profile; it is closed when its test ends. */
export type OpenPage = (options?: BrowserContextOptions) => Promise<TestPage>;

/**
 * Tests that need a real Chromium. Where none is found they are skipped, and the group's name says why.
 * @throws Error on CI, where a missing browser must not pass for a passed test
 */
export function describeInBrowser(name: string, tests: (open: OpenPage) => void): void {
  const executablePath = findChromium();
  if (executablePath === null) {
    const reason = 'there is no Chromium; install one, or name it in CHROMIUM_PATH, to run these tests';
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
      return watched(context);
    });
  });
}

/** The program named in CHROMIUM_PATH, or one that lies where systems put it; null where there is none. */
export function findChromium(): string | null {
  const named = process.env.CHROMIUM_PATH;
  if (named) return isProgram(named) ? named : null;
  return knownPlaces.find(isProgram) ?? null;
}

/** Starts it without a window, on an empty profile that is removed when it closes. */
export const launchChromium = (executablePath: string): Promise<Browser> =>
  chromium.launch({ executablePath, headless: true, args: flags, timeout: startTimeoutMs });

async function watched(context: BrowserContext): Promise<TestPage> {
  context.setDefaultTimeout(waitTimeoutMs);
  const page = await context.newPage();
  const requests: string[] = [];
  const errors: string[] = [];
  // The context hears of requests by workers as well.
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

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
