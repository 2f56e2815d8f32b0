import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnswerIndex } from '../../../src/engine/answer-index.ts';
import type { MessageId } from '../../../src/model/message.ts';

const [question, other] = ['question', 'other'] as MessageId[] as [MessageId, MessageId];

test('the answer with the lowest number comes first, until it is gone', () => {
  const index = new AnswerIndex();
  assert.equal(index.first(question), undefined);
  for (const number of [7, 5, 9]) index.add(question, number);
  index.add(other, 1);
  assert.equal(index.first(question), 5);
  index.delete(question, 5);
  assert.equal(index.first(question), 7);
  index.delete(question, 7);
  index.delete(question, 9);
  assert.equal(index.first(question), undefined);
  assert.equal(index.first(other), 1);
});

test('an answer that is added twice is there once, and deleting one that is not there changes nothing', () => {
  const index = new AnswerIndex();
  index.add(question, 3);
  index.add(question, 3);
  index.delete(question, 4);
  assert.equal(index.first(question), 3);
  index.delete(question, 3);
  assert.equal(index.first(question), undefined);
  index.delete(question, 3);
});
