// `mail.watch()` without a mailbox: what happens to mail, for a program that only looks on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentMail, WatchEvent } from '../../../src/index.ts';
import { libraryPlace } from '../../support/library.ts';

/** All that happened until now. */
async function past(mail: AgentMail, options: object = {}): Promise<WatchEvent[]> {
  const events: WatchEvent[] = [];
  for await (const event of mail.watch({ since: new Date(0), timeoutMs: 0, ...options })) {
    events.push(event);
  }
  return events;
}

test('a loop without a mailbox sees what others do, as plain objects, and takes nothing', async (context) => {
  const { session } = await libraryPlace(context, { program: 'test' });
  const boss = await session({ name: 'boss' });
  const ann = await session({ name: 'ann' });
  const loop = (await session()).watch({ bodies: true });
  const first = loop.next();
  // The loop has begun when an event of another mailbox came through it.
  let isFollowing = false;
  void first.then(() => {
    isFollowing = true;
  });
  while (!isFollowing) await boss.post('start', 'now');
  await boss.post('ann', 'do this\nand that');
  const job = await ann.wait('ann');
  assert(job);
  const answer = await ann.post('boss', 'done', { answers: job });
  const seen: WatchEvent[] = [];
  for await (const event of loop) {
    if ('message' in event && event.message.to === 'start') continue;
    seen.push(event);
    if (event.kind === 'settled') break;
  }
  const message = { id: job.id, number: job.number, to: 'ann', from: 'boss' };
  const [stored, delivered, answered, settled] = seen;
  assert(stored?.kind === 'stored' && delivered?.kind === 'delivered');
  const { cursor, time, origin, ...rest } = stored;
  assert.deepEqual(rest, {
    ...{ kind: 'stored', message, answers: '', depth: 0, bytes: 16, damaged: false },
    ...{ line: 'do this…', text: 'do this\nand that' },
  });
  assert.deepEqual([origin.program, time, cursor.epoch], ['test', job.time, 1]);
  const { mailbox, attempt, name, session: holder } = delivered;
  assert.deepEqual([delivered.message, mailbox, attempt, name], [message, 'ann', 1, 'ann']);
  assert.equal(holder.length, 16);
  assert(answered?.kind === 'stored' && settled?.kind === 'settled');
  assert.deepEqual([answered.text, answered.answers], ['done', job.id]);
  assert.deepEqual([settled.message, settled.by, settled.session], [message, answer.id, holder]);
  assert.equal((await boss.wait('boss'))?.text, 'done');
});

test('a watch goes on behind the cursor of any event, or begins at a time, or with what is kept', async (context) => {
  const { session } = await libraryPlace(context, { program: 'test' });
  const mail = await session({ name: 'boss' });
  for (const text of ['one', 'two', 'three']) await mail.post(['ann', 'ben'], text);
  const all = await past(mail);
  assert.deepEqual(
    all.map((event) => event.kind === 'stored' && [event.message.to, event.line, event.text]),
    ['one', 'two', 'three'].flatMap((line) => [
      ['ann', line, undefined],
      ['ben', line, undefined],
    ]),
  );
  const [first, second, , fourth] = all;
  assert(first && second && fourth);
  // Both messages of a post are in one record, so a cursor within it is in front of it.
  const behind = async (event: WatchEvent) => {
    const rest = await past(mail, { since: undefined, after: event.cursor });
    return rest.length;
  };
  assert.deepEqual([await behind(first), await behind(second), await behind(fourth)], [6, 4, 2]);
  assert.deepEqual(await past(mail, { since: new Date(Date.now() + 60_000) }), []);
  assert.equal((await past(mail, { mailboxes: ['ben'] })).length, 3);
});

test('the timeout ends a watch of all that happens, and so does a signal, with `cancelled`', async (context) => {
  const { session } = await libraryPlace(context, { program: 'test' });
  const mail = await session();
  const seen: WatchEvent[] = [];
  for await (const event of mail.watch({ timeoutMs: 200 })) seen.push(event);
  assert.deepEqual(seen, []);
  const ended = new AbortController();
  const watching = mail.watch({ signal: ended.signal }).next();
  ended.abort();
  await assert.rejects(watching, { code: 'cancelled' });
});

test('a signal that is aborted while the body of a loop runs ends the loop before its next event', async (context) => {
  const { session } = await libraryPlace(context, { program: 'test' });
  const mail = await session();
  for (const text of ['one', 'two', 'three']) await mail.post('ann', text);
  const ended = new AbortController();
  const seen: string[] = [];
  const loop = async () => {
    for await (const event of mail.watch({ since: new Date(0), signal: ended.signal })) {
      seen.push(event.kind === 'stored' ? `${event.line}` : event.kind);
      ended.abort();
    }
  };
  await assert.rejects(loop(), { code: 'cancelled' });
  assert.deepEqual(seen, ['one']);
});

test('a watch of all that happens names the options that it does not take', async (context) => {
  const { session } = await libraryPlace(context, { program: 'test' });
  const mail = await session();
  for (const [options, code] of [
    [{ since: new Date(0), after: { epoch: 1, sequence: 1 } }, 'bad_parameter'],
    [{ since: 0 }, 'bad_parameter'],
    [{ after: 7 }, 'bad_parameter'],
    [{ mailboxes: 'ann' }, 'bad_parameter'],
    [{ mailboxes: Array.from({ length: 101 }, (_, index) => `m${index}`) }, 'bad_parameter'],
    [{ mailboxes: ['a\nb'] }, 'bad_name'],
    [{ path: 'x' }, 'unknown_parameter'],
  ] as const) {
    await assert.rejects(mail.watch(options as never).next(), { code });
  }
});
