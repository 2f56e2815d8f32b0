// Mail on a NATS server that takes small messages only, wants a password, dies or is suspended.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { IpcError } from '../../src/base/errors.ts';
import type { AgentMail } from '../../src/index.ts';
import { libraryPlace } from '../support/library.ts';
import { type NatsNode, type NatsOptions, natsServer } from '../support/nats/nats-server.ts';
import { freePort } from '../support/places.ts';
import { retryWhileRefused } from '../support/retry.ts';

interface Mail {
  readonly server: NatsNode;
  /** Each session is on a machine of its own: it has its own state folder. */
  session(broker?: string): Promise<AgentMail>;
}

/** undefined, after a skip, where no server is installed. */
async function setUp(context: TestContext, options: NatsOptions = {}): Promise<Mail | undefined> {
  const server = await natsServer(context, options);
  if (server === undefined) return undefined;
  const port = await freePort();
  const { home, session } = await libraryPlace(context, { port: undefined, program: 'test' });
  let count = 0;
  const open = (broker = server.url) => {
    const env = { IPC_BROKER: broker, IPC_PORT: `${port}` };
    return session({ env, home: `${home}-${++count}` });
  };
  return { server, session: open };
}

test('a body of 1 MB passes through a server whose messages are at most 64 KB, and a takeover has it', async (context) => {
  const mail = await setUp(context, { maxPayload: 65_536 });
  if (!mail) return;
  const [owner, other] = [await mail.session(), await mail.session()];
  const body = Buffer.alloc(1_048_576, 'abc\n\u{1f600}');
  await owner.post('box', body);
  const message = await other.wait('box');
  assert(message?.body.equals(body));
  await message?.release({ unread: true });
  await owner.close();
  assert((await other.wait('box'))?.body.equals(body));
});

test('a server with a password takes who has it, refuses others, and no error has the password', async (context) => {
  const authorization = { user: 'ann', password: 'secret' };
  const mail = await setUp(context, { authorization });
  if (!mail) return;
  const at = `127.0.0.1:${mail.server.port}`;
  const ann = await mail.session(`nats://ann:secret@${at}`);
  await ann.post('box', 'hello');
  assert.equal((await ann.wait('box'))?.text, 'hello');
  for (const login of ['', 'ann:hunter2@']) {
    const stranger = await mail.session(`nats://${login}${at}`);
    await assert.rejects(stranger.post('box', 'x'), (error) => {
      assert(error instanceof IpcError);
      assert.equal(error.code, 'not_authorized');
      assert.doesNotMatch(`${error.message} ${error.kind.hint}`, /hunter2|secret/);
      return true;
    });
  }
  assert.equal((await ann.status()).messages, 1);
});

test('a server that is killed and started again has all that was stored, and parked waits go on', async (context) => {
  const mail = await setUp(context);
  if (!mail) return;
  const [owner, reader, poster] = [
    await mail.session(),
    await mail.session(),
    await mail.session(),
  ];
  await owner.post('kept', 'before', { id: 'job-1' });
  const waiting = reader.wait('box');
  await poster.status();
  await mail.server.kill();
  const posted = retryWhileRefused(() => poster.post('box', 'after', { id: 'job-2' }));
  await mail.server.start();
  await posted;
  assert.equal((await waiting)?.text, 'after');
  assert.equal((await poster.post('kept', 'before', { id: 'job-1' })).duplicate, true);
  assert.equal((await poster.wait('kept'))?.text, 'before');
});

test('a server that is suspended for a while holds calls up, and loses and doubles nothing', async (context) => {
  const mail = await setUp(context);
  if (!mail) return;
  const [owner, poster] = [await mail.session(), await mail.session()];
  await owner.post('box', '0');
  await poster.status();
  mail.server.stop();
  const posts = Array.from({ length: 20 }, (_, index) =>
    retryWhileRefused(() => poster.post('box', `${index + 1}`, { id: `job-${index + 1}` })),
  );
  const late = new Promise((resolve) => setTimeout(resolve, 3_000, 'held up'));
  assert.equal(await Promise.race([Promise.all(posts), late]), 'held up');
  mail.server.continue();
  await Promise.all(posts);
  const { messages } = await owner.fetch('box');
  assert.deepEqual(
    messages.map(({ text }) => Number(text)).toSorted((one, other) => one - other),
    Array.from({ length: 21 }, (_, index) => index),
  );
});
