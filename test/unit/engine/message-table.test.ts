import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asPosted, MessageTable } from '../../../src/engine/message-table.ts';
import type { Envelope, MessageId, Name } from '../../../src/model/message.ts';
import { origin, sessionOf } from '../../support/model/engine.ts';

const [A, B] = ['A', 'B'] as [Name, Name];
const [ann, bob] = [sessionOf('ann'), sessionOf('bob')];
const unhold = { holder: undefined, heldSince: undefined, lastHold: undefined };

function envelopeOf(number: number, id: string): Envelope {
  const sizes = { depth: 2, bodyBytes: 300, checksum: 0xffffffff };
  const answers = `${bob}.9` as MessageId;
  return { id: id as MessageId, number, to: A, from: B, time: 1.7e12, answers, origin, ...sizes };
}

function replayed(...messages: readonly (readonly [number: number, id: string])[]): MessageTable {
  const table = new MessageTable();
  for (const [number, id] of messages) table.addReplayed(asPosted(envelopeOf(number, id)));
  return table;
}

function found(table: MessageTable, ...ids: readonly string[]): (number | undefined)[] {
  return ids.map((id) => table.numberOf(id as MessageId));
}

test('a message that was replayed is the one that was posted, with all of its fields', () => {
  const table = replayed([7, `${ann}.999999999999999`]);
  const expected = {
    envelope: envelopeOf(7, `${ann}.999999999999999`),
    ...{ mailbox: A, attempt: 1, ...unhold },
  };
  assert.deepEqual(table.read(7), expected);
  assert.deepEqual(table.get(7), expected);
});

test('a change of a replayed message lasts', () => {
  const table = replayed([7, `${ann}.1`]);
  const message = table.get(7);
  assert(message);
  message.attempt = 2;
  assert.equal(table.get(7), message);
  assert.equal(table.read(7)?.attempt, 2);
  assert.deepEqual(found(table, `${ann}.1`), [7]);
});

test('a replayed message with another attempt or mailbox keeps them', () => {
  const table = new MessageTable();
  table.addReplayed(asPosted(envelopeOf(1, `${ann}.1`), B));
  table.addReplayed(asPosted(envelopeOf(2, `${ann}.2`), A, 3));
  const states = [1, 2].map((number) => table.read(number));
  assert.deepEqual(
    states.map((message) => [message?.mailbox, message?.attempt]),
    [
      [B, 1],
      [A, 3],
    ],
  );
});

test('messages are found by ids of every form, in whatever order they were read', () => {
  const ids = [`${ann}.5`, `${ann}.8`, `${ann}.6`, `${bob}.1`, 'of a caller', `${ann}.05`];
  const table = replayed(...ids.map((id, index) => [1 + index, id] as const));
  assert.deepEqual(found(table, ...ids), [1, 2, 3, 4, 5, 6]);
  const others = [`${ann}.7`, `${bob}.2`, `${sessionOf('cat')}.1`, 'of another', `${ann}.9`];
  assert.deepEqual(
    found(table, ...others),
    others.map(() => undefined),
  );
});

test('a message that is gone is not found, and those beside it are', () => {
  const ids = [`${ann}.1`, `${ann}.2`, `${ann}.3`, `${bob}.1`];
  const table = replayed(...ids.map((id, index) => [1 + index, id] as const));
  table.get(1);
  for (const number of [1, 2, 4]) table.delete(number);
  assert.deepEqual(found(table, ...ids), [undefined, undefined, 3, undefined]);
  assert.deepEqual([table.has(2), table.has(3), table.size], [false, true, 1]);
  table.addReplayed(asPosted(envelopeOf(9, `${bob}.1`)));
  assert.deepEqual(found(table, `${bob}.1`), [9]);
});

test('of two messages with one id the later one is found, and the end of the other changes nothing', () => {
  const table = replayed([1, `${ann}.1`], [2, `${ann}.1`], [3, `${bob}.1`]);
  table.add(asPosted(envelopeOf(4, `${bob}.1`)));
  assert.deepEqual(found(table, `${ann}.1`, `${bob}.1`), [2, 4]);
  for (const number of [1, 3]) table.delete(number);
  assert.deepEqual(found(table, `${ann}.1`, `${bob}.1`), [2, 4]);
});

test('the newest message with an id is found whether it is packed or not', () => {
  const table = new MessageTable();
  table.addReplayed(asPosted(envelopeOf(1, `${ann}.1`), A, 2));
  table.addReplayed(asPosted(envelopeOf(2, `${ann}.1`)));
  assert.deepEqual(found(table, `${ann}.1`), [2]);
  table.delete(2);
  assert.deepEqual(found(table, `${ann}.1`), [1]);
});

test('many messages come and go, and what is left is what was posted', () => {
  const numbers = Array.from({ length: 1_000 }, (_, index) => 1 + index);
  const table = replayed(...numbers.map((number) => [number, `${ann}.${number}`] as const));
  for (const number of numbers) if (number % 100 !== 0) table.delete(number);
  const left = numbers.map((number) => table.read(number)?.envelope.id).filter(Boolean);
  assert.deepEqual(
    left,
    [100, 200, 300, 400, 500, 600, 700, 800, 900, 1_000].map((count) => `${ann}.${count}`),
  );
});
