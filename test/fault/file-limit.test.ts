// A limit on the size of files (`ulimit -f`): only the post that can never be written is refused.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileLimit, newestEpochOf } from '../support/disk/failing-disk.ts';
import { hostPlace, program } from '../support/mcp-host.ts';
import { place } from '../support/processes/remote.ts';
import { type Ended, ended, type Shell, shell } from '../support/processes/shell.ts';

/** 1 MiB: a body of 1 MB does not fit, and three of 300 kB fill it. */
const mebibyte = fileLimit(2_048);
const poison = 'x'.repeat(1_048_576);
const large = 'y'.repeat(300_000);
const tooLarge =
  /body_too_large: the broker says: "pid \d+, which owns the broker, may not write a file that has room for this post \(EFBIG\): raise its limit on the size of files \(`ulimit -f`\), or post less at once/;

function under({ other }: Shell, limit: readonly string[], args: string[], input?: string) {
  const [command = '', ...words] = [...limit, process.execPath, program, ...args];
  return ended(other(command, words, input)) as Promise<Ended>;
}

test('under a file size limit the program refuses a body that can never be written, with one epoch, and stores a smaller one', async (context) => {
  const here = await shell(context);
  const refused = await under(here, mebibyte, ['post', 'box'], poison);
  assert.equal(refused.code, 2);
  assert.match(refused.errors, tooLarge);
  assert.doesNotMatch(refused.errors, /may have been stored/);
  assert.equal(newestEpochOf(here.home, here.port), 1);
  const stored = await under(here, mebibyte, ['post', 'box'], 'z'.repeat(1_000_000));
  assert.equal(stored.code, 0, stored.errors);
  assert.equal((await under(here, mebibyte, ['fetch', 'box'])).text.length, 1_000_001);
});

test('an owner under a file size limit goes on, in one epoch, for all sessions, while one of them posts what can never be written', async (context) => {
  const { home, port, session } = await place(context);
  const owner = session(mebibyte);
  await owner.status();
  const epoch = newestEpochOf(home, port);
  const [good, bad] = [session(), session()];
  const code = 'body_too_large';
  await Promise.all([
    ...[1, 2, 3].map(() => assert.rejects(bad.post('box', poison), { code })),
    ...Array.from({ length: 8 }, () => good.post('box', large)),
    ...Array.from({ length: 8 }, () => bad.post('box', 'small')),
  ]);
  await assert.rejects(owner.post('box', poison), { code });
  const { deliveries } = await good.fetch('box', 99);
  const lengths = deliveries.map(({ body }) => body?.length).sort();
  assert.deepEqual(lengths, [...Array(8).fill(300_000), ...Array(8).fill(5)]);
  await good.settle(...deliveries.map(({ number }) => number));
  assert.equal((await owner.status()).messages, 0);
  assert.equal(newestEpochOf(home, port), epoch);
  // Each refusal begins a segment at most when another post came before it.
  const files = readdirSync(join(home, `broker-${port}`, 'epochs', '00000001'));
  assert.ok(files.length < 12, `${files.length} files`);
});

test('over MCP, a post that can never be written fails at once, and the next one is stored', async (context) => {
  const { host } = await hostPlace(context);
  const agent = await host({ prefix: fileLimit(400) });
  const refused = await agent.call({ operation: 'post', to: 'box', message: large });
  assert.ok(refused.isError);
  assert.match(refused.text, tooLarge);
  const stored = await agent.call({ operation: 'post', to: 'box', message: 'small' });
  assert.ok(!stored.isError, stored.text);
  await agent.end();
});

test('a thousand messages can be delivered and settled in a segment that cannot grow', async (context) => {
  const { home, port, session } = await place(context);
  const owner = session(fileLimit(512));
  const reader = session();
  for (let round = 1; round <= 3; round++) {
    await Promise.all(Array.from({ length: 1_000 }, (_, index) => owner.post('box', `${index}`)));
    const { deliveries } = await reader.fetch('box', 1_000);
    assert.equal(deliveries.length, 1_000);
    await reader.settle(...deliveries.map(({ number }) => number));
    assert.equal((await owner.status()).messages, 0);
  }
  assert.equal(newestEpochOf(home, port), 1);
});

test('a limit below what a store needs is named, with what to do, and is not called a full disk', async (context) => {
  const here = await shell(context);
  const small = await under(here, fileLimit(128), ['post', 'box', 'small']);
  assert.equal(small.code, 1);
  assert.match(
    small.errors,
    /^ipc: storage_failed: the broker says: "pid \d+, which owns the broker, may not write a file of 131072 bytes, as a store needs \(EFBIG\): raise its limit on the size of files \(`ulimit -f`\); this post was not stored"\./m,
  );
  assert.doesNotMatch(small.errors, /may have/);
  const smaller = await under(here, fileLimit(8), ['post', 'box', 'small']);
  assert.equal(smaller.code, 1);
  assert.match(
    smaller.errors,
    /^ipc: storage_failed: EFBIG: .* To do: raise the limit on the size of files \(`ulimit -f`\)/m,
  );
});
