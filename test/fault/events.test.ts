// Sessions that follow what happens to mail, while processes of others post, read, and are killed.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { AgentMail, WatchEvent } from '../../src/index.ts';
import { open } from '../../src/index.ts';
import { place } from '../support/processes/remote.ts';

/** A session in this process that follows from now on, or from the start. */
class Watcher {
  readonly events: WatchEvent[] = [];
  readonly #loop: AsyncGenerator<WatchEvent, void>;

  constructor(mail: AgentMail, options: Parameters<AgentMail['watch']>[0] & object) {
    this.#loop = mail.watch(options as { since: Date });
  }

  async until(isLast: (event: WatchEvent) => boolean): Promise<void> {
    for (;;) {
      const { value, done } = await this.#loop.next();
      if (done) throw new Error('the watch ended');
      this.events.push(value);
      if (isLast(value)) return;
    }
  }

  /** `stored 3`, in their order. */
  get words(): string[] {
    return this.events.map((event) => {
      const number = 'message' in event ? ` ${event.message.number}` : '';
      return `${event.kind}${number}${'attempt' in event ? ` attempt ${event.attempt}` : ''}`;
    });
  }
}

async function start(context: TestContext) {
  const { home, port, session } = await place(context);
  const mails: AgentMail[] = [];
  context.after(() => Promise.all(mails.map((mail) => mail.close())));
  const watcher = async () => {
    const mail = await open({ home, port, env: {} });
    mails.push(mail);
    return mail;
  };
  return { session, watcher };
}

const isStored = (text: string) => (event: WatchEvent) =>
  event.kind === 'stored' && event.text === text;

test('a session that follows sees each event once and in order, while one owner after the other is killed', async (context) => {
  const { session, watcher } = await start(context);
  const first = session();
  await first.post('jobs', 'first');
  const following = new Watcher(await watcher(), { since: new Date(0), bodies: true });
  await following.until(isStored('first'));
  const expected = ['stored 1'];
  let owner = first;
  for (let round = 1; round <= 4; round++) {
    const [next, worker] = [session(), session()];
    await next.status();
    const body = `round ${round}`;
    const { number } = await next.post('jobs', body);
    const [held] = (await worker.fetch('jobs', 1)).deliveries;
    assert(held);
    await owner.kill();
    await worker.settle(held.number);
    await worker.kill();
    expected.push(
      `stored ${number}`,
      `delivered ${held.number} attempt 1`,
      `settled ${held.number}`,
    );
    owner = next;
  }
  const last = await session().post('done', 'done');
  await following.until(isStored('done'));
  // A hold that the next owner kept for its session is no second delivery; a number can be skipped by a takeover.
  assert.deepEqual(following.words, [...expected, `stored ${last.number}`]);
});

test('the owner can follow its own broker, and what it sees is what others do', async (context) => {
  const { session, watcher } = await start(context);
  const mail = await watcher();
  await mail.start();
  const following = new Watcher(mail, { since: new Date(0), bodies: true });
  const [poster, reader] = [session(), session()];
  await poster.post('jobs', 'one');
  await reader.fetch('jobs');
  await reader.kill();
  await poster.post('jobs', 'two');
  await following.until(() => following.events.length === 4);
  assert.deepEqual(following.words.toSorted(), [
    'delivered 1 attempt 1',
    'requeued 1 attempt 2',
    'stored 1',
    'stored 2',
  ]);
});

test('loops that read all that happened leave the mail as it was', async (context) => {
  const { session, watcher } = await start(context);
  const owner = session();
  await owner.post('jobs', 'one');
  const before = await owner.status();
  const mail = await watcher();
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for await (const event of mail.watch({ since: new Date(0), timeoutMs: 0 })) {
        assert.equal(event.kind, 'stored');
      }
    }),
  );
  await mail.close();
  const after = await owner.status();
  assert.deepEqual([after.messages, after.mailboxes], [before.messages, before.mailboxes]);
  const [delivered] = (await owner.fetch('jobs')).deliveries;
  assert.deepEqual([delivered?.body, delivered?.attempt], ['one', 1]);
});
