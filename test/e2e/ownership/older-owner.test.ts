// A broker of an older version, at which a newer session looks or drops.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Name } from '../../../src/model/message.ts';
import { startBroker } from '../../support/brokers.ts';

const box = 'box' as Name;

test('a session that peeks at an older broker is refused, and keeps what it holds', async (context) => {
  const { client } = await startBroker(context, { isOld: true });
  const [one, other] = [client(), client()];
  await one.post(box, Buffer.from('held'));
  const delivery = await one.wait(box, { timeoutMs: 60_000 });
  assert(delivery);
  const refused = { code: 'version_mismatch', message: /is older, and cannot (peek|drop)$/ };
  await assert.rejects(one.peek(box, { messagesMax: 1, partBytesMax: 0 }), refused);
  await assert.rejects(one.drop(box), refused);
  assert.deepEqual((await other.fetch(box)).deliveries, []);
  assert.deepEqual(await one.settle([delivery]), []);
});

test('at a broker of this version the same calls succeed', async (context) => {
  const { client } = await startBroker(context);
  const one = client();
  await one.post(box, Buffer.from('ready'));
  const { messages } = await one.peek(box, { messagesMax: 1, partBytesMax: 2 });
  assert.equal(messages[0]?.part?.toString(), 're');
  assert.equal((await one.drop(box)).dropped.length, 1);
});
