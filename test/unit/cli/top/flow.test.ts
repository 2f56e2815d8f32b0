import assert from 'node:assert/strict';
import { test } from 'node:test';
import { textOf } from '../../../../src/cli/top/columns.ts';
import { Flow, flowMessagesMax } from '../../../../src/cli/top/flow.ts';
import { flowRow } from '../../../../src/cli/top/flow-table.ts';
import type { TextEvent } from '../../../../src/cli/top/mail-source.ts';
import { happens, noon, stored } from '../../../support/top/mail-facts.ts';

function linesOf(flow: Flow): string[] {
  return flow.entries.map((entry) => textOf(flowRow(entry, 78, noon)).trimEnd());
}

test('the state of a message changes in its place', () => {
  const flow = new Flow();
  flow.live(
    [stored({ number: 1, text: 'first' }), stored({ number: 2, text: 'second' })],
    undefined,
  );
  assert.deepEqual(linesOf(flow), [
    '10:00:01 ann -> bob             stored         first',
    '10:00:02 ann -> bob             stored         second',
  ]);
  flow.live([happens('delivered', 1, 1)], undefined);
  assert.match(linesOf(flow)[0] ?? '', /with bob {7}first/);
  flow.live([happens('requeued', 1, 2, { attempt: 2 })], undefined);
  assert.match(linesOf(flow)[0] ?? '', /stored, again {2}first/);
  flow.live([happens('settled', 1, 3), happens('dropped', 2, 1)], undefined);
  assert.deepEqual(linesOf(flow), [
    '10:00:01 ann -> bob             done           first',
    '10:00:02 ann -> bob             dropped        second',
  ]);
});

test('what happened while the past was read is shown once, behind the past', () => {
  const flow = new Flow();
  const second = stored({ number: 2, text: 'second' });
  flow.live([second, stored({ number: 3, text: 'third' })], undefined);
  const past = [stored({ number: 1, text: 'first' }), happens('settled', 1, 1), second];
  flow.past(past, 20);
  assert.deepEqual(
    linesOf(flow).map((line) => line.slice(32)),
    ['done           first', 'stored         second', 'stored         third'],
  );
});

test('a pause and a gap are lines between the messages', () => {
  const flow = new Flow();
  const paused = { kind: 'paused', mailbox: 'bob', sequence: 15, time: noon + 1_500 } as const;
  const event = { event: paused, text: undefined } as TextEvent;
  flow.live([stored({ number: 1 }), event], undefined);
  flow.live([stored({ number: 4 })], { from: 20, to: 39 });
  assert.deepEqual(linesOf(flow), [
    '10:00:01 ann -> bob             stored         hello',
    '10:00:01 -- mailbox "bob": paused',
    '10:00:04 -- 20 records are missing here: they are not kept any more',
    '10:00:04 ann -> bob             stored         hello',
  ]);
});

test('the screen keeps the newest messages, however many there are', () => {
  const flow = new Flow();
  for (let number = 1; number <= flowMessagesMax + 5; number++) {
    flow.live([stored({ number })], undefined);
  }
  assert.equal(flow.entries.length, flowMessagesMax);
  assert.equal(flow.byNumber(5), undefined);
  assert.equal(flow.byNumber(6)?.stored.envelope.number, 6);
});

test('only the first line of a text is shown, a damaged one is named', () => {
  const flow = new Flow();
  const damaged = { ...stored({ number: 2 }), text: undefined };
  flow.live([stored({ number: 1, text: '\n\none\u001b[31m\ntwo' }), damaged], undefined);
  assert.deepEqual(
    linesOf(flow).map((line) => line.slice(47)),
    ['one\\u{1b}[31m', '(the disk has damaged it)'],
  );
});
