// A move whose processes die: the mover, the owners of both brokers, the NATS server.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Name } from '../../src/model/message.ts';
import { type KeptMessage, keptMail } from '../support/moving/mail-copy.ts';
import {
  allMail,
  boxes,
  fill,
  type Places,
  places,
  placesWith,
  type Side,
} from '../support/moving/move-places.ts';
import { natsServer } from '../support/nats/nats-server.ts';
import type { Shell } from '../support/processes/shell.ts';

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
    const kill = sleep(300 * 1.3 ** kills, undefined, { signal: stop.signal }).then(
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
    ...{ name: 'from one port to another', count: 900, needsNats: false },
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
