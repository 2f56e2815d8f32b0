// A real headless browser with a page.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { freePort } from '../places.ts';

const names = ['chromium', 'chromium-browser', 'google-chrome'];
/** They keep a browser from asking for anything outside of this machine. */
export const browserFlags = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
];

/** The path of a browser; undefined if none is installed. */
export function findBrowser(): string | undefined {
  return names.find((name) => spawnSync(name, ['--version']).status === 0);
}

/** Resolves to the value with which the page calls `report(value)`. */
export async function runPage(
  context: TestContext,
  browser: string,
  script: string,
): Promise<unknown> {
  const port = await freePort();
  const page = `<!doctype html><meta charset="utf-8"><body><script type="module">
    const report = (value) => fetch('/report', { method: 'POST', body: JSON.stringify(value) });
    ${script}
  </script>`;
  const reported = new Promise<unknown>((resolve) => {
    const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      if (request.url === '/report') resolve(JSON.parse(await text(request)));
      response.setHeader('content-type', 'text/html').end(request.url === '/' ? page : '');
    };
    const server = createServer((request, response) => void answer(request, response));
    context.after(() => {
      server.close();
      server.closeAllConnections();
    });
    server.listen(port, '127.0.0.1');
  });
  const folder = await mkdtemp(join(tmpdir(), 'ipc-browser-'));
  const url = `http://127.0.0.1:${port}/`;
  // A process group, so that all helper processes end with it.
  const child = spawn(
    browser,
    ['--headless', '--no-sandbox', ...browserFlags, `--user-data-dir=${folder}`, url],
    {
      // A browser writes settings and caches into its home.
      env: { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder, XDG_CACHE_HOME: folder },
      detached: true,
      stdio: 'ignore',
    },
  );
  context.after(async () => {
    const gone = once(child, 'exit');
    if (child.pid !== undefined && child.exitCode === null) {
      process.kill(-child.pid, 'SIGKILL');
      await gone;
    }
    // The helper processes may still write for a moment.
    await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  });
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`${browser} ended with ${code} before the page reported`);
  });
  return Promise.race([reported, ended]);
}
