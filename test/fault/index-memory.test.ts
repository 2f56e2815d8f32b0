// A peer with the key may fill a store with the longest names and ids, all of them unique. The owner, and each
// successor, keeps them in memory. It has the smallest heap that Node gives itself on a machine with 2 GB
// (v8.getHeapStatistics() under a memory limit of 1,856 MiB: 928 MiB for old objects, with Node 20, 22 and 24);
// for one full mailbox, which is a quarter of a store, a quarter of that.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { IpcError } from '../../src/base/errors.ts';
import { idBytesMax, indexBytesMax, mailboxIndexBytesMax } from '../../src/base/limits.ts';
import { indexBytesOf } from '../../src/engine/index-bytes.ts';
import { Journal } from '../../src/journal/journal.ts';
import { bodyChecksum, type Envelope } from '../../src/model/message.ts';
import type { PostedRecord } from '../../src/model/records.ts';
import { place } from '../support/processes/remote.ts';

const isLong = process.env.IPC_TEST_LONG === '1';
const filled = isLong
  ? { bytes: indexBytesMax, heapMiB: 900, mailboxes: 99_000, code: 'store_full' }
  : { bytes: mailboxIndexBytesMax, heapMiB: 225, mailboxes: 1, code: 'mailbox_full' };
const body = Buffer.from('x');
const messagesPerAppend = 1_000;

/** ASCII but for one character, which makes V8 keep two bytes for each. */
function longest(label: string, index: number): string {
  const text = `${label}-${index}-\u0101`;
  return text.padEnd(idBytesMax - 1, '-x');
}

function mailboxOf(index: number): string {
  return longest('mailbox', index % filled.mailboxes);
}

function postedRecord(index: number): PostedRecord {
  const envelope = {
    ...{ number: 1 + index, time: 1_700_000_000_000, bodyBytes: body.length },
    ...{ id: longest('id', index), to: mailboxOf(index), from: longest('from', index) },
    answers: longest('answers', index),
    origin: { program: longest('program', index), pid: index, machine: longest('machine', index) },
    checksum: bodyChecksum(body),
  } as Envelope;
  return { kind: 'posted', envelope, also: [], ackedUpTo: 0, settles: [], body };
}

/** Returns how many messages it has written: one more than there is room for. */
async function fill(folder: string): Promise<number> {
  const messages = Math.ceil(filled.bytes / indexBytesOf(postedRecord(99_999).envelope));
  const journal = await Journal.open({
    folder,
    owner: { pid: process.pid, started: 0, addresses: [] },
    restore: () => {},
    snapshot: () => [],
  });
  for (let begin = 0; begin < messages; begin += messagesPerAppend) {
    const count = Math.min(messagesPerAppend, messages - begin);
    journal.append(Array.from({ length: count }, (_, index) => postedRecord(begin + index)));
  }
  await journal.close();
  return messages;
}

/** On a busy machine a garbage collection of such a heap may take longer than an owner may be silent. */
async function patiently<Result>(call: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof IpcError) || error.code !== 'owner_silent') throw error;
    }
  }
}

test('an owner with a small heap replays a mailbox or store full of the longest unique names, serves it, and takes posts when there is room', async (context) => {
  const { home, port, session } = await place(context);
  const folder = join(home, `broker-${port}`);
  await mkdir(folder, { mode: 0o700 });
  const messages = await fill(folder);
  const owner = session(['env', `NODE_OPTIONS=--max-old-space-size=${filled.heapMiB}`]);
  assert.equal((await owner.start()).role, 'owner');
  const other = session();
  assert.equal((await patiently(() => other.status())).messages, messages);
  context.diagnostic(`${messages} messages`);

  const box = mailboxOf(0);
  const more = { id: longest('one more', 0), from: longest('one more', 0) };
  const post = () => patiently(() => other.post(box, 'more', more));
  await assert.rejects(post(), {
    code: filled.code,
    message:
      /^the broker says: "the messages of the (store|mailbox .*) take [0-9]+ of [0-9]+ bytes of memory"$/,
  });
  const { deliveries } = await patiently(() => other.fetch(box, 2));
  const numbers = deliveries.map(({ number }) => number);
  assert.deepEqual(numbers, isLong ? [1, 1 + filled.mailboxes] : [1, 2]);
  await assert.rejects(post(), { code: filled.code });
  assert.equal(await patiently(() => other.settle(...numbers)), 0);
  await post();
  assert.equal((await patiently(() => other.status())).messages, messages - 1);
});
