// Bodies that do not fit into a result: in files that only the user can read, the newest 256.
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { OverflowFiles } from '../../../src/mcp/overflow-files.ts';
import { makeHome } from '../../support/places.ts';

const source = (ticket: string) => ({ ticket, mailboxes: undefined, from: '' }) as const;

test('a body is in a file that only its user can read, and is found by its ticket', async (context) => {
  const home = join(await makeHome(context), 'home');
  const overflow = new OverflowFiles(home);
  const kept = await overflow.keep(source('k7f3-1'), Buffer.from('whole'));
  assert.deepEqual([kept.text, kept.bytes, kept.source], ['whole', 5, source('k7f3-1')]);
  assert.match(kept.path ?? '', /bodies\/\d{17}-k7f3-1\.txt$/);
  assert.equal(await readFile(kept.path ?? '', 'utf8'), 'whole');
  const modes = [kept.path ?? '', join(home, 'bodies'), home].map(async (path) => {
    const { mode } = await stat(path);
    return mode & 0o777;
  });
  assert.deepEqual(await Promise.all(modes), [0o600, 0o700, 0o700]);
  assert.deepEqual(await overflow.find('k7f3-1'), kept);
  assert.equal(await overflow.find('k7f3-2'), undefined);
});

test('the newest 256 files are kept, and nothing that is not ours is removed', async (context) => {
  const home = await makeHome(context);
  const folder = join(home, 'bodies');
  await mkdir(folder);
  const old = Array.from({ length: 256 }, (_, index) => `20260101000000${100 + index}-a.txt`);
  for (const file of [...old, 'notes.txt']) await writeFile(join(folder, file), '');
  const overflow = new OverflowFiles(home);
  await overflow.keep(source('k7f3-1'), Buffer.from('whole'));
  const files = await readdir(folder);
  assert.equal(files.length, 257);
  assert.equal(files.includes(old[0] ?? ''), false);
  assert.equal(files.includes(old[1] ?? ''), true);
  assert.equal(files.includes('notes.txt'), true);
});

test('a body without a file is kept in memory, and one whose file is gone is not found', async (context) => {
  const home = await makeHome(context);
  await writeFile(join(home, 'bodies'), 'a file where the folder should be');
  const overflow = new OverflowFiles(home);
  const kept = await overflow.keep(source('k7f3-1'), Buffer.from('whole'));
  assert.equal(kept.path, undefined);
  assert.equal((await overflow.find('k7f3-1'))?.text, 'whole');
  await rm(join(home, 'bodies'));
  const { path = '' } = await overflow.keep(source('k7f3-2'), Buffer.from('other'));
  await rm(path);
  assert.equal(await overflow.find('k7f3-2'), undefined);
});
