// The page in a real browser, with mail of real agents: each view, and what changes in it while it is open.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { keepPicture, waitUntil } from '../../support/page/page-browser.ts';
import { type PagePlace, pagePlace } from '../../support/page/page-place.ts';
import { exitCodeOf } from '../../support/processes/lines.ts';

/** Workers that answer, one that cannot, and some mail between them. */
async function talk({ begin, run, mail }: PagePlace): Promise<void> {
  begin(['work', 'coder', '--', 'sed', 's/^/done: /']);
  begin(['work', 'tester', '--', 'cat']);
  for (const text of ['Write the parser, please.', 'Which file has the limits?']) {
    await run(['ask', 'coder', text, '--mailbox', 'planner', '--timeout', '20']);
  }
  await run([
    'ask',
    'tester',
    'Run the fault tests with seed 4711.',
    '--mailbox',
    'lead',
    '--timeout',
    '20',
  ]);
  await run(['post', 'reviewer', 'Please look at patch 12: it moves the sync.', '--from', 'coder']);
  await run(['post', 'boss', 'May I delete the branch "old-journal"?', '--from', 'planner']);
  await mail.post('reviewer', 'The second half of the patch follows.');
}

function row(page: Page, text: string) {
  return page.locator('.row', { hasText: text });
}

test('the overview shows the sessions and mailboxes of real agents, who talks to whom, and the rate', async (context) => {
  const place = await pagePlace(context);
  if (!place) return;
  await talk(place);
  const { page, faults } = await place.open();

  await page.locator('.sessions tbody tr', { hasText: 'planner' }).waitFor();
  await page
    .locator('.sessions tbody tr', { hasText: 'tester' })
    .getByText('tester', { exact: true })
    .last()
    .waitFor();
  const box = page.locator('.mailboxes tbody tr', { hasText: 'reviewer' });
  assert.equal(await box.locator('td').nth(0).innerText(), '2');
  const names = await page.locator('.talker text').allTextContents();
  assert.deepEqual(names, ['boss', 'coder', 'lead', 'planner', 'reviewer', 'tester']);
  await page
    .locator('.line.ready title', {
      hasText: 'coder to reviewer: 1 message in the last hour, 1 waiting',
    })
    .waitFor({ state: 'attached' });
  const chart = page.getByRole('img', { name: /stored and \d+ done in the last hour/ });
  assert.match((await chart.getAttribute('aria-label')) ?? '', /^9 messages stored and 6 done/);
  await page.locator('.badge', { hasText: '1' }).waitFor();
  await keepPicture(page, 'overview-dark');
  assert.deepEqual(faults, []);
});

test('a message that somebody holds shows with whom, and then that it is done, in its place in the list', async (context) => {
  const place = await pagePlace(context);
  if (!place) return;
  const { page, faults } = await place.open();
  await page.keyboard.press('2');
  await page.getByText('No mail yet').waitFor();
  const { mail } = place;

  await mail.post('ann', 'look after it');
  await row(page, 'look after it').locator('.pill.ready').waitFor();
  const first = await mail.wait('ann');
  await row(page, 'look after it').getByText('with planner').waitFor();
  await first?.release();
  await row(page, 'look after it').getByText('attempt 2 next').waitFor();
  const second = await mail.wait('ann');
  await row(page, 'look after it').getByText('attempt 2').waitFor();
  await second?.settle();
  await row(page, 'look after it').locator('.pill.done').waitFor();
  assert.equal(await page.locator('.row').count(), 1);
  assert.deepEqual(faults, []);
});

test('a rejected message shows as dead, and as stored again when it is tried again by the program', async (context) => {
  const place = await pagePlace(context);
  if (!place) return;
  const { page } = await place.open();
  await page.keyboard.press('2');
  const { mail, run, begin } = place;
  const worker = begin(['work', 'ann', '--attempts', '1', '--', 'false']);
  await mail.post('ann', 'cannot be done');
  await row(page, 'cannot be done').locator('.pill.dead').waitFor();
  worker.kill('SIGINT');
  await exitCodeOf(worker);
  await run(['store', 'retry']);
  await row(page, 'cannot be done').locator('.pill.ready').waitFor();
});

test('the list is filtered by agent, pair, mailbox, state and text, and the hits are marked', async (context) => {
  const place = await pagePlace(context);
  if (!place) return;
  await talk(place);
  const { page, faults } = await place.open();
  await page.keyboard.press('2');
  await row(page, 'The second half').waitFor();
  const shown = () => page.locator('.row .row-text').allInnerTexts();
  const wait = (count: number) =>
    waitUntil(page, `document.querySelectorAll('.row').length === ${count}`);

  await page.getByLabel('Agent', { exact: true }).selectOption('planner');
  await wait(6);
  await page.getByLabel('With', { exact: true }).selectOption('coder');
  await wait(4);
  assert.deepEqual(await shown(), [
    'Write the parser, please.',
    'done: Write the parser, please.',
    'Which file has the limits?',
    'done: Which file has the limits?',
  ]);
  await page.getByRole('button', { name: 'Clear' }).click();
  await page.getByLabel('Mailbox', { exact: true }).selectOption('reviewer');
  await wait(2);
  await page.getByLabel('State', { exact: true }).selectOption('done');
  await wait(0);
  await page.getByText('No message matches').waitFor();
  await page.getByRole('button', { name: 'Show all' }).click();
  await page.keyboard.press('/');
  await page.locator('#search:focus').waitFor();
  await page.keyboard.type('PATCH');
  await wait(2);
  assert.deepEqual(await page.locator('mark').allInnerTexts(), ['patch', 'patch']);
  assert.match(page.url(), /#\/conversations\?text=PATCH$/);
  await keepPicture(page, 'conversations-dark');
  await page.reload();
  await wait(2);
  assert.deepEqual(faults, []);
});

test('a text behind the part that the list has is found, and shown where it is', async (context) => {
  const place = await pagePlace(context);
  if (!place) return;
  await place.mail.post('ann', `${'filler '.repeat(1_000)}the needle is here`);
  await place.mail.post('ann', 'nothing');
  const { page } = await place.open();
  await page.keyboard.press('2');
  await row(page, 'nothing').waitFor();
  await page.keyboard.press('/');
  await page.locator('#search:focus').waitFor();
  await page.keyboard.type('needle');
  await row(page, 'the needle is here').waitFor();
  assert.equal(await page.locator('.row').count(), 1);
});

test('a message is shown whole, with its life and its thread', async (context) => {
  const place = await pagePlace(context);
  if (!place) return;
  await talk(place);
  const long = `${'line of a long text\n'.repeat(400)}the end`;
  await place.mail.post('reviewer', long);
  const { page, faults } = await place.open({ colors: 'light' });
  await page.keyboard.press('2');
  await row(page, 'line of a long text').click();
  await page.locator('.panel .body', { hasText: 'the end' }).waitFor();
  assert.equal(await page.locator('.panel .body').textContent(), long);

  await page.locator('.row', { hasText: 'Which file has the limits?' }).first().click();
  const steps = page.locator('.panel .step');
  await waitUntil(page, 'document.querySelectorAll(".panel .step").length === 3');
  assert.match(await steps.nth(0).innerText(), /stored in coder/);
  assert.match(await steps.nth(1).innerText(), /delivered to coder, attempt 1/);
  assert.match(await steps.nth(2).innerText(), /done by coder, with #\d+$/m);
  const thread = page.locator('.panel .thread li');
  assert.match(
    await thread.nth(0).innerText(),
    /planner\s*→\s*coder[\s\S]*Which file has the limits\?/,
  );
  assert.match(
    await thread.nth(1).innerText(),
    /coder\s*→\s*planner[\s\S]*done: Which file has the limits\?/,
  );
  await keepPicture(page, 'message-light');
  await thread.nth(1).locator('button').click();
  await page.locator('.panel .body', { hasText: 'done: Which file has the limits?' }).waitFor();
  await page.goBack();
  await page.locator('.panel .step', { hasText: 'done by coder' }).waitFor();
  assert.deepEqual(faults, []);
});

test('"back" leads to the message before, even before the page has shown the one that it leaves', async (context) => {
  const place = await pagePlace(context);
  if (!place) return;
  const { mail } = place;
  await mail.post('coder', 'Which file has the limits?');
  const question = await mail.wait('coder');
  assert.ok(question);
  await mail.post('planner', 'limits.ts has them', { answers: question });
  const { page, faults } = await place.open();
  await page.keyboard.press('2');
  await row(page, 'Which file has the limits?').click();
  const answer = page.locator('.panel .thread li', { hasText: 'limits.ts has them' });
  await answer.waitFor();
  // From here on no timer runs and nothing is painted, so what a view does after that is still to come.
  await page.clock.install();
  await page.clock.pauseAt(Date.now() + 60_000);
  await answer.locator('button').click();
  await page.locator('.panel .body', { hasText: 'limits.ts has them' }).waitFor();
  await page.goBack();
  await page.locator('.panel .body', { hasText: 'Which file has the limits?' }).waitFor();
  await page.clock.resume();
  await page.locator('.row.open', { hasText: 'Which file has the limits?' }).waitFor();
  assert.deepEqual(faults, []);
});

test('what the filter shows is exported as JSON lines and as Markdown', async (context) => {
  const place = await pagePlace(context);
  if (!place) return;
  await talk(place);
  const { page } = await place.open();
  await page.keyboard.press('2');
  await page.getByLabel('Agent', { exact: true }).selectOption('planner');
  await page.getByLabel('With', { exact: true }).selectOption('coder');
  const exported = async (name: string) => {
    await page.locator('.menu summary').click();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name }).click(),
    ]);
    await page.locator('.menu summary').click();
    return readFile(await download.path(), 'utf8');
  };
  const lines = (await exported('JSON lines'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.equal(lines.length, 4);
  const markdown = await exported('Markdown');
  assert.equal(markdown.split('Which file has the limits?').length - 1, 2);
  assert.ok(!markdown.includes('patch 12'));
});

test('the page has its views at the width of a phone, and nothing is wider than that', async (context) => {
  const place = await pagePlace(context);
  if (!place) return;
  await talk(place);
  const { page, faults } = await place.open({ width: 360, height: 740, colors: 'light' });
  const views = { 1: 'overview', 2: 'conversations', 3: 'mail' };
  for (const [key, name] of Object.entries(views)) {
    await page.keyboard.press(key);
    await page
      .locator(name === 'overview' ? '.talk' : '.row')
      .first()
      .waitFor();
    const width = await page.evaluate('document.documentElement.scrollWidth');
    assert.equal(width, 360, name);
    await keepPicture(page, `phone-${name}`);
  }
  await page.locator('.row').first().click();
  await page.locator('.panel .body').waitFor();
  assert.equal(await page.locator('.list-side').isVisible(), false);
  await keepPicture(page, 'phone-message');
  await page.getByRole('button', { name: 'Close the message' }).click();
  await page.locator('.list-side').waitFor();
  assert.deepEqual(faults, []);
});

test('the switch of the colours goes from the system to dark to light, and is kept', async (context) => {
  const place = await pagePlace(context);
  if (!place) return;
  const { page } = await place.open({ colors: 'light' });
  await page.locator('.figures').waitFor();
  const ground = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
  assert.equal(await ground(), 'rgb(246, 247, 249)');
  await page.keyboard.press('t');
  assert.equal(await ground(), 'rgb(13, 15, 18)');
  await page.reload();
  await page.locator('.figures').waitFor();
  assert.equal(await ground(), 'rgb(13, 15, 18)');
  await page.keyboard.press('t');
  assert.equal(await ground(), 'rgb(246, 247, 249)');
});
