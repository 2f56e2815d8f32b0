// Work on history, and how much of the event loop it leaves to mail.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemRuntime, type Timer } from '../../../src/base/runtime.ts';
import { besideMail } from '../../../src/journal/turns.ts';

/** Takes steps of these lengths, in milliseconds. Returns what came between them. */
async function pausesOf(stepsMs: readonly number[], isUrgent: () => boolean) {
  let clock = 0;
  const pauses: (number | 'turn')[] = [];
  const runtime = {
    now: () => clock,
    defer: (work: () => void) => {
      pauses.push('turn');
      setImmediate(work);
    },
    setTimer: (work: () => void, ms: number): Timer => {
      pauses.push(ms);
      clock += ms;
      return systemRuntime.setTimer(work, 0);
    },
  };
  function* steps(): Generator<void, string> {
    for (const ms of stepsMs) {
      clock += ms;
      yield;
    }
    return 'done';
  }
  assert.equal(await besideMail(steps(), runtime, isUrgent), 'done');
  return pauses;
}

test('after each part of the work, mail has the event loop three times as long', async () => {
  assert.deepEqual(await pausesOf([2, 1, 4], () => false), [6, 3, 12]);
});

test('short steps are one part', async () => {
  assert.deepEqual(await pausesOf([0.25, 0.5, 0.5, 0.25], () => false), [3.75]);
});

test('work that is urgent takes one turn after the other', async () => {
  assert.deepEqual(await pausesOf([2, 1, 4], () => true), ['turn', 'turn', 'turn']);
});

test('however long a step took, the next one follows within a tenth of a second: a close waits for it', async () => {
  assert.deepEqual(await pausesOf([30, 40, 3_600_000], () => false), [90, 100, 100]);
});
