// `ipc log --erase`: after it no command and no byte of the store says what was erased.
import assert from 'node:assert/strict';
import { type Dirent, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { open } from '../../../src/index.ts';
import { damageText } from '../../support/disk/damage.ts';
import { Lines } from '../../support/processes/lines.ts';
import { ended, nextLine, type Shell, shell } from '../../support/processes/shell.ts';

/** The files below the folder that have the text, in any form that the store writes. */
function filesWith(folder: string, text: string): string[] {
  const all: Dirent[] = readdirSync(folder, { recursive: true, withFileTypes: true });
  const paths = all
    .filter((each) => each.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  return paths.filter((path) => readFileSync(path).includes(text));
}

function storeOf({ home, port }: Shell): string {
  return join(home, `broker-${port}`);
}

/** Two messages to "ann" and one to "ben" are read, and one message waits in each. */
async function conversation({ run, home, port }: Shell): Promise<void> {
  await run(['post', 'ann', 'first secret', '--from', 'ben']);
  await run(['post', 'ben', 'known to ben', '--from', 'ann']);
  assert.equal((await run(['fetch', 'ann'])).text, 'first secret\n');
  assert.equal((await run(['fetch', 'ben'])).text, 'known to ben\n');
  const mail = await open({ home, port, env: {}, program: 'worker', name: 'ann' });
  await mail.post('ann', 'second secret');
  const message = await mail.wait('ann');
  await message?.settle();
  await mail.post('ann', 'waits for ann');
  await mail.post('ben', 'waits for ben');
  await mail.close();
}

/** Neither a command nor a byte of the store has it. */
async function assertGone(place: Shell, text: string): Promise<void> {
  assert.deepEqual(filesWith(place.home, text), [], text);
  for (const args of [
    ['log', '--full'],
    ['log', '--json', '--full'],
    ['store', 'dump'],
  ]) {
    const { code, text: shown, errors } = await place.run(args);
    assert.equal(code, 0, errors);
    assert(!shown.includes(text), `${args}: ${shown}`);
  }
}

async function assertThere(place: Shell, text: string): Promise<void> {
  assert.notDeepEqual(filesWith(place.home, text), [], text);
  assert((await place.run(['log', '--full'])).text.includes(text), text);
}

for (const isRunning of [false, true]) {
  const where = isRunning ? 'beside a running broker' : 'without a broker';
  test(`${where}, an erase of a mailbox leaves no byte of its settled mail, and all other mail`, async (context) => {
    const place = await shell(context);
    if (isRunning) await nextLine(place.begin(['broker']));
    await conversation(place);
    await assertThere(place, 'second secret');
    const { code, text, errors } = await place.run(['log', '--erase', '--mailbox', 'ann', '--yes']);
    assert.deepEqual([code, errors], [0, '']);
    assert.match(
      text,
      /^Erased 2 settled messages to "ann"; .* 2 unsettled messages in all mailboxes stayed\.\n$/,
    );
    await assertGone(place, 'first secret');
    await assertGone(place, 'second secret');
    await assertThere(place, 'known to ben');
    await assertThere(place, 'waits for ann');
    assert.equal((await place.run(['fetch', 'ann'])).text, 'waits for ann\n');
  });

  test(`${where}, an erase of all leaves nothing but unsettled mail`, async (context) => {
    const place = await shell(context);
    if (isRunning) await nextLine(place.begin(['broker']));
    await conversation(place);
    const { code, text, errors } = await place.run(['log', '--erase', '--yes', '--json']);
    assert.deepEqual([code, errors], [0, '']);
    const { messages, unsettled, mailbox, damaged } = JSON.parse(text);
    assert.deepEqual([messages, unsettled, mailbox, damaged], [3, 2, null, null]);
    for (const gone of ['first secret', 'second secret', 'known to ben'])
      await assertGone(place, gone);
    await assertThere(place, 'waits for ann');
    assert.equal((await place.run(['fetch', 'ben'])).text, 'waits for ben\n');
  });
}

test('a follower goes on beside an erase: it is told of what comes after, and of no message twice', async (context) => {
  const place = await shell(context);
  await nextLine(place.begin(['broker']));
  await conversation(place);
  const following = place.begin(['log', '--follow', '--json']);
  assert(following.stdout);
  const lines = new Lines(following.stdout);
  const before: number[] = [];
  while (before.length < 5) before.push(JSON.parse(await lines.next()).number);
  assert.deepEqual(before.sort(), [1, 2, 3, 4, 5]);
  assert.equal((await place.run(['log', '--erase', '--yes'])).code, 0);
  await place.run(['post', 'cy', 'after the erase', '--from', 'ann']);
  const after = JSON.parse(await lines.next());
  assert.deepEqual([after.number, after.state, after.line], [6, 'ready', 'after the erase']);
  following.kill();
  await ended(following);
  await assertGone(place, 'second secret');
});

test('what an owner left that ended while it packed history is erased, too', async (context) => {
  const place = await shell(context);
  await conversation(place);
  const history = join(storeOf(place), 'history');
  mkdirSync(history, { recursive: true });
  writeFileSync(join(history, '3-1.new'), 'first secret');
  assert.equal((await place.run(['log', '--erase', '--mailbox', 'ann', '--yes'])).code, 0);
  await assertGone(place, 'first secret');
});

test('an erase says where corrupt segments are kept, since it does not change them', async (context) => {
  const place = await shell(context);
  await conversation(place);
  damageText(storeOf(place), 'second secret');
  const { code, text, errors } = await place.run(['log', '--erase', '--yes']);
  assert.equal(code, 0, errors);
  const damaged = join(storeOf(place), 'damaged');
  assert(
    text.endsWith(
      ` Corrupt segments are kept as they were in ${damaged}; remove that folder to erase them, too.\n`,
    ),
    text,
  );
  const left = filesWith(place.home, 'known to ben');
  assert(
    left.every((path) => path.startsWith(damaged)),
    `${left}`,
  );
});
