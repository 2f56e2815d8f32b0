// What a person does with the page: writes, answers, reads mail of the own mailbox, and changes what agents get. All of
// it is asked for first where it takes something away, and shown as applied when the broker has applied it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { keepPicture, waitUntil } from '../../support/page/page-browser.ts';
import { pagePlace } from '../../support/page/page-place.ts';
import { exitCodeOf } from '../../support/processes/lines.ts';

function action(page: Page, title: string) {
  return page.locator('.action', { hasText: title });
}

test('a person writes to an agent and reads its answer, which is settled when it is opened in the own mailbox', async (context) => {
  const place = await pagePlace(context);
  if (!place) return;
  const { mail } = place;
  const { page, faults } = await place.open();
  await page.locator('.figures').waitFor();
  await page.keyboard.press('c');
  await page.getByLabel('To', { exact: true }).fill('ann');
  await page.getByLabel('Text', { exact: true }).fill('What is the port?');
  await page.keyboard.press('Control+Enter');
  const question = await mail.wait('ann');
  assert.deepEqual([question?.text, question?.from], ['What is the port?', 'boss']);
  await page.locator('.actions', { hasText: 'stored as #1' }).waitFor();
  await mail.post('boss', '19901', { answers: question });

  await page.locator('nav .badge', { hasText: '1' }).waitFor();
  await waitUntil(page, 'document.title === "(1) Overview · agent-ipc"');
  await page.keyboard.press('3');
  await page.locator('.row', { hasText: '19901' }).waitFor();
  assert.equal((await mail.status()).messages, 1);
  await page.locator('.row', { hasText: '19901' }).click();
  await page.locator('.panel .step', { hasText: 'done by boss' }).waitFor();
  await page.locator('nav .badge').waitFor({ state: 'detached' });
  assert.equal((await mail.status()).messages, 0);

  await page.keyboard.press('r');
  await page.getByRole('heading', { name: 'Answer #2' }).waitFor();
  await page.locator('dialog').getByLabel('Text').fill('Thank you.');
  await keepPicture(page, 'answer-dark');
  await page.keyboard.press('Control+Enter');
  const thanks = await mail.wait('planner');
  assert.deepEqual([thanks?.text, thanks?.answers], ['Thank you.', await openId(page)]);
  assert.deepEqual(faults, []);
});

/** Id of the message that is open. */
async function openId(page: Page): Promise<string> {
  return (await page.locator('.panel-id code').innerText()).trim();
}

test('mail of others, and mail for the person that is looked at in conversations, stays unread', async (context) => {
  const place = await pagePlace(context);
  if (!place) return;
  const { mail } = place;
  await mail.post('ann', 'for ann');
  await mail.post('boss', 'for the person');
  const { page } = await place.open();
  await page.keyboard.press('2');
  for (const text of ['for ann', 'for the person']) {
    await page.locator('.row', { hasText: text }).click();
    await page.locator('.panel .body', { hasText: text }).waitFor();
  }
  await mail.post('last', 'the page has seen all before this');
  await page.locator('.row', { hasText: 'the page has seen all' }).waitFor();
  const { mailboxes } = await mail.status();
  assert.deepEqual(
    mailboxes.map(({ mailbox, ready, held }) => [mailbox, ready, held]),
    [
      ['ann', 1, 0],
      ['boss', 1, 0],
      ['last', 1, 0],
    ],
  );
  assert.equal((await mail.wait('ann'))?.attempt, 1);
});

test('a drop asks first, and shows what the broker has dropped', async (context) => {
  const place = await pagePlace(context);
  if (!place) return;
  const { mail } = place;
  await mail.post('ann', 'one');
  await mail.post('ann', 'two');
  const held = await mail.wait('ann');
  const { page } = await place.open();
  await page.getByRole('button', { name: 'Drop the mail of ann' }).click();
  await page.getByRole('button', { name: 'Cancel' }).click();
  assert.equal(await page.locator('.action').count(), 0);
  assert.equal((await mail.status()).messages, 2);

  let release: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route('**/api/drop', async (route) => {
    await gate;
    await route.continue();
  });
  await page.getByRole('button', { name: 'Drop the mail of ann' }).click();
  await page.locator('dialog').getByRole('button', { name: 'Drop' }).click();
  await action(page, 'Drop the mail of ann').getByText('applying').waitFor();
  assert.equal((await mail.status()).messages, 2);
  release();
  await action(page, 'Drop the mail of ann').getByText('applied', { exact: true }).waitFor();
  await page.getByText('1 message dropped; 1 message stayed, because a session holds it').waitFor();
  assert.equal((await mail.status()).messages, 1);
  await held?.settle();
});

test('a change that the broker refuses is shown as failed, with the reason', async (context) => {
  const place = await pagePlace(context);
  if (!place) return;
  await place.mail.post('ann', 'one');
  const { page } = await place.open();
  await page.route('**/api/drop', (route) => route.abort());
  await page.getByRole('button', { name: 'Drop the mail of ann' }).click();
  await page.locator('dialog').getByRole('button', { name: 'Drop' }).click();
  await action(page, 'Drop the mail of ann').getByText('failed').waitFor();
  await page
    .getByText('the server of this page cannot be reached: is `ipc ui` still running?')
    .waitFor();
  await action(page, 'Drop the mail of ann').getByRole('button').click();
  assert.equal(await page.locator('.action').count(), 0);
});

test('a dead letter is tried again', async (context) => {
  const place = await pagePlace(context);
  if (!place) return;
  const { mail, begin } = place;
  const worker = begin(['work', 'ann', '--attempts', '1', '--', 'false']);
  await mail.post('ann', 'a job that fails');
  const { page } = await place.open();
  await page.locator('.figure.dead').waitFor();
  worker.kill('SIGINT');
  await exitCodeOf(worker);
  await page.keyboard.press('2');
  await page.locator('.row', { hasText: 'a job that fails' }).first().click();
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.locator('dialog').getByRole('button', { name: 'Try again' }).click();
  await action(page, 'Try a dead letter again').getByText('1 dead letter moved back').waitFor();
  assert.deepEqual([(await mail.wait('ann'))?.text], ['a job that fails']);
});

test('a worker that is stopped is shown as stopped when it has taken "shutdown", and not before', async (context) => {
  const place = await pagePlace(context);
  if (!place) return;
  const { mail, begin } = place;
  const { page } = await place.open();
  await mail.post('jobs', 'the first job');
  await page.getByRole('button', { name: 'Stop the worker of jobs' }).click();
  await page.locator('dialog').getByRole('button', { name: 'Stop' }).click();
  const stop = action(page, 'Stop the worker of jobs');
  await stop.getByText('"shutdown" is stored as #2; the worker has not taken it yet').waitFor();
  await stop.getByText('applying').waitFor();
  await keepPicture(page, 'stop-applying-dark');
  const worker = begin(['work', 'jobs', '--', 'cat']);
  await stop.getByText('applied', { exact: true }).waitFor();
  assert.equal(await exitCodeOf(worker), 0);
});

test('a pause of one mailbox and of all is applied, shown, and resumed', async (context) => {
  const place = await pagePlace(context);
  if (!place) return;
  const { mail, run } = place;
  await mail.post('ann', 'one');
  const { page } = await place.open({ colors: 'light' });
  await page.getByRole('button', { name: 'Pause ann', exact: true }).click();
  await page.locator('dialog').getByRole('button', { name: 'Pause' }).click();
  await action(page, 'Pause ann').getByText('deliveries have stopped').waitFor();
  await page.locator('.banner', { hasText: 'Paused: ann' }).waitFor();
  await page.keyboard.press('2');
  await page.locator('.row .pill.paused').waitFor();
  assert.equal(await mail.wait('ann', { timeoutMs: 500 }), undefined);
  await keepPicture(page, 'paused-light');
  // Another one pauses all: the page shows it as soon as the broker has told it.
  await run(['pause', '--all']);
  await page.locator('.banner', { hasText: 'All mailboxes are paused' }).waitFor();
  await page.keyboard.press('p');
  await page.locator('dialog').getByRole('button', { name: 'Resume' }).click();
  await action(page, 'Resume all mailboxes').getByText('deliveries go on').waitFor();
  await page.locator('.banner').waitFor({ state: 'detached' });
  assert.equal((await mail.wait('ann'))?.text, 'one');
});

test('a notification is shown for mail to the person, after the person has asked for it', async (context) => {
  const place = await pagePlace(context);
  if (!place) return;
  const { page } = await place.open({ permissions: ['notifications'] });
  // The real ones are shown by the system; this keeps what the page asked for.
  await page.evaluate(`
    globalThis.shown = [];
    const Real = Notification;
    globalThis.Notification = class extends Real {
      constructor(title, options) {
        super(title, options);
        shown.push(title + ': ' + options.body);
      }
    };
  `);
  const shown = () => page.evaluate('shown');
  await page.keyboard.press('3');
  await place.mail.post('boss', 'before the person asked');
  await page.locator('.row', { hasText: 'before' }).waitFor();
  assert.deepEqual(await shown(), []);
  await page.getByRole('button', { name: 'Notify me' }).click();
  await page.getByRole('button', { name: 'Notifications on' }).waitFor();
  await place.mail.post('ann', 'for somebody else');
  await place.mail.post('boss', 'look <b>here</b>');
  await page.locator('.row', { hasText: 'look' }).waitFor();
  assert.deepEqual(await shown(), ['Mail from planner: look <b>here</b>']);
});
