import assert from 'node:assert/strict';
import { test } from 'node:test';
import { historyIn, wakeIn } from '../../../src/app/environment.ts';

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

test('IPC_HISTORY is off, an age, a size, or both; what is not given has no limit', () => {
  const day = 86_400_000;
  const none = { bytesMax: 0, ageMsMax: 0 };
  const all = Number.POSITIVE_INFINITY;
  for (const [text, bytesMax, ageMsMax] of [
    ['30d', all, 30 * day],
    ['90m', all, 90 * 60_000],
    ['12h', all, day / 2],
    ['256MB', 256 * 1_048_576, all],
    ['1 GB', 1_024 ** 3, all],
    ['30d,256MB', 256 * 1_048_576, 30 * day],
    ['100KB, 7d', 102_400, 7 * day],
  ] as const) {
    assert.deepEqual(historyIn({ IPC_HISTORY: text }), { bytesMax, ageMsMax }, text);
  }
  for (const text of ['0', 'off', ' OFF '])
    assert.deepEqual(historyIn({ IPC_HISTORY: text }), none);
  assert.equal(historyIn({ IPC_HISTORY: '' }), undefined);
});

test('an IPC_HISTORY of another form is an error that does not show it', () => {
  for (const text of [
    '30',
    '30 days',
    '-1d',
    '1d,2d',
    '1MB,2MB',
    '0d',
    '1d,',
    ',',
    '1e3d',
    '30D',
  ]) {
    const error = /^IpcError: IPC_HISTORY cannot be used; it needs off, an age such as 30d/;
    assert.throws(() => historyIn({ IPC_HISTORY: text }), error, text);
  }
});
