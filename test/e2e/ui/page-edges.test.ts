// The page where it is hard: mail that would like to be a script, a broker that is killed, a server that goes away, long
// lists, a person without a mouse or a screen.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { program } from '../../support/mcp-host.ts';
import { keepPicture, startBrowser, waitUntil } from '../../support/page/page-browser.ts';
import { pagePlace } from '../../support/page/page-place.ts';
import { StagedMail } from '../../support/page/staged-mail.ts';
import { stageServer } from '../../support/page/staged-server.ts';
import { freePort } from '../../support/places.ts';
import { nextLine, shell } from '../../support/processes/shell.ts';

test('a script in a body, a name or an id is shown as text, and nothing of it runs', async (context) => {
  const place = await pagePlace(context);
  if (!place) return;
  const script = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
  const name = '<svg onload=document.title=3>';
  const { mail, run } = place;
  await mail.post(name, script);
  await run([
    'post',
    'ann',
    '[link](javascript:document.title=4) https://example.org',
    '--from',
    name,
    '--id',
    '<b>id</b>',
  ]);
  const { page, faults } = await place.open();
  await page.locator('.talker text', { hasText: '<svg onload=docum…' }).waitFor();
  await page.keyboard.press('2');
  await page.locator('.row', { hasText: script }).click();
  await page.locator('.panel .body', { hasText: script }).waitFor();
  await page.locator('.row', { hasText: '[link]' }).click();
  await page.locator('.panel-id', { hasText: '<b>id</b>' }).waitFor();
  assert.equal(await page.locator('.panel .agent').first().getAttribute('title'), name);
  const made = await page.evaluate(
    "document.querySelectorAll('main img, main script, main b, main a').length",
  );
  assert.equal(made, 2, 'only the two links of the export');
  assert.equal(await page.title(), 'Conversations · agent-ipc');
  assert.deepEqual(faults, []);
});

test('the overview shows what the broker warns of', async (context) => {
  const place = await pagePlace(context);
  if (!place) return;
  const { broker, home, port, mail } = place;
  const damaged = join(home, `broker-${port}`, 'damaged');
  mkdirSync(damaged, { mode: 0o700 });
  const found = { epoch: 7, segment: 1, lost: [], messages: [99], more: 0 };
  writeFileSync(join(damaged, '00000007-000001.json'), JSON.stringify(found), { mode: 0o600 });
  const { page } = await place.open();
  // The next owner reads what earlier ones have reported.
  const gone = once(broker, 'exit');
  broker.kill('SIGKILL');
  await gone;
  await mail.status();
  await page.locator('.warnings', { hasText: 'message #99' }).waitFor();
});

test('a broker that is killed under the open page does not end it: the page goes on with the next one', async (context) => {
  const place = await pagePlace(context);
  if (!place) return;
  const { begin, broker, mail } = place;
  await mail.post('ann', 'before the crash');
  const { page, faults } = await place.open();
  await page.keyboard.press('2');
  await page.locator('.row', { hasText: 'before the crash' }).waitFor();
  await mail.close();
  const gone = once(broker, 'exit');
  broker.kill('SIGKILL');
  await gone;
  // `ipc ui` owns the broker when nobody else does; this one is quicker, or stands by.
  const second = begin(['broker']);
  await Promise.race([nextLine(second), page.locator('.link.live').waitFor()]);
  await place.run(['post', 'ann', 'after the crash']);
  await page.locator('.row', { hasText: 'after the crash' }).waitFor();
  await page.locator('.row', { hasText: 'before the crash' }).waitFor();
  await page.locator('.link.live').waitFor();
  assert.equal(await page.locator('.banner.bad').count(), 0);
  assert.equal(await page.locator('.row').count(), 2);
  assert.deepEqual(faults, []);
});

test('a page that is opened while no broker is there says so, for as long as there is none', async (context) => {
  const browser = await startBrowser(context);
  if (!browser) return;
  const { other } = await shell(context, { IPC_BROKER: `nats://127.0.0.1:${await freePort()}` });
  const line = [program, 'ui', '--port', `${await freePort()}`, '--json'];
  const { url } = JSON.parse(await nextLine(other(process.execPath, line, null)));
  const { page } = await browser.open(url);
  for (let loads = 0; loads < 2; loads++) {
    const answer = await page.waitForResponse(/api\/messages/);
    assert.equal(answer.status(), 503);
    await page.waitForResponse(/api\/state/);
    const said = await page.locator('.banner.bad').innerText();
    assert.match(said, /^The broker cannot be reached\. unreachable: nats:/);
  }
  await page.locator('.link.brokerGone').waitFor();
});

test('a server that goes away is reported, and the page goes on from its last event when it is back', async (context) => {
  const browser = await startBrowser(context);
  if (!browser) return;
  const mail = new StagedMail(Date.now() - 60_000);
  mail.post('ann', 'ben', 'the first');
  const server = await stageServer({ mail, me: 'boss', status: null });
  context.after(() => server.close());
  const { page } = await browser.open(server.url);
  await page.getByText('The broker cannot be reached').waitFor();
  await page.keyboard.press('2');
  await page.locator('.row', { hasText: 'the first' }).waitFor();
  server.cut();
  await page.getByText('The page is not connected').waitFor();
  await keepPicture(page, 'not-connected-dark');
  mail.post('ben', 'ann', 'the second', 1);
  server.resume();
  await page.locator('.row', { hasText: 'the second' }).waitFor();
  await page.getByText('The page is not connected').waitFor({ state: 'detached' });
  assert.equal(await page.locator('.row').count(), 2);
});

test('a message is asked for until it is its turn to be read, and no longer once it was left', async (context) => {
  const browser = await startBrowser(context);
  if (!browser) return;
  const mail = new StagedMail(Date.now() - 60_000);
  const numbers = ['one', 'two'].map((text) => mail.post('ann', 'ben', text));
  const server = await stageServer({ mail, me: 'boss', status: null });
  context.after(() => server.close());
  const { page } = await browser.open(server.url);
  let refusals = 2;
  const error = { code: 'too_many', message: '4 searches run already', hint: 'try again' };
  await page.route(/api\/message\?/, (route) =>
    refusals-- > 0 ? route.fulfill({ status: 429, json: { error } }) : route.continue(),
  );
  await page.keyboard.press('2');
  const read = page.waitForResponse(
    (answer) => /api\/message\?/.test(answer.url()) && answer.status() === 200,
  );
  await page.locator('.row', { hasText: 'one' }).click();
  await read;
  assert.equal(refusals, -1);
  assert.equal(await page.locator('.panel .bad-text').count(), 0);
  // The next one is never answered.
  await page.route(/api\/message\?/, () => {});
  const [request] = await Promise.all([
    page.waitForRequest(/api\/message\?/),
    page.keyboard.press('ArrowDown'),
  ]);
  assert.ok(request.url().includes(`.${numbers[1]}`));
  const left = page.waitForEvent('requestfailed', (each) => each === request);
  await page.keyboard.press('ArrowUp');
  await left;
});

const rowsAtOnceMax = 80;

test('of 10,000 messages each can be scrolled to, and the page never has more than a screen of rows', async (context) => {
  const browser = await startBrowser(context);
  if (!browser) return;
  const mail = new StagedMail(Date.now() - 3_600_000);
  for (let count = 1; count <= 10_000; count++) {
    mail.time += 300;
    const number = mail.post(
      `agent ${count % 40}`,
      `agent ${count % 37}`,
      `message ${count} of many`,
    );
    if (count % 3 !== 0) mail.deliver(number);
    if (count % 3 === 1) mail.settle(number);
  }
  const server = await stageServer({ mail, me: 'boss', status: null });
  context.after(() => server.close());
  const { page, faults } = await browser.open(server.url);
  await page.keyboard.press('2');
  await page.locator('.row', { hasText: '#10000' }).waitFor();
  await keepPicture(page, 'ten-thousand-dark');
  // Every screen from the top to the end, each drawn before the next.
  const seen = (await page.evaluate(`(async () => {
    const list = document.querySelector('.message-list');
    const drawn = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    const numbers = new Set();
    let most = 0;
    // A screen, and most of the rows beyond it that are drawn as well.
    const step = list.clientHeight + 20 * 34;
    for (let top = 0; ; top += step) {
      list.scrollTop = top;
      await drawn();
      const rows = [...list.querySelectorAll('.row')];
      most = Math.max(most, rows.length);
      for (const row of rows) numbers.add(Number(row.id.slice('row-'.length)));
      if (top + list.clientHeight >= list.scrollHeight) break;
    }
    return { count: numbers.size, first: Math.min(...numbers), last: Math.max(...numbers), most };
  })()`)) as { readonly count: number; readonly most: number };
  const { most, ...all } = seen;
  assert.deepEqual(all, { count: 10_000, first: 1, last: 10_000 });
  assert.ok(most <= rowsAtOnceMax, `${most} rows`);

  // In the middle, the rows stay where they are while mail goes on.
  await page.evaluate("document.querySelector('.message-list').scrollTop = 5000 * 34");
  const middle = page.locator('#row-5001');
  await middle.waitFor();
  const before = await middle.boundingBox();
  for (let count = 0; count < 500; count++) mail.post('ann', 'ben', `later ${count}`);
  server.flush();
  await page.getByRole('button', { name: '500 new messages' }).waitFor();
  assert.deepEqual(await middle.boundingBox(), before);
  await page.getByRole('button', { name: '500 new messages' }).click();
  await page.locator('.row', { hasText: 'later 499' }).waitFor();
  assert.deepEqual(faults, []);
});

test('the list is filtered by time', async (context) => {
  const browser = await startBrowser(context);
  if (!browser) return;
  const mail = new StagedMail(Date.now() - 2 * 3_600_000);
  for (const text of ['old', 'older']) mail.post('ann', 'ben', text);
  mail.time = Date.now() - 60_000;
  mail.post('ann', 'ben', 'new');
  const server = await stageServer({ mail, me: 'boss', status: null });
  context.after(() => server.close());
  const { page } = await browser.open(server.url);
  await page.keyboard.press('2');
  const rows = async (count: number) => {
    await waitUntil(page, `document.querySelectorAll('.row').length === ${count}`);
    return page.locator('.row .row-text').allInnerTexts();
  };
  assert.deepEqual(await rows(3), ['old', 'older', 'new']);
  await page.getByLabel('Time', { exact: true }).selectOption('Last hour');
  assert.deepEqual(await rows(1), ['new']);
  await page.getByLabel('Time', { exact: true }).selectOption('Last 24 h');
  assert.deepEqual(await rows(3), ['old', 'older', 'new']);
});

test('messages that are older than those of the page are loaded as somebody asks for them', async (context) => {
  const browser = await startBrowser(context);
  if (!browser) return;
  const mail = new StagedMail(Date.now() - 60_000);
  for (let count = 1; count <= 600; count++) mail.post('ann', 'ben', `message ${count};`);
  const server = await stageServer({ mail, me: 'boss', status: null, newest: 100 });
  context.after(() => server.close());
  const { page } = await browser.open(server.url);
  await page.keyboard.press('2');
  await page.locator('.row', { hasText: 'message 600;' }).waitFor();
  const isOldest = async (text: string) => {
    await page.locator('.message-list').focus();
    await page.keyboard.press('Home');
    await page.locator('.row.chosen', { hasText: text }).waitFor();
  };
  await isOldest('message 501;');
  for (const text of ['message 301;', 'message 101;', 'message 1;']) {
    await page.getByRole('button', { name: 'Load older messages' }).click();
    await page.locator('.list-note', { hasText: 'Searching' }).waitFor({ state: 'detached' });
    await isOldest(text);
  }
  await page.getByText('600 of 600 messages').waitFor();
  await page.keyboard.press('/');
  await page.locator('#search:focus').waitFor();
  await page.keyboard.type('message 7;');
  await page.locator('.row', { hasText: 'message 7;' }).waitFor();
});

test('a person without a mouse finds, reads and answers a message, and sees where the focus is', async (context) => {
  const place = await pagePlace(context);
  if (!place) return;
  const { mail, run } = place;
  for (const text of ['one', 'two', 'three']) await run(['post', 'ann', text, '--from', 'planner']);
  const { page } = await place.open();
  await page.locator('.figures').waitFor();
  await page.keyboard.press('Tab');
  await focused(page, 'Skip to the content');
  await page.keyboard.press('?');
  await page.getByRole('heading', { name: 'Keys' }).waitFor();
  await focused(page, 'Close');
  await page.keyboard.press('Escape');
  await focused(page, 'Skip to the content');
  await page.keyboard.press('2');
  await page.locator('.row', { hasText: 'three' }).waitFor();
  for (const key of ['k', 'k', 'k', 'j']) await page.keyboard.press(key);
  await page.locator('.row.chosen', { hasText: 'two' }).waitFor();
  await page.keyboard.press('Enter');
  await page.locator('.panel .body', { hasText: 'two' }).waitFor();
  await page.keyboard.press('ArrowUp');
  await page.locator('.panel .body', { hasText: 'one' }).waitFor();
  await page.keyboard.press('r');
  await page.locator('dialog textarea:focus').waitFor();
  await page.keyboard.type('an answer, j k 1 2 3 ?');
  await page.keyboard.press('Control+Enter');
  assert.equal((await mail.wait('planner'))?.text, 'an answer, j k 1 2 3 ?');
  await page.locator('dialog').waitFor({ state: 'detached' });
  await page.keyboard.press('Escape');
  await page.locator('.panel').waitFor({ state: 'detached' });
  await page.keyboard.press('p');
  await page.getByRole('heading', { name: 'Pause all mailboxes?' }).waitFor();
  await focused(page, 'Cancel');
});

/** Resolves when the element with this text has the focus. */
async function focused(page: Page, text: string): Promise<void> {
  await waitUntil(page, `document.activeElement.textContent === '${text}'`);
}

test('axe finds no fault in any view, dark or light', async (context) => {
  const place = await pagePlace(context);
  if (!place) return;
  const { mail, begin } = place;
  begin(['work', 'coder', '--', 'cat']);
  await mail.ask('coder', 'ready?');
  await mail.post('ann', 'for ann');
  await mail.post('boss', 'for the person');
  const held = await mail.wait('ann');
  const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  for (const colors of ['dark', 'light'] as const) {
    const { page } = await place.open({ colors });
    const check = async (view: string) => {
      const found = await page.evaluate(`(async () => {
        const { violations } = await axe.run(document, { resultTypes: ['violations'] });
        return violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' '));
      })()`);
      assert.deepEqual(found, [], `${colors}, ${view}`);
    };
    await page.locator('.talk').waitFor();
    // Through the debugger, because the policy of the page allows no script but its own.
    await page.evaluate(axe);
    await check('overview');
    await page.keyboard.press('2');
    await page.locator('.row').first().click();
    await page.locator('.panel .step').last().waitFor();
    await check('conversations');
    await page.keyboard.press('Escape');
    await page.keyboard.press('3');
    await page.locator('.row').first().waitFor();
    await check('my mail');
    await page.keyboard.press('c');
    await page.locator('dialog').waitFor();
    await check('write');
    await page.keyboard.press('Escape');
    await page.keyboard.press('?');
    await page.locator('dialog').waitFor();
    await check('keys');
  }
  await held?.settle();
});
