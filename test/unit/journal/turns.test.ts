import assert from 'node:assert/strict';
import { test } from 'node:test';
import { besideMail, inTurns } from '../../../src/journal/turns.ts';

/** Steps that take so many milliseconds each on a clock that only they move, and the rests between them. */
function stepsOf(stepsMs: readonly number[]) {
  let now = 0;
  const rests: number[] = [];
  const runtime = {
    now: () => now,
    defer: (work: () => void) => {
      rests.push(0);
      setImmediate(work);
    },
    setTimer: (work: () => void, ms: number) => {
      rests.push(ms);
      return setImmediate(work);
    },
  };
  function* steps(): Generator<void, string> {
    for (const ms of stepsMs) {
      now += ms;
      yield;
    }
    return 'done';
  }
  return { runtime, rests, steps: steps() };
}

test('work beside mail rests for three times as long as it took, but not for each short step', async () => {
  const { runtime, rests, steps } = stepsOf([0.4, 0.4, 0.4, 2, 0.4]);
  assert.equal(await besideMail(steps, runtime, () => false), 'done');
  assert.deepEqual(
    rests.map((ms) => ms.toFixed(1)),
    ['3.6', '6.0'],
  );
});

test('work beside mail that becomes urgent does not rest', async () => {
  const { runtime, rests, steps } = stepsOf([2, 2, 2]);
  assert.equal(await besideMail(steps, runtime, () => rests.length > 0), 'done');
  assert.deepEqual(rests, [6, 0, 0]);
});

test('all other work yields to the event loop every 5 ms', async () => {
  const { runtime, rests, steps } = stepsOf([2, 2, 2, 2, 2, 2]);
  assert.equal(await inTurns(steps, runtime), 'done');
  assert.deepEqual(rests, [0, 0]);
});
