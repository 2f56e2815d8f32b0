// Whoever has no key: he does not stall those who have one.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { type TestContext, test } from 'node:test';
import { unprovenMax } from '../../src/core/limits.ts';
import { residentMiB } from '../support/memory.ts';
import { place } from '../support/remote.ts';

const floodSockets = 10_000;
/** That many dial at the same time. */
const dialsAtOnce = 400;

/** Silent connections to one port, as many as the other side lets stand. */
class Flood {
  readonly open = new Set<Socket>();
  made = 0;

  static start(context: TestContext): Flood {
    const flood = new Flood();
    context.after(() => {
      for (const socket of flood.open) socket.destroy();
    });
    return flood;
  }

  /** Resolves when `count` connections stood. */
  async run(port: number, count: number): Promise<void> {
    let left = count;
    const dialler = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        await this.#dial(port);
      }
    };
    await Promise.all(Array.from({ length: dialsAtOnce }, dialler));
  }

  async #dial(port: number): Promise<void> {
    const socket = connect(port, '127.0.0.1');
    this.open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.open.delete(socket));
    socket.on('data', () => assert.fail('a stranger was answered'));
    await once(socket, 'connect').then(
      () => {
        this.made += 1;
      },
      () => {},
    );
  }
}

test('10,000 silent connections leave a post through the same port within a second', async (context) => {
  const { port, session } = await place(context);
  const [owner, reader, late, later] = [session(), session(), session(), session()];
  await owner.start();
  const waiting = reader.wait('box', 60_000);
  await reader.status();
  const flood = Flood.start(context);
  let flooding = true;
  const ended = flood.run(port, floodSockets).finally(() => {
    flooding = false;
  });
  while (flood.made < floodSockets / 4) await new Promise(setImmediate);

  // A session that comes in the middle of it, while the flood takes both processors.
  await late.post('box', 'in the middle');
  assert.ok(flooding, 'the flood was over before the post was stored');
  assert.equal((await waiting)?.body, 'in the middle');

  await ended;
  const after = performance.now();
  await later.post('box', 'after it');
  assert.ok(performance.now() - after < 1_000, `${performance.now() - after} ms`);
  assert.ok(flood.open.size <= unprovenMax, `${flood.open.size} strangers stand`);
});

test('flood after flood, the memory of the broker stays flat', async (context) => {
  const { port, session } = await place(context);
  const owner = session();
  await owner.start();
  const flood = Flood.start(context);
  const sizes: number[] = [];
  for (let round = 0; round < 4; round++) {
    await flood.run(port, floodSockets / 2);
    sizes.push(await residentMiB(owner.pid));
  }
  const [, second = 0, , last = 0] = sizes;
  assert.ok(last - second < 24, `MiB after each flood: ${sizes.map(Math.round).join(' ')}`);
});
