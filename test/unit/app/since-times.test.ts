// What `ipc log --since` takes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAge, parseSince } from '../../../src/app/parameters.ts';

const now = Date.UTC(2026, 10, 22, 14, 0, 0);

test('since is a length of time before now, or a time, which is in UTC unless it says otherwise', () => {
  assert.equal(parseSince('2h', 'since', now), Date.UTC(2026, 10, 22, 12));
  assert.equal(parseSince('2026-11-22', 'since', now), Date.UTC(2026, 10, 22));
  assert.equal(parseSince('2026-11-22T13:02', 'since', now), Date.UTC(2026, 10, 22, 13, 2));
  assert.equal(parseSince('2026-11-22T13:02+01:00', 'since', now), Date.UTC(2026, 10, 22, 12, 2));
});

test('an error about since names both forms that it takes', () => {
  for (const value of ['yesterday', '14:02', '2026-13-45', '', '2026-11-22T25:00']) {
    assert.throws(() => parseSince(value, 'since', now), {
      code: 'bad_parameter',
      message:
        `since is "${value}"; it must be a whole number from 1 to 999999 and a unit: 30s, 5m, 2h, 2d; ` +
        'or a time in UTC, such as 2026-11-22 or 2026-11-22T14:02',
    });
  }
});

test('a date that the calendar does not have is refused', () => {
  for (const value of ['2026-02-30', '2026-02-29T14:02', '2026-04-31T00:00+02:00']) {
    assert.throws(() => parseSince(value, 'since', now), {
      code: 'bad_parameter',
      message: `since is "${value}"; it must be a date that the calendar has`,
    });
  }
  assert.equal(parseSince('2028-02-29', 'since', now), Date.UTC(2028, 1, 29));
});

test('the error about an age that is too large names the limit', () => {
  const form = 'a whole number from 1 to 999999 and a unit: 30s, 5m, 2h, 2d';
  for (const value of ['99999999d', '1000000s', '0s']) {
    const message = `older is "${value}"; it must be ${form}`;
    assert.throws(() => parseAge(value, 'older'), { code: 'bad_parameter', message });
    assert.throws(() => parseSince(value, 'since', now), {
      code: 'bad_parameter',
      message: `since is "${value}"; it must be ${form}`,
    });
  }
  assert.equal(parseAge('999999d', 'older'), 86_399_913_600_000);
});
