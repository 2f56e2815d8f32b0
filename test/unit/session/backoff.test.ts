// When a session whose own brokers fail may try again. The clock moves by hand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IpcError } from '../../../src/base/errors.ts';
import { Backoff } from '../../../src/session/backoff.ts';

const error = new IpcError('storage_failed', 'EIO: i/o error, fdatasync');

function makeBackoff() {
  const clock = { now: 0 };
  return { clock, backoff: new Backoff({ now: () => clock.now }) };
}

/** Returns how long the pause is from now on, and moves the clock to its end. */
function pauseMs({ clock, backoff }: ReturnType<typeof makeBackoff>, isAsked: boolean): number {
  const began = clock.now;
  while (backoff.isPaused(isAsked)) clock.now += 50;
  return clock.now - began;
}

test('before the first failure there is no pause', () => {
  const { backoff } = makeBackoff();
  assert.deepEqual([backoff.isPaused(true), backoff.isPaused(false)], [false, false]);
  assert.equal(backoff.error, undefined);
});

test('with each further failure the pause doubles, up to five minutes', () => {
  const made = makeBackoff();
  const pauses = Array.from({ length: 11 }, () => {
    made.backoff.failed(error);
    return pauseMs(made, false);
  });
  assert.deepEqual(
    pauses,
    [250, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000],
  );
  assert.equal(made.backoff.error, error);
});

test('while a call waits, the pause is never longer than two seconds', () => {
  const made = makeBackoff();
  const pauses = Array.from({ length: 5 }, () => {
    made.backoff.failed(error);
    return pauseMs(made, true);
  });
  assert.deepEqual(pauses, [250, 2_000, 2_000, 2_000, 2_000]);
});

test('the count begins anew after a broker that worked for a minute', () => {
  const made = makeBackoff();
  const { backoff, clock } = made;
  for (let failures = 1; failures <= 5; failures++) backoff.failed(error);
  backoff.opened();
  assert.equal(backoff.error, undefined);
  clock.now += 59_999;
  backoff.failed(error);
  assert.equal(pauseMs(made, false), 32_000);
  backoff.opened();
  clock.now += 60_000;
  backoff.failed(error);
  assert.equal(pauseMs(made, false), 250);
});
