// What a session knows of its posts: their counts, and which of them are the same words again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Posts } from '../../../src/client/outbox.ts';
import type { MessageId, Name } from '../../../src/model/message.ts';

const words = {
  to: 'A' as Name,
  alsoTo: ['B'] as Name[],
  from: 'C' as Name,
  body: Buffer.from('hi'),
};
const result = { id: 'x.1' as MessageId, number: 1, reader: false, also: [], notHeld: [] };

test('each message of a post has a count of its own', () => {
  const posts = new Posts({ now: () => 0 });
  assert.deepEqual([posts.nextCount(3), posts.nextCount(1), posts.nextCount(2)], [1, 4, 5]);
  assert.equal(posts.mark, 6);
});

test('the same words to other mailboxes are another post', () => {
  const posts = new Posts({ now: () => 0 });
  posts.keepUnheard(words, { ...result, duplicate: false });
  const others = [[], ['C'], ['B', 'C']] as Name[][];
  for (const alsoTo of others) assert.equal(posts.takeUnheard({ ...words, alsoTo }), undefined);
  assert.equal(posts.takeUnheard({ ...words, alsoTo: ['B'] as Name[] })?.number, 1);
});
