// `ipc store move` between two brokers of this machine, and to a NATS server and back, as people run it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppContext } from '../../../src/app/context.ts';
import { bodyBytesMax } from '../../../src/base/limits.ts';
import type { MailService } from '../../../src/model/mail-service.ts';
import type { MessageId, Name } from '../../../src/model/message.ts';
import { type KeptMessage, keptMail } from '../../support/moving/mail-copy.ts';
import { natsServer } from '../../support/nats/nats-server.ts';
import { freePort } from '../../support/places.ts';
import { atTerminal, noTerminal, shows } from '../../support/processes/pseudo-terminal.ts';
import { type Shell, shell } from '../../support/processes/shell.ts';

/** How a command line names a broker, and how a test opens it. */
interface Side {
  readonly words: (does: 'from' | 'to') => readonly string[];
  /** In this process, which owns the broker until the end of `use`. */
  use<Result>(act: (mail: MailService) => Promise<Result>): Promise<Result>;
}

interface Places extends Pick<Shell, 'begin' | 'line' | 'run'> {
  readonly local: Side;
  readonly other: Side;
  readonly nats: Side;
}

async function places(context: TestContext, needsNats: boolean): Promise<Places | undefined> {
  const node = needsNats ? await natsServer(context) : undefined;
  if (needsNats && !node) return undefined;
  return placesWith(context, node?.url ?? 'nats://127.0.0.1:1');
}

async function placesWith(context: TestContext, natsUrl: string): Promise<Places> {
  const found = await shell(context);
  const side = (port: number, url?: string): Side => ({
    words: (does) => [
      ...(url === undefined ? [] : [`--${does}`, url]),
      `--${does}-port`,
      `${port}`,
    ],
    use: async (act) => {
      const app = new AppContext({ env: {}, program: 'test', home: found.home });
      try {
        const host = url === undefined ? {} : { host: { host: url } };
        return await act((await app.broker({ ...host, port })).mail);
      } finally {
        await app.close();
      }
    },
  });
  const local = side(found.port);
  const other = side(await freePort());
  return { ...found, local, other, nats: side(found.port, natsUrl) };
}

const boxes = ['ann', 'ben', 'jobs'].map((name) => name as Name);

/** Mail with large, small and empty bodies, chosen ids, answers, and a dead letter. */
async function fill(mail: MailService, count: number): Promise<void> {
  const posts = Array.from({ length: count }, async (_, index) => {
    const box = boxes[index % boxes.length] as Name;
    const large = index % 97 === 5 ? bodyBytesMax : index % 31;
    const body = Buffer.from(`${index} `.padEnd(large, 'x').slice(0, bodyBytesMax));
    const id = index % 5 === 0 ? { id: `job-${index}` as MessageId } : {};
    return mail.post(box, body, { from: 'ann' as Name, ...id });
  });
  const [first] = await Promise.all(posts);
  await mail.post('ann' as Name, Buffer.from('!'), { answers: first?.id });
  await mail.post('bad' as Name, Buffer.from('a dead letter'));
  const bad = await mail.wait('bad' as Name, { timeoutMs: 5_000 });
  assert(bad);
  await mail.release([bad], { rejected: true });
}

type Mail = readonly (readonly KeptMessage[])[];

function allMail(mail: MailService): Promise<Mail> {
  return Promise.all([...boxes, 'dead-letters'].map((box) => keptMail(mail, box)));
}

/** Kills the mover at a later point each time, until a run ends by itself. Returns how often it was killed. */
async function moveThroughKills(
  { begin }: Pick<Shell, 'begin'>,
  [from, to]: readonly [Side, Side],
  between: (kills: number) => Promise<void>,
): Promise<number> {
  const args = ['store', 'move', ...from.words('from'), ...to.words('to'), '--json'];
  for (let kills = 0; ; kills++) {
    const child = begin(args);
    const ended = once(child, 'exit');
    let errors = '';
    child.stderr?.on('data', (chunk) => {
      errors += chunk;
    });
    child.stdout?.resume();
    const stop = new AbortController();
    const kill = sleep(350 + kills * 60, undefined, { signal: stop.signal }).then(
      () => child.kill('SIGKILL'),
      () => {},
    );
    const [code, signal] = await ended;
    stop.abort();
    await kill;
    if (signal === null) {
      assert.equal(code, 0, errors);
      return kills;
    }
    await between(kills);
  }
}

for (const { name, count, needsNats, sides } of [
  {
    ...{ name: 'from one port to another', count: 1_200, needsNats: false },
    sides: ({ local, other }: Places) => [local, other] as const,
  },
  {
    ...{ name: 'to a NATS server', count: 400, needsNats: true },
    sides: ({ local, nats }: Places) => [local, nats] as const,
  },
  {
    ...{ name: 'from a NATS server', count: 400, needsNats: true },
    sides: ({ local, nats }: Places) => [nats, local] as const,
  },
]) {
  test(`a move ${name} whose process is killed again and again moves each message once, in order`, async (context) => {
    const found = await places(context, needsNats);
    if (!found) return;
    const [from, to] = sides(found);
    await from.use((mail) => fill(mail, count));
    const before = await from.use(allMail);
    const read: KeptMessage[][] = [[], [], []];
    // A reader at the target settles some of what has come, so that an import that is repeated cannot see it any more.
    const between = (kills: number) =>
      to.use(async (mail) => {
        const box = boxes[kills % boxes.length] as Name;
        const kept = await keptMail(mail, box);
        const { deliveries } = await mail.fetch(box, { messagesMax: 20 });
        read[kills % boxes.length]?.push(...kept.slice(0, deliveries.length));
        await mail.settle(deliveries);
      });
    const kills = await moveThroughKills(found, [from, to], between);
    context.diagnostic(`${kills} kills`);
    const left = await to.use(allMail);
    const after = left.map((mail, index) => [...(read[index] ?? []), ...mail]);
    assert.deepEqual(after, before);
    assert.deepEqual(await from.use((mail) => mail.status().then((each) => each.messages)), 0);
    assert.deepEqual(await from.use((mail) => mail.status().then((each) => each.paused)), []);
  });
}

test('a move goes on when the owners of both brokers are killed again and again', async (context) => {
  const found = await places(context, false);
  assert(found);
  const { local, other, begin } = found;
  await local.use((mail) => fill(mail, 900));
  const before = await local.use(allMail);
  const port = ({ words }: Side) => words('to').at(-1) ?? '';
  const owners = [local, other].map((side) => () => begin(['broker', '--port', port(side)]));
  let kills = 0;
  for (let code: number | null = null; code !== 0; ) {
    const running = owners.map((start) => start());
    await Promise.all(running.map((each) => each.stdout && once(each.stdout, 'data')));
    const mover = begin(['store', 'move', ...local.words('from'), ...other.words('to'), '--json']);
    mover.stdout?.resume();
    mover.stderr?.resume();
    const ended = once(mover, 'exit');
    for (const [index, owner] of running.entries()) {
      const isOver = await Promise.race([
        ended.then(() => true),
        sleep(400 + index * 50 + kills * 20),
      ]);
      if (isOver === true) break;
      owner.kill('SIGKILL');
      kills++;
    }
    [code] = await ended;
    for (const owner of running) owner.kill('SIGKILL');
    assert(kills < 60, 'it never ends');
  }
  context.diagnostic(`${kills} kills`);
  assert.deepEqual(await other.use(allMail), before);
  assert.equal(await local.use((mail) => mail.status().then((each) => each.messages)), 0);
});

test('a move goes on when the NATS server is killed and started again', async (context) => {
  const node = await natsServer(context);
  if (!node) return;
  const { local, nats, begin } = await placesWith(context, node.url);
  await local.use((mail) => fill(mail, 300));
  const before = await local.use(allMail);
  let kills = 0;
  for (let code: number | null = null; code !== 0; ) {
    const mover = begin(['store', 'move', ...nats.words('to'), '--json']);
    mover.stdout?.resume();
    mover.stderr?.resume();
    const ended = once(mover, 'exit');
    const isOver = await Promise.race([ended.then(() => true), sleep(450 + kills * 100)]);
    if (isOver !== true && kills < 6) {
      kills++;
      await node.kill();
      await node.start();
    }
    [code] = await ended;
  }
  context.diagnostic(`${kills} kills`);
  assert.deepEqual(await nats.use(allMail), before);
  assert.equal(await local.use((mail) => mail.status().then((each) => each.messages)), 0);
});

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
  await local.use((mail) => fill(mail, 1_500));
  const before = await local.use(allMail);
  const words = ['store', 'move', ...local.words('from'), ...other.words('to')];
  const codes: (number | null)[] = [];
  for (let code: number | null = null; code !== 0; codes.push(code)) {
    const mover = begin(words);
    mover.stdout?.resume();
    mover.stderr?.resume();
    const ended = once(mover, 'exit');
    await Promise.race([ended, sleep(500 + codes.length * 150)]);
    mover.kill('SIGINT');
    [code] = await ended;
    assert(code === 0 || code === 130, `${code}`);
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
  await shows(atTerminal(found, line), /Moving: \d+ of \d+ messages/);
});

test('a move without a source and a target is a usage error, and so is a port given twice', async (context) => {
  const { run } = await shell(context);
  const none = await run(['store', 'move']);
  assert.equal(none.code, 2);
  assert.match(none.errors, /^ipc: missing_parameter: move needs --from or --to/);
  const twice = await run(['store', 'move', '--to', 'localhost:19950', '--to-port', '19951']);
  assert.equal(twice.code, 2);
  assert.match(twice.errors, /--to has a port already/);
});
