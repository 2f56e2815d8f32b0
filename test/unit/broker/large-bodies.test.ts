// The memory of large bodies is used again. No body may change while anybody still reads it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Name } from '../../../src/model/message.ts';
import { dial } from '../../../src/net/connect.ts';
import type { Connection } from '../../../src/net/connection.ts';
import { startBroker } from '../../support/brokers.ts';

const megabyte = 1_048_576;
const box = 'box' as Name;

test('a body that waits for a slow peer stays as it is while later bodies come and go', async (context) => {
  const { client, port, keys } = await startBroker(context);
  const poster = client();
  // More than the kernel takes for a peer that does not read.
  for (const letter of 'abcdefg') await poster.post(box, Buffer.alloc(megabyte, letter));
  let connection: Connection | undefined;
  const slow = client(async () => {
    connection = await dial({ host: '127.0.0.1', port }, keys);
    return connection;
  });
  await slow.status();
  connection?.pause();
  const peeked = slow.peek(box, { messagesMax: 7, partBytesMax: megabyte });
  // Behind the peek on the same connection.
  const marked = slow.post('marker' as Name, Buffer.from('the broker has handled the peek'));
  await poster.wait('marker' as Name, { timeoutMs: Number.POSITIVE_INFINITY });

  await poster.drop(box);
  for (const letter of 'hijklmn') await poster.post(box, Buffer.alloc(megabyte, letter));
  connection?.resume();
  const { messages } = await peeked;
  await marked;
  assert.equal(messages.map(({ part }) => lettersIn(part)).join(' '), 'a b c d e f g');
});

test('a body that a follower reads stays as it is while later bodies come and go', async (context) => {
  const { client } = await startBroker(context);
  const [poster, follower] = [client(), client()];
  const how = { partBytesMax: megabyte, timeoutMs: 0 };
  let { next } = await follower.events({ ...how, after: 'now' });
  for (const letters of ['ab', 'cd', 'ef']) {
    for (const letter of letters) await poster.post(box, Buffer.alloc(megabyte, letter));
    await poster.drop(box);
  }
  const parts: string[] = [];
  while (parts.length < 6) {
    const batch = await follower.events({ ...how, after: next });
    next = batch.next;
    for (const event of batch.events)
      if (event.kind === 'stored') parts.push(lettersIn(event.part));
  }
  assert.equal(parts.join(' '), 'a b c d e f');
});

test('bodies of posts that are in flight together arrive as they were posted', async (context) => {
  const { client } = await startBroker(context);
  const [poster, reader] = [client(), client()];
  const letters = [...'abcdefghijklmnopqrstuvwxyz'];
  const read: string[] = [];
  const reading = (async () => {
    while (read.length < letters.length) {
      const delivery = await reader.wait(box, { timeoutMs: Number.POSITIVE_INFINITY });
      assert(delivery?.body);
      read.push(lettersIn(delivery.body));
      await reader.settle([delivery]);
    }
  })();
  let next = 0;
  const lane = async () => {
    for (let letter = letters[next++]; letter; letter = letters[next++])
      await poster.post(box, Buffer.alloc(megabyte - next, letter));
  };
  await Promise.all([lane(), lane(), lane(), lane(), reading]);
  assert.deepEqual(read.sort(), letters);
});

/** Each letter in it once. */
function lettersIn(body: Buffer | undefined): string {
  return body ? [...new Set(body.toString('latin1'))].join('') : 'none';
}
