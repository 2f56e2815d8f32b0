// What a session knows of its posts: their counts, and which of them are the same words again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Outbox } from '../../../src/client/outbox.ts';
import type { MessageId, Name } from '../../../src/model/message.ts';

const words = {
  to: 'A' as Name,
  alsoTo: ['B'] as Name[],
  from: 'C' as Name,
  body: Buffer.from('hi'),
};
const result = { id: 'x.1' as MessageId, number: 1, reader: false, also: [], notHeld: [] };

test('each message of a post has a count of its own', () => {
  const outbox = new Outbox({ now: () => 0 });
  assert.deepEqual([outbox.nextCount(3), outbox.nextCount(1), outbox.nextCount(2)], [1, 4, 5]);
  assert.equal(outbox.ackedUpTo, 6);
});

test('the same words to other mailboxes are another post', () => {
  const outbox = new Outbox({ now: () => 0 });
  outbox.keepUnheard(words, { ...result, duplicate: false });
  const others = [[], ['C'], ['B', 'C']] as Name[][];
  for (const alsoTo of others) assert.equal(outbox.takeUnheard({ ...words, alsoTo }), undefined);
  assert.equal(outbox.takeUnheard({ ...words, alsoTo: ['B'] as Name[] })?.number, 1);
});
