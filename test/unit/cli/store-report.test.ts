// What `ipc store check` prints.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { presentStore } from '../../../src/cli/commands/store.ts';

test('damage that was reported before is listed once', () => {
  const none = { warnings: [], segments: [], records: {}, mailboxes: [], messages: 0, bytes: 0 };
  const report = { ...none, deadLetters: [], paused: [], store: 'id', epoch: 1, sound: false };
  const history = { files: 0, bytes: 0, messages: 0, begin: 0, end: 0, faults: [] };
  const text = presentStore('/store', {
    ...report,
    history,
    faults: ['found now'],
    kept: ['found now', 'found before'],
  });
  assert.deepEqual(text.split('\n').slice(1, 3), [
    'damaged: found now',
    'reported before: found before',
  ]);
});
