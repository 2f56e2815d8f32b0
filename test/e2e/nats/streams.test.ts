// Streams that are there before agent-ipc is, and servers with little room or small messages.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { jetstreamManager, type StreamConfig } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { type AgentMail, IpcError } from '../../../src/index.ts';
import { libraryPlace } from '../../support/library.ts';
import { type NatsOptions, natsServer } from '../../support/nats/nats-server.ts';

async function place(context: TestContext, options: NatsOptions = {}) {
  const server = await natsServer(context, options);
  if (!server) return undefined;
  const { session, port } = await libraryPlace(context, { env: { IPC_BROKER: server.url } });
  const connection = await connect({ servers: server.url });
  context.after(() => connection.close());
  const manager = await jetstreamManager(connection);
  return { session: () => session(), port, manager };
}

const wrong: readonly [setting: Partial<StreamConfig>, words: RegExp][] = [
  [{ discard: 'old' }, /discard old in place of new/],
  [{ max_age: 60e9, duplicate_window: 60e9 }, /a maximum age/],
  [{ max_msgs: 1_000 }, /a maximum number of messages/],
  [{ max_msgs_per_subject: 1 }, /for each subject/],
  [{ retention: 'workqueue' }, /retention workqueue in place of limits/],
];

for (const [setting, words] of wrong) {
  test(`a stream with ${JSON.stringify(setting)} would lose mail, so it is refused`, async (context) => {
    const found = await place(context);
    if (!found) return;
    const { session, port, manager } = found;
    const subjects = [`ipc.${port}.f.*`, `ipc.${port}.claim`];
    await manager.streams.add({ name: `ipc-${port}`, subjects, discard: 'new', ...setting });
    const mail = await session();
    await assert.rejects(mail.post('ann', 'hello'), { code: 'home_unusable', message: words });
  });
}

test('subjects that another stream has are an error that says so', async (context) => {
  const found = await place(context);
  if (!found) return;
  const { session, port, manager } = found;
  await manager.streams.add({ name: 'theirs', subjects: [`ipc.${port}.>`] });
  const mail = await session();
  await assert.rejects(mail.post('ann', 'hello'), { message: /subjects overlap/ });
});

test('a server with little room sets it aside, and posts are refused before it has none', async (context) => {
  const found = await place(context, { storeBytesMax: 160 * 1024 * 1024 });
  if (!found) return;
  const { session, port, manager } = found;
  const mail = await session();
  await mail.start();
  const { config } = await manager.streams.info(`ipc-${port}`);
  assert.equal(config.max_bytes, 128 * 1024 * 1024);
  const stored = await postUntilRefused(mail);
  assert.ok(stored >= 60, `${stored} messages of 1 MB are stored`);
  await (await mail.wait('box'))?.settle();
  await assert.rejects(mail.post('box', 'x'.repeat(1_000_000)), { code: 'store_full' });
});

/** Returns how many messages of 1 MB were stored. */
async function postUntilRefused(mail: AgentMail): Promise<number> {
  const body = 'x'.repeat(1_000_000);
  for (let stored = 0; ; stored++) {
    try {
      await mail.post('box', body);
    } catch (error) {
      assert.ok(error instanceof IpcError);
      assert.equal(error.code, 'store_full');
      return stored;
    }
  }
}

test('a body of 1 MB passes through a server whose messages are at most 64 KB, and a takeover has it', async (context) => {
  const found = await place(context, { maxPayload: 65_536 });
  if (!found) return;
  const [owner, other] = [await found.session(), await found.session()];
  const body = Buffer.alloc(1_048_576, 'abc\n\u{1f600}');
  await owner.post('box', body);
  const message = await other.wait('box');
  assert.ok(message?.body.equals(body));
  await message?.release({ unread: true });
  await owner.close();
  assert.ok((await other.wait('box'))?.body.equals(body));
});

test('a server without that much room keeps no mail, and says so', async (context) => {
  const found = await place(context, { storeBytesMax: 20 * 1024 * 1024 });
  if (!found) return;
  const mail = await found.session();
  await assert.rejects(mail.post('ann', 'hello'), {
    code: 'unreachable',
    message: /has no place for the mail/,
  });
});
