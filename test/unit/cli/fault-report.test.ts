// How often `ipc work` reports a fault that lasts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FaultReport } from '../../../src/cli/fault-report.ts';

test('a fault that lasts is reported at once and then ever more rarely, at least every hour', () => {
  let now = 0;
  const reported: number[] = [];
  const faults = new FaultReport(
    () => reported.push(now / 60_000),
    () => now,
  );
  for (; now < 6 * 3_600_000; now += 1_000) faults.report('unreachable: nobody is there');
  assert.deepEqual(reported, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303]);
});

test('another fault, or the same one after it had passed, is reported at once', () => {
  const reported: string[] = [];
  const faults = new FaultReport(
    (line) => reported.push(line),
    () => 0,
  );
  faults.report('a');
  faults.report('a');
  faults.report('b');
  faults.passed();
  faults.report('b');
  assert.deepEqual(reported, [
    'ipc: a. Trying again.',
    'ipc: b. Trying again.',
    'ipc: b. Trying again.',
  ]);
});
