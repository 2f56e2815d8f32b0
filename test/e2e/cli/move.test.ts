// `ipc store move` as people run it, between two brokers of this machine, and to a NATS server and back.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppContext } from '../../../src/app/context.ts';
import type { Name } from '../../../src/model/message.ts';
import { keptMail } from '../../support/moving/mail-copy.ts';
import { allMail, fill, places } from '../../support/moving/move-places.ts';
import { freePort } from '../../support/places.ts';
import { atTerminal, noTerminal, showsAndEnds } from '../../support/processes/pseudo-terminal.ts';
import { shell } from '../../support/processes/shell.ts';

test('mail goes to a NATS server and back, and is what it was', async (context) => {
  const found = await places(context, true);
  if (!found) return;
  const { local, nats, run } = found;
  await local.use((mail) => fill(mail, 120));
  const before = await local.use(allMail);
  const there = await run(['store', 'move', ...nats.words('to')]);
  assert.equal(there.code, 0, there.errors);
  assert.match(there.text, /^Moved 122 messages, .*, from this machine, port .* to nats:\/\//);
  assert.deepEqual(await nats.use(allMail), before);
  const back = await run(['store', 'move', ...nats.words('from')]);
  assert.equal(back.code, 0, back.errors);
  assert.deepEqual(await local.use(allMail), before);
});

test('10,000 small messages move within a small heap', async (context) => {
  const found = await places(context, false);
  assert(found);
  const { local, other, line } = found;
  await local.use(async (mail) => {
    for (let begin = 0; begin < 10_000; begin += 1_000) {
      const posts = Array.from({ length: 1_000 }, (_, index) =>
        mail.post('jobs' as Name, Buffer.from(`${begin + index}`)),
      );
      await Promise.all(posts);
    }
  });
  const words = ['store move', ...local.words('from'), ...other.words('to'), '--json'].join(' ');
  const moved = await line(`"$@" ${words}`, { NODE_OPTIONS: '--max-old-space-size=64' });
  assert.equal(moved.code, 0, moved.errors);
  const { messages, mailboxes } = JSON.parse(moved.text);
  assert.deepEqual([messages, mailboxes.length], [10_000, 1]);
  const bodies = await other.use((mail) => keptMail(mail, 'jobs'));
  assert.deepEqual(
    bodies.map(({ body }) => body),
    Array.from({ length: 10_000 }, (_, index) => `${index}`),
  );
});

test('a dry run says what would move; held mail is reported, and the exit code is 1', async (context) => {
  const found = await places(context, false);
  assert(found);
  const { local, other, run } = found;
  await local.use(async (mail) => {
    await mail.post('ann' as Name, Buffer.from('one'));
    await mail.post('ann' as Name, Buffer.from('two'));
  });
  const words = other.words('to');
  const dry = await run(['store', 'move', ...words, '--dry-run']);
  assert.equal(dry.code, 0, dry.errors);
  assert.match(dry.text, /^Would move 2 messages, 6 bytes, from .*\n"ann": 2 messages, 6 bytes\n$/);
  await local.use(async (mail) => {
    assert(await mail.wait('ann' as Name, { timeoutMs: 5_000 }));
    const moved = await run(['store', 'move', ...words]);
    assert.equal(moved.code, 1, moved.errors);
    assert.match(moved.text, /^1 message stays, because a session holds it; run it again/m);
  });
  const rest = await run(['store', 'move', ...words]);
  assert.deepEqual([rest.code, rest.errors], [0, '']);
});

test('Ctrl-C ends a move between two parts: what is left is delivered at the source as before', async (context) => {
  const found = await places(context, false);
  assert(found);
  const { local, other, begin, run } = found;
  await local.use((mail) => fill(mail, 900));
  const before = await local.use(allMail);
  const words = ['store', 'move', ...local.words('from'), ...other.words('to')];
  const codes: (number | null)[] = [];
  for (let code: number | null = null; code !== 0; codes.push(code)) {
    const mover = begin(words);
    mover.stdout?.resume();
    mover.stderr?.resume();
    const ended = once(mover, 'exit');
    await Promise.race([ended, sleep(300 * 1.4 ** codes.length)]);
    mover.kill('SIGINT');
    const [exitCode, signal] = await ended;
    code = exitCode;
    // Before it listens for signals it has done nothing.
    assert(code === 0 || code === 130 || signal === 'SIGINT', `${code} ${signal}`);
    assert.deepEqual(await local.use((mail) => mail.status().then((each) => each.paused)), []);
  }
  context.diagnostic(`exit codes ${codes}`);
  assert.deepEqual(await other.use(allMail), before);
  assert.equal((await run(words)).code, 0);
});

test('a person at a terminal sees how far a long move is, and a pipe gets nothing of that', {
  skip: noTerminal,
}, async (context) => {
  const found = await shell(context);
  const app = new AppContext({ env: {}, program: 'test', home: found.home });
  const { mail } = await app.broker({ port: found.port });
  await fill(mail, 3_000);
  await app.close();
  const port = await freePort();
  const line = `ipc store move --to-port ${port} > /dev/null`;
  await showsAndEnds(atTerminal(found, line), /Moving: \d+ of \d+ messages/);
});

test('a move without a source and a target is a usage error, and so are a port given twice and one store for both', async (context) => {
  const { run } = await shell(context);
  const none = await run(['store', 'move']);
  assert.equal(none.code, 2);
  assert.match(none.errors, /^ipc: missing_parameter: move needs --from or --to/);
  const twice = await run(['store', 'move', '--to', 'localhost:19950', '--to-port', '19951']);
  assert.equal(twice.code, 2);
  assert.match(twice.errors, /--to has a port already/);
  const same = await run(['store', 'move', '--to', '127.0.0.1']);
  assert.equal(same.code, 2);
  assert.equal(
    same.errors,
    'ipc: bad_parameter: source and target are the same store. To do: name another broker, or another port.\n',
  );
});
