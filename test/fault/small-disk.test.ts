// A store that fills its disk with mail that is read and settled takes new mail again, by itself.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Name } from '../../src/model/message.ts';
import { startBroker } from '../support/brokers.ts';
import { mountTmpfs } from '../support/disk/tmpfs.ts';
import { makeHome } from '../support/places.ts';
import { nextLine, shell } from '../support/processes/shell.ts';

const box = 'box' as Name;
const large = 'x'.repeat(500_000);

test('on a disk of 4 MB the program stores mail again after all that filled it was read and settled', async (context) => {
  const { path: disk, why } = await mountTmpfs(context, 'size=4m');
  if (disk === undefined) return context.skip(why);
  const { line } = await shell(context);
  const body = join(await makeHome(context), 'body');
  writeFileSync(body, large);
  const ipc = (words: string) => line(`"$@" ${words}`, { IPC_HOME: join(disk, 'home') });
  for (let round = 1; round <= 2; round++) {
    let stored = 0;
    let refused = await ipc(`post box < ${body}`);
    for (; refused.code === 0; refused = await ipc(`post box < ${body}`)) stored++;
    assert.match(
      refused.errors,
      /^ipc: store_full: the broker says: "the disk of the store is full \(ENOSPC\); this post was not stored"\. To do: read and settle mail/m,
    );
    assert.ok(stored >= 4, `${stored} messages`);
    assert.equal((await ipc('fetch box')).text.length, stored * 500_001);
  }
  assert.equal((await ipc('post box small')).code, 0);
});

test('an owner whose disk is full of settled mail removes that, and then stores the post that found no room', async (context) => {
  const { path: disk, why } = await mountTmpfs(context, 'size=6m');
  if (disk === undefined) return context.skip(why);
  const folder = join(disk, 'store');
  mkdirSync(folder, { mode: 0o700 });
  const { client, broker } = await startBroker(context, { folder });
  const mail = client();
  const kept = 'kept' as Name;
  await mail.post(kept, Buffer.from('kept'));
  let stored = 0;
  for (let round = 1; round <= 3; round++) {
    const before = stored;
    const code = 'store_full';
    for (let isFull = false; !isFull; ) {
      await mail.post(box, Buffer.from(large)).then(
        () => stored++,
        (error) => {
          assert.equal(error.code, code);
          isFull = true;
        },
      );
    }
    assert.ok(stored - before >= 5, `${stored - before} messages in round ${round}`);
    for (;;) {
      const { deliveries } = await mail.fetch(box, { messagesMax: 100 });
      if (deliveries.length === 0) break;
      await mail.settle(deliveries);
    }
  }
  assert.equal((await mail.fetch(kept)).deliveries[0]?.body?.toString(), 'kept');
  assert.equal(broker.epoch, 1);
});

test('on a disk that others fill, store_full says that mail is not the cause', async (context) => {
  const { path: disk, why } = await mountTmpfs(context, 'size=3m');
  if (disk === undefined) return context.skip(why);
  const { line } = await shell(context);
  const ipc = (words: string) => line(`"$@" ${words}`, { IPC_HOME: join(disk, 'home') });
  assert.equal((await ipc('post box small')).code, 0);
  try {
    for (;;) writeFileSync(join(disk, 'filler'), Buffer.alloc(4_096), { flag: 'a' });
  } catch {
    // Full.
  }
  const body = join(await makeHome(context), 'body');
  writeFileSync(body, large);
  const { code, errors } = await ipc(`post box < ${body}`);
  assert.equal(code, 1);
  assert.match(
    errors,
    /^ipc: store_full: the broker says: "the disk of the store is full \(ENOSPC\), and unsettled mail takes only \d+ bytes of it: free space or inodes there, or raise the quota; this post was not stored"\./m,
  );
  assert.equal((await ipc('fetch box')).text, 'small\n');
});

test('store compact frees what settled mail takes, with an owner or without, and keeps the rest', async (context) => {
  const { run, begin } = await shell(context);
  for (const text of ['one', large, large]) await run(['post', 'box'], text);
  await run(['post', 'other', 'two']);
  assert.equal((await run(['fetch', 'box'])).code, 0);
  const json = await run(['store', 'compact', '--json']);
  assert.equal(json.code, 0, json.errors);
  const { freed, bytesBefore, bytesAfter } = JSON.parse(json.text);
  assert.equal(freed, bytesBefore - bytesAfter);
  assert.ok(freed > 1_000_000 && bytesAfter < 200_000, json.text);

  const owner = begin(['broker']);
  await nextLine(owner);
  await run(['post', 'box'], large);
  assert.equal((await run(['fetch', 'box'])).text, `${large}\n`);
  const spoken = await run(['store', 'compact']);
  assert.equal(
    spoken.text + spoken.errors,
    'Freed 524288 bytes: the log had 589824, and has 65536 now.\n',
  );
  assert.match((await run(['store', 'check'])).text, /sound/);
  assert.equal((await run(['fetch', 'other'])).text, 'two\n');
});

test('on a file system that became read-only each call fails with EROFS and what to do, and later the mail is there', async (context) => {
  const { path: disk, why } = await mountTmpfs(context, 'size=6m');
  if (disk === undefined) return context.skip(why);
  const { line } = await shell(context);
  const ipc = (words: string) => line(`"$@" ${words}`, { IPC_HOME: join(disk, 'home') });
  assert.equal((await ipc('post box small')).code, 0);
  execFileSync('mount', ['-o', 'remount,ro', disk]);
  for (const words of ['post box more', 'wait box', 'status']) {
    const { code, errors } = await ipc(words);
    assert.equal(code, 1);
    assert.match(
      errors,
      /^ipc: storage_failed: .*EROFS\. To do: make the file system writable again; the mail on it is safe\./m,
    );
  }
  execFileSync('mount', ['-o', 'remount,rw', disk]);
  assert.equal((await ipc('fetch box')).text, 'small\n');
});
