// The measure of a peer's silence, with a clock that moves by hand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Patience, Standstill } from '../../../src/base/standstill.ts';
import { ManualRuntime } from '../../support/manual-runtime.ts';

test('a gap of more than one and a half turns is a standstill, and is reported once', async () => {
  const runtime = new ManualRuntime();
  const standstill = new Standstill(1_000, runtime);
  await runtime.pass(1_500);
  assert.equal(standstill.hasEnded(), false);
  await runtime.pass(1_501);
  assert.equal(standstill.hasEnded(), true);
  assert.equal(standstill.hasEnded(), false);
});

function patient(limitMs: number) {
  const runtime = new ManualRuntime();
  const patience = new Patience(limitMs, runtime);
  let overs = 0;
  patience.onOver = () => {
    overs += 1;
  };
  return { runtime, patience, overs: () => overs };
}

test('the time of a peer is over once, after its limit', async () => {
  const { runtime, overs, patience } = patient(2_000);
  await runtime.pass(1_999);
  assert.deepEqual([overs(), patience.passedMs], [0, 1_750]);
  await runtime.pass(1);
  await new Promise(setImmediate);
  assert.deepEqual([overs(), patience.passedMs], [1, 2_000]);
  await runtime.pass(60_000);
  assert.deepEqual([overs(), patience.passedMs], [1, 2_000]);
});

test('the time of a peer begins anew after each standstill of this process', async () => {
  const { runtime, overs } = patient(2_000);
  for (let times = 0; times < 3; times++) {
    await runtime.pass(1_900);
    runtime.standStill(60_000);
    await runtime.pass(0);
  }
  await runtime.pass(1_900);
  assert.equal(overs(), 0);
  await runtime.pass(250);
  await new Promise(setImmediate);
  assert.equal(overs(), 1);
});

test('a stop that is short beside the time of a peer does not count, and does not begin that time anew', async () => {
  const { runtime, overs, patience } = patient(60_000);
  await runtime.pass(30_000);
  runtime.standStill(3_000);
  await runtime.pass(0);
  assert.equal(patience.passedMs, 30_250);
  await runtime.pass(29_750);
  await new Promise(setImmediate);
  assert.equal(overs(), 1);
});

test('a short time is over even if no turn of a busy process comes in time', async () => {
  const { runtime, overs } = patient(80);
  for (let turns = 0; turns < 8; turns++) {
    runtime.standStill(100);
    await runtime.pass(0);
  }
  await new Promise(setImmediate);
  assert.equal(overs(), 1);
});

test('a patience that has ended is never over', async () => {
  const { runtime, patience, overs } = patient(2_000);
  await runtime.pass(1_900);
  patience.end();
  await runtime.pass(10_000);
  assert.equal(overs(), 0);
});
