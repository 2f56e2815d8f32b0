// What `ipc log --since` takes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSince } from '../../../src/app/parameters.ts';

const now = Date.UTC(2026, 10, 22, 14, 0, 0);

test('since is a length of time before now, or a time, which is in UTC unless it says otherwise', () => {
  assert.equal(parseSince('2h', 'since', now), Date.UTC(2026, 10, 22, 12));
  assert.equal(parseSince('2026-11-22', 'since', now), Date.UTC(2026, 10, 22));
  assert.equal(parseSince('2026-11-22T13:02', 'since', now), Date.UTC(2026, 10, 22, 13, 2));
  assert.equal(parseSince('2026-11-22T13:02+01:00', 'since', now), Date.UTC(2026, 10, 22, 12, 2));
});

test('an error about since names both forms that it takes', () => {
  for (const value of ['yesterday', '14:02', '2026-13-45', '']) {
    assert.throws(() => parseSince(value, 'since', now), {
      code: 'bad_parameter',
      message:
        `since is "${value}"; it must be a whole number above 0 and a unit: 30s, 5m, 2h, 2d; ` +
        'or a time in UTC, such as 2026-11-22 or 2026-11-22T14:02',
    });
  }
});
