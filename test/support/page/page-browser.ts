// A real browser that a test drives.
import { mkdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { browserFlags, findBrowser } from '../processes/browser.ts';

/** CI keeps what is in it. */
const artefacts =
  process.env.IPC_TEST_ARTEFACTS ??
  fileURLToPath(new URL('../../../../artefacts/', import.meta.url));

export interface PageOptions {
  readonly width?: number;
  readonly height?: number;
  readonly colors?: 'dark' | 'light';
  /** Permissions that the person has given. */
  readonly permissions?: readonly string[];
}

export interface LaunchedBrowser {
  readonly browser: Browser;
  readonly close: () => Promise<void>;
}

export interface TestBrowser {
  readonly open: (url: string, options?: PageOptions) => Promise<OpenPage>;
}

export interface OpenPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors of scripts, and everything that the policy of the page refused. */
  readonly faults: string[];
}

/** A browser with an empty profile; undefined where none is installed. */
export async function launchBrowser(): Promise<LaunchedBrowser | undefined> {
  const name = findBrowser();
  if (name === undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'ipc-page-'));
  const browser = await chromium.launch({
    executablePath: `/usr/bin/${name}`,
    headless: true,
    chromiumSandbox: false,
    args: browserFlags,
    env: { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder, XDG_CACHE_HOME: folder },
  });
  const close = async () => {
    await browser.close();
    // The helper processes may still write for a moment.
    await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  };
  return { browser, close };
}

/** undefined, and the test is skipped, where no browser is installed. */
export async function startBrowser(test: TestContext): Promise<TestBrowser | undefined> {
  const launched = await launchBrowser();
  if (launched === undefined) {
    test.skip('no chromium is installed');
    return undefined;
  }
  const { browser, close } = launched;
  test.after(close);
  const open = async (url: string, options: PageOptions = {}): Promise<OpenPage> => {
    const { width = 1_280, height = 800, colors = 'dark', permissions = [] } = options;
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme: colors,
      permissions: [...permissions],
      deviceScaleFactor: 1,
    });
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    const faults: string[] = [];
    page.on('pageerror', (error) => faults.push(`${error}`));
    page.on('console', (message) => {
      if (message.text().includes('Content Security Policy')) faults.push(message.text());
    });
    await page.goto(url);
    return { page, context, faults };
  };
  return { open };
}

/** A picture of the page for people, NAME.png. */
export async function keepPicture(page: Page, name: string): Promise<void> {
  mkdirSync(artefacts, { recursive: true });
  await page.screenshot({ path: join(artefacts, `${name}.png`) });
}

const lookEveryMs = 50;
/** The limit within which the page must show what is expected. */
const showMsMax = 60_000;

/**
 * Looks until the expression is true in the page. Not page.waitForFunction(): it looks again from within the page, whose
 * policy forbids to evaluate a text.
 */
export async function waitUntil(page: Page, expression: string): Promise<void> {
  for (const late = AbortSignal.timeout(showMsMax); !(await page.evaluate(expression)); ) {
    if (late.aborted) throw new Error(`the page never had ${expression}`);
    await pause(lookEveryMs);
  }
}
