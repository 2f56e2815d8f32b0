// Faults of a real disk: corruption, no space left, I/O errors and hanging syncs.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import type { IpcError } from '../../src/base/errors.ts';
import { type Message, open } from '../../src/index.ts';
import { realDisk } from '../../src/journal/disk.ts';
import type { Name } from '../../src/model/message.ts';
import { startBroker } from '../support/brokers.ts';
import { damageText } from '../support/disk/damage.ts';
import { buildShim, fileLimit } from '../support/disk/failing-disk.ts';
import { GatedDisk } from '../support/disk/gated-disk.ts';
import { mountTmpfs, takeSpace } from '../support/disk/tmpfs.ts';
import { program } from '../support/mcp-host.ts';
import { freePort, makeHome } from '../support/places.ts';
import { shell } from '../support/processes/shell.ts';

const box = 'box' as Name;

test('a corrupt body is delivered in its place without its bytes and can be settled, and its neighbours are unaffected', async (context) => {
  const { home, port, run } = await shell(context);
  for (const text of ['first', 'second', 'third']) await run(['post', 'A', text, '--from', 'B']);
  damageText(join(home, `broker-${port}`), 'second');

  const mail = await open({ home, port, env: {} });
  context.after(() => mail.close());
  const { messages } = await mail.fetch('A');
  assert.deepEqual(
    messages.map(({ number, damaged }) => [number, damaged]),
    [
      [1, false],
      [2, true],
      [3, false],
    ],
  );
  const [first, second, third] = messages as [Message, Message, Message];
  assert.deepEqual([first.text, third.text], ['first', 'third']);
  assert.throws(() => second.text, { code: 'message_damaged' });
  assert.deepEqual([second.from, second.to], ['B', 'A']);
  const status = await mail.status();
  assert.equal(status.damaged, 1);
  assert.match(status.warnings.join('\n'), /the body of message #2 is damaged/);
  await second.settle();
  assert.equal((await mail.status()).damaged, 0);
});

test('the program prints no body for a corrupt message, reports it, and continues', async (context) => {
  const { home, port, run } = await shell(context);
  for (const text of ['first', 'second']) await run(['post', 'A', text]);
  damageText(join(home, `broker-${port}`), 'first');

  const status = await run(['status']);
  assert.match(status.text, /1 message damaged/);
  const check = await run(['store', 'check']);
  assert.equal(check.code, 1);
  assert.match(check.text, /^damaged: segment 1 of epoch \d+: the body of message #1 is damaged$/m);
  const plain = await run(['wait', 'A']);
  assert.deepEqual([plain.code, plain.text], [1, '']);
  assert.match(
    plain.errors,
    /^ipc: message_damaged: Message for "A": #1 .*: its 5 bytes are lost, and it is settled\. To do: ask its sender for it again\.$/m,
  );
  assert.equal((await run(['wait', 'A'])).text, 'second');

  await run(['post', 'A', 'third']);
  damageText(join(home, `broker-${port}`), 'third');
  const json = await run(['wait', 'A', '--json']);
  const { number, damaged, body } = JSON.parse(json.text);
  assert.deepEqual([json.code, number, damaged, body], [1, 3, true, null]);
  assert.equal(JSON.parse(json.errors).error.code, 'message_damaged');
});

test('a body that is corrupted on disk while the broker runs is detected when it is read', async (context) => {
  const { client, folder, broker } = await startBroker(context);
  const poster = client();
  for (const text of ['first', 'second']) await poster.post(box, Buffer.from(text));
  await broker.close();
  const next = await startBroker(context, { folder });
  const reader = next.client();
  await reader.status();
  damageText(folder, 'first');
  const { deliveries } = await reader.fetch(box);
  assert.deepEqual(
    deliveries.map(({ body }) => body?.toString()),
    [undefined, 'second'],
  );
  const { damaged, warnings } = await reader.status();
  assert.equal(damaged, 1);
  assert.match(warnings.join('\n'), /the body of message #1 is damaged/);
});

/** Mounts a real file system of a given size; undefined where mounting is not allowed. */
test('on a really full disk posts are refused, reads, settles and a takeover succeed, and freed space restores posts', async (context) => {
  const { path, why } = await mountTmpfs(context, 'size=6m');
  if (path === undefined) return context.skip(why);
  const store = join(path, 'store');
  mkdirSync(store, { mode: 0o700 });
  const first = await startBroker(context, { folder: store });
  const poster = first.client();
  let stored = 0;
  let refused: IpcError | undefined;
  while (!refused) {
    await poster.post(box, Buffer.from(`${++stored}`.padEnd(4_000))).catch((error) => {
      refused = error;
      stored--;
    });
  }
  assert.deepEqual(
    [refused.code, refused.kind.retry, refused.maybeStored],
    ['store_full', true, false],
  );
  const filler = takeSpace(path);
  assert.equal(statfsSync(path).bfree, 0);
  await assert.rejects(poster.post(box, Buffer.from('more'.padEnd(4_000))), { code: 'store_full' });
  const { warnings, messages } = await poster.status();
  assert.equal(messages, stored);
  assert.match(warnings.join('\n'), /the disk was full at the last post/);
  assert.match(warnings.join('\n'), /is on tmpfs, which is memory/);
  const [head] = (await poster.fetch(box, { messagesMax: 1 })).deliveries;
  assert(head);
  await poster.settle([head]);

  await poster.close(100);
  await first.broker.close();
  const second = await startBroker(context, { folder: store });
  const reader = second.client();
  for (let number = 2; number <= stored; ) {
    const { deliveries } = await reader.fetch(box, { messagesMax: 50 });
    for (const { body } of deliveries) assert.equal(body?.toString().trim(), `${number++}`);
    await reader.settle(deliveries);
  }
  rmSync(filler);
  await reader.post(box, Buffer.from('there is room again'));
  assert.deepEqual(
    (await reader.status()).warnings.filter((each) => each.includes('was full')),
    [],
  );
});

test('a bad sector loses the messages stored in it, and no others', async (context) => {
  const { home, port, run, line } = await shell(context);
  const library = buildShim(await makeHome(context));
  if (!library) return context.skip('no gcc here');
  const mail = await open({ home, port, env: {} });
  context.after(() => mail.close());
  for (let number = 1; number <= 9; number++) await mail.post('A', `${number}`.repeat(3_000));
  await mail.close();
  const flag = join(home, 'bad');
  writeFileSync(flag, '');
  const env = { LD_PRELOAD: library, FAIL_READ: flag, BAD_BYTE: '12500' };
  const { out, errors } = await line('"$@" fetch A', env);
  // Byte 12,500 is in the block from 12,288 to 16,384.
  const lost = [4, 5, 6];
  const found = [1, 2, 3, 4, 5, 6, 7, 8, 9].filter((number) => !lost.includes(number));
  assert.equal(out.toString(), found.map((number) => `${`${number}`.repeat(3_000)}\n`).join(''));
  const { text: output } = await run(['status']);
  for (const number of lost) assert.match(errors + output, new RegExp(`#${number}\\b`));
});

test('when a real fdatasync fails, the owner acknowledges nothing and gives up, and the next owner reads the disk', async (context) => {
  let owner: ChildProcess | undefined;
  context.after(async () => {
    if (owner && owner.exitCode === null && owner.kill('SIGKILL')) await once(owner, 'exit');
  });
  const { home, port, run } = await shell(context);
  const library = buildShim(await makeHome(context));
  if (!library) return context.skip('no gcc here: see guarantees, "a sync that fails", for a seam');
  const flag = join(home, 'fail');
  const env = { PATH: process.env.PATH, HOME: home, IPC_HOME: home, IPC_PORT: `${port}` };
  owner = spawn(process.execPath, [program, 'broker'], {
    env: { ...env, LD_PRELOAD: library, FAIL_SYNC: flag },
  });
  assert(owner.stdout);
  await once(owner.stdout, 'data');
  assert.equal((await run(['post', 'A', 'before'])).code, 0);
  writeFileSync(flag, '');
  // The owner gives up without a response; then the poster owns the store, with a disk that works.
  const during = await run(['post', 'A', 'in doubt']);
  assert.equal(owner.exitCode, null);
  owner.kill('SIGKILL');
  await once(owner, 'exit');
  rmSync(flag);
  assert.equal((await run(['post', 'A', 'after'])).code, 0);
  const { text } = await run(['fetch', 'A']);
  assert.match(text, /^before\n(in doubt\n)?after\n$/);
  assert.equal(during.code, 0);
  assert.match(text, /in doubt/);
  const epochs = readdirSync(join(home, `broker-${port}`, 'epochs'));
  assert(Number(epochs.sort().at(-1)) > 2, 'the role went to another');
});

test('while a sync hangs, waits and pings are answered, posts wait, further posts are refused, and status reports it', async (context) => {
  const gated = new GatedDisk();
  const limits = { postsInFlightMax: 3 };
  const { client } = await startBroker(context, { disk: gated.disk, limits });
  const poster = client();
  const reader = client();
  await poster.status();
  let release = () => {};
  gated.gate = new Promise((resolve) => {
    release = resolve;
  });
  const answered: string[] = [];
  const posts = [1, 2, 3].map((number) =>
    poster.post(box, Buffer.from(`${number}`)).then(() => answered.push('stored')),
  );
  const waited = await reader.wait(box, { timeoutMs: 5_000 });
  assert.equal(waited?.body?.toString(), '1');
  assert.equal(await reader.wait('empty' as Name, { timeoutMs: 1_100 }), undefined);
  await assert.rejects(poster.post(box, Buffer.from('4')), { code: 'too_many_unanswered' });
  const began = performance.now();
  const { storageStalledMs } = await reader.status();
  assert(performance.now() - began < 1_000);
  assert(storageStalledMs >= 1_000, `${storageStalledMs}`);
  assert.deepEqual(answered, []);
  release();
  await Promise.all(posts);
  assert.equal((await reader.status()).storageStalledMs, 0);
});

test('a broker whose store folder is deleted while it runs gives up with an error that says why', async (context) => {
  const failed: IpcError[] = [];
  const onFailed = (error: IpcError) => failed.push(error);
  const { client, folder } = await startBroker(context, { onFailed });
  const poster = client();
  await poster.post(box, Buffer.from('gone'));
  rmSync(folder, { recursive: true });
  await assert.rejects(poster.post(box, Buffer.from('not stored')));
  assert.equal(failed[0]?.code, 'storage_failed');
  assert.match(failed[0]?.message ?? '', /^the store .* was removed while it was in use$/);
});

test('a note replaces a longer one completely, and a failed write leaves the old one unchanged', async (context) => {
  const path = join(await makeHome(context), 'note');
  realDisk.writeNote(path, 'a long note\n');
  realDisk.writeNote(path, 'a note\n');
  assert.equal(readFileSync(path, 'utf8'), 'a note\n');
  const module = new URL('../../src/journal/disk.js', import.meta.url).href;
  const script = `import('${module}').then(({ realDisk }) => realDisk.writeNote('${path}', 'another'))`;
  const [command = '', ...words] = [...fileLimit(0), process.execPath, '-e', script];
  assert.match(spawnSync(command, words).stderr.toString(), /EFBIG/);
  assert.equal(readFileSync(path, 'utf8'), 'a note\n');
});

test('start, status and store check warn of a store in memory', async (context) => {
  if (!existsSync('/dev/shm') || statfsSync('/dev/shm').type !== 0x0102_1994) {
    return context.skip('/dev/shm is no tmpfs here');
  }
  const home = await mkdtemp('/dev/shm/ipc-');
  context.after(() => rm(home, { recursive: true, force: true }));
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    IPC_HOME: home,
    IPC_PORT: `${await freePort()}`,
  };
  const reportOf = (...args: string[]) => {
    const child = spawn(process.execPath, [program, ...args], { env });
    let output = '';
    child.stdout.on('data', (text) => {
      output += text;
    });
    return once(child, 'close').then(() => output);
  };
  await reportOf('post', 'A', 'hello');
  const words =
    'the store .* is on tmpfs, which is memory: its mail is lost when this machine restarts';
  assert.match(await reportOf('status'), new RegExp(`^The broker warns: "${words}"\\.$`, 'm'));
  assert.match(await reportOf('store', 'check'), new RegExp(`^Warning: ${words}\\.$`, 'm'));
});
