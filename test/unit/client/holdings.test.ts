// The messages that a session holds while settles are on their way.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Holdings, holdOf } from '../../../src/client/holdings.ts';
import type { Held } from '../../../src/model/mail-service.ts';
import type { MessageId } from '../../../src/model/message.ts';

function message(number: number): Held {
  return { envelope: { number, id: `m${number}` as MessageId } };
}

function holding(...held: readonly Held[]): Holdings {
  const holdings = new Holdings();
  for (const each of held) holdings.add(each);
  return holdings;
}

test('a message whose settle is on its way is held, but takes no room of the next read', () => {
  const [one, two] = [message(1), message(2)];
  const holdings = holding(one, two);
  const leaving = holdings.settling([one, message(3)]);
  assert.deepEqual([holdings.size, holdings.sizeSettled], [2, 1]);
  holdings.settled([one, message(3)].map(holdOf), leaving, []);
  assert.deepEqual([holdings.size, holdings.sizeSettled], [1, 1]);
  assert.deepEqual(holdings.all(), [two]);
});

test('a message whose settle has failed takes room again', () => {
  const one = message(1);
  const holdings = holding(one);
  holdings.notSettled(holdings.settling([one]));
  assert.deepEqual([holdings.size, holdings.sizeSettled], [1, 1]);
});

test('a message is no longer held when its settle finds it with another session, unless it was offered again since', () => {
  const [one, two] = [message(1), message(2)];
  const holdings = holding(one, two);
  const leaving = holdings.settling([one, two]);
  holdings.add(message(2));
  assert.deepEqual([holdings.size, holdings.sizeSettled], [2, 1]);
  holdings.settled([one, two].map(holdOf), leaving, [one, two].map(holdOf));
  assert.deepEqual(holdings.all(), [message(2)]);
  assert.equal(holdings.sizeSettled, 1);
});

test('a message that was offered again before the broker got its settle is settled', () => {
  const one = message(1);
  const holdings = holding();
  const leaving = holdings.settling([one]);
  holdings.add(message(1));
  holdings.settled([holdOf(one)], leaving, []);
  assert.deepEqual([holdings.size, holdings.sizeSettled], [0, 0]);
});

test('a message that the broker revokes while its settle is on its way takes no room', () => {
  const one = message(1);
  const holdings = holding(one, message(2));
  const leaving = holdings.settling([one]);
  holdings.revoke([one.envelope]);
  assert.deepEqual([holdings.size, holdings.sizeSettled], [1, 1]);
  holdings.settled([holdOf(one)], leaving, [holdOf(one)]);
  assert.deepEqual([holdings.size, holdings.sizeSettled], [1, 1]);
});
