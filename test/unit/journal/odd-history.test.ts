// Something in `history/` of a store that no broker has put there.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { realDisk } from '../../../src/journal/disk.ts';
import { checkHistory } from '../../../src/journal/history-check.ts';
import { postedRecord } from '../../support/disk/journal-model.ts';
import {
  append,
  leaveLog,
  smallLimits as limits,
  openStore,
  removeOldest,
} from '../../support/disk/journal-store.ts';
import { eventInBrief, readPast } from '../../support/disk/past.ts';

const month = { bytesMax: 100_000_000, ageMsMax: 30 * 86_400_000 };

/** Each makes something of the name of a file of history, which was renamed to `aside`. */
const replacements: Readonly<Record<string, (path: string, aside: string) => void>> = {
  'a symbolic link': (path, aside) => symlinkSync(aside, path),
  'a named pipe': (path) => void execFileSync('mkfifo', [path]),
  'a sparse file of 10 GB': (path, aside) => {
    renameSync(aside, path);
    truncateSync(path, 10_000_000_000);
  },
};

for (const [name, replace] of Object.entries(replacements)) {
  test(`${name} among the files of history costs only what it hides, and an erase removes it`, async (t) => {
    const { folder, aside } = await storeOfFour(t);
    const path = join(folder, 'history/00000002-000001.log');
    renameSync(path, aside);
    replace(path, aside);

    const { events, gaps } = await readPast(folder);
    assert.deepEqual(
      events.map(eventInBrief).filter((each) => each.startsWith('stored')),
      ['stored #1 one', 'stored #3 three', 'stored #4 four'],
    );
    assert.equal(gaps.length, 1);
    const { faults } = await checkHistory(realDisk, folder);
    assert.deepEqual(faults, [
      `history: ${path} has lost some of what it told; no mail is affected`,
    ]);

    const store = await openStore({ folder, limits, history: month });
    await leaveLog(store);
    await store.journal.erase('');
    await store.journal.close();
    assert.equal(existsSync(path), false);
  });
}

test('an erase leaves the file alone to which a link in history leads', async (t) => {
  const { folder, aside } = await storeOfFour(t);
  const path = join(folder, 'history/00000002-000001.log');
  renameSync(path, aside);
  symlinkSync(aside, path);
  const before = readFileSync(aside);
  const store = await openStore({ folder, limits, history: month });
  await leaveLog(store);
  await store.journal.erase('');
  await store.journal.close();
  assert.deepEqual(readFileSync(aside), before);
});

/** Each of the owners has stored a message, and settled the one before. #2 is in the second file of history. */
async function storeOfFour(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'ipc-'));
  t.after(() => rm(folder, { recursive: true }));
  for (const [index, body] of ['one', 'two', 'three', 'four'].entries()) {
    const store = await openStore({ folder, limits, history: month });
    append(store, postedRecord(index + 1, body));
    if (index > 0) {
      append(store, { kind: 'settled', numbers: [index] });
      await removeOldest(store);
    }
    await store.journal.close();
  }
  return { folder, aside: join(folder, 'aside') };
}
