import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wakeIn } from '../../../src/app/environment.ts';

test('the mailboxes of IPC_WAKE have commas between them, with or without spaces, or are a JSON list', () => {
  for (const text of [
    'ann,jobs',
    'ann, jobs',
    ' ann ,jobs ',
    '["ann","jobs"]',
    '["ann", "jobs"]',
  ]) {
    assert.deepEqual(wakeIn({ IPC_WAKE: text }), ['ann', 'jobs'], text);
  }
  assert.deepEqual(wakeIn({ IPC_WAKE: 'the reviewer' }), ['the reviewer']);
  assert.equal(wakeIn({ IPC_WAKE: '' }), undefined);
});

test('an IPC_WAKE that names no mailbox, an empty one or too many is an error', () => {
  for (const text of [' ', ',', 'ann,,jobs', '[]', '["ann",]', 'n,'.repeat(20), "['ann','jobs']"]) {
    assert.throws(() => wakeIn({ IPC_WAKE: text }), /^IpcError: IPC_WAKE cannot be used/, text);
  }
});
