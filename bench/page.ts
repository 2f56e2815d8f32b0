// The page of `ipc ui` in a real browser, with 10,000 messages in the store: when it first shows something, when it
// shows the messages, and how long the longest task is while they are scrolled. The browser starts anew for each run.
import { spawn } from 'node:child_process';
import { program } from '../test/support/mcp-host.ts';
import { launchBrowser } from '../test/support/page/page-browser.ts';
import { freePort } from '../test/support/places.ts';
import { findBrowser } from '../test/support/processes/browser.ts';
import { Lines } from '../test/support/processes/lines.ts';
import { makeBenchFolder } from './support/bench-folder.ts';
import { openSession } from './support/mail.ts';
import { median, print, rounded } from './support/measure.ts';

const messages = 10_000;
const postsAtOnce = 200;
const runs = 5;

interface PageTimes {
  readonly paintMs: number;
  readonly rowsMs: number;
  readonly longestTaskMs: number;
}

if (findBrowser() === undefined) {
  process.stderr.write('page: left out, because no chromium is installed\n');
  process.exit();
}
const home = makeBenchFolder();
const port = await freePort();
const poster = openSession(home, port);
for (let count = 0; count < messages; count += postsAtOnce) {
  const texts = Array.from(
    { length: postsAtOnce },
    (_, index) => `message ${count + index}: ${'text '.repeat(40)}`,
  );
  await Promise.all(
    texts.map((text, index) => poster.post(`agent ${index % 20}` as never, Buffer.from(text))),
  );
}
const env = { ...process.env, IPC_HOME: home, IPC_PORT: `${port}` };
const ui = spawn(process.execPath, [program, 'ui', '--port', `${await freePort()}`, '--json'], {
  env,
});
const urls = new Lines(ui.stdout);
const all: PageTimes[] = [];
for (let run = 0; run < runs; run++) {
  if (run > 0) ui.stdin.write('\n');
  all.push(await timesOf(JSON.parse(await urls.next()).url));
}
ui.kill();
await poster.close();
const of = (pick: (times: PageTimes) => number) => rounded(median(all.map(pick)));
print(`page_${messages}messages`, {
  runs,
  firstPaintMs: of(({ paintMs }) => paintMs),
  rowsMs: of(({ rowsMs }) => rowsMs),
  longestTaskMs: of(({ longestTaskMs }) => longestTaskMs),
});

async function timesOf(url: string): Promise<PageTimes> {
  const launched = await launchBrowser();
  if (launched === undefined) throw new Error('no chromium is installed');
  const page = await launched.browser.newPage({ viewport: { width: 1_280, height: 800 } });
  await page.goto(`${url}#/conversations`);
  await page.locator('.row').first().waitFor();
  const times = (await page.evaluate(`(async () => {
    const rowsMs = performance.now();
    const [paint] = performance.getEntriesByName('first-contentful-paint');
    let longestTaskMs = 0;
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) longestTaskMs = Math.max(longestTaskMs, duration);
    }).observe({ type: 'longtask' });
    const list = document.querySelector('.message-list');
    for (let top = 0; top < 100; top++) {
      list.scrollTop = top * 3_400;
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    }
    return { paintMs: paint.startTime, rowsMs, longestTaskMs };
  })()`)) as PageTimes;
  await launched.close();
  return times;
}
