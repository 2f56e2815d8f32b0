// Everything stands still for a minute, or only the owner does: a message that a session holds stays with it,
// and no call fails because of it. The processes are simulated; fault/standstill.test.ts has real ones.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CrashDisk } from '../support/disk/crash-disk.ts';
import { Random } from '../support/random.ts';
import { History } from './history.ts';
import { SimNetwork } from './network.ts';
import { type Environment, SimProcess } from './process.ts';
import { Scheduler } from './scheduler.ts';
import { SimSession } from './session.ts';

const names = ['owner', 'holder', 'reader', 'waiter'] as const;
type Actor = (typeof names)[number];

/** The owner has stored one message, the holder holds it, the reader waits for it, and the waiter for others. */
async function standing() {
  const scheduler = new Scheduler();
  const random = new Random(7);
  const history = new History(() => scheduler.now);
  const network = new SimNetwork(scheduler, random, (server) => history.listen(server));
  const disk = new CrashDisk('/home');
  const environment: Environment = { scheduler, random, clockShiftMs: 0, diskMs: () => 1 };
  const make = (name: Actor, pid: number) => {
    const process = new SimProcess(name, pid, disk, environment);
    const options = { process, network, history, limits: {} };
    const session = new SimSession({
      ...options,
      namespace: 'here',
      folder: '/home/broker-1',
      isRemote: name !== 'owner',
      isOld: true,
      isFollowed: false,
    });
    return { process, session };
  };
  const actors = {
    owner: make('owner', 1),
    holder: make('holder', 2),
    reader: make('reader', 3),
    waiter: make('waiter', 4),
  };
  const { signal } = new AbortController();
  const wait = (actor: Actor, mailbox: string) =>
    actors[actor].session.wait([mailbox], 300_000, signal);
  const pass = (ms: number) => {
    // The clock goes on although every process stands still.
    scheduler.after(ms, () => {});
    return scheduler.run(() => false, scheduler.now + ms);
  };
  const during = async <T>(ms: number, call: Promise<T>): Promise<T> => {
    const [result] = await Promise.all([call, pass(ms)]);
    return result;
  };
  await during(1_000, actors.owner.session.post(['job'], 'boss', 'work'));
  const held = await during(1_000, wait('holder', 'job'));
  assert.equal(held.length, 1);
  const [reading, waiting] = [wait('reader', 'job'), wait('waiter', 'other')];
  for (const parked of [reading, waiting]) parked.catch(() => {});
  await pass(1_000);
  const offers = () => history.entries.filter(({ kind }) => kind === 'offered').length;
  return { actors, held, reading, waiting, during, pass, offers };
}

/** Stops each process for its time, in seconds, so many `times`; all stop at the same moment. */
async function stopFor(seconds: Partial<Record<Actor, number>>, times = 1): Promise<void> {
  const { actors, held, waiting, during, pass, offers } = await standing();
  const thaws = names
    .map((name) => ({ name, at: seconds[name] ?? 0 }))
    .sort((one, other) => one.at - other.at);
  for (let time = 0; time < times; time++) {
    for (const { name, at } of thaws) if (at > 0) actors[name].process.stop();
    let passed = 0;
    for (const { name, at } of thaws) {
      await pass((at - passed) * 1_000);
      passed = at;
      actors[name].process.resume();
    }
    await pass(2_000);
  }
  await pass(5_000);
  assert.equal(offers(), 1, 'the message was delivered once');
  await during(2_000, actors.holder.session.settle(held));
  const left = await during(2_000, actors.owner.session.messages());
  assert.equal(left, 0, 'the holder has settled it');
  await during(2_000, actors.owner.session.post(['other'], 'boss', 'more'));
  assert.equal((await during(1_000, waiting)).length, 1, 'the wait is still parked');
}

test('when all processes stand still for a minute, the holder keeps its message and settles it', () =>
  stopFor({ owner: 60, holder: 60, reader: 60, waiter: 60 }));

for (const seconds of [46, 50, 75, 100]) {
  test(`after ${seconds} s the owner continues, and up to 30 s later the others: nothing changes hands`, async () => {
    await stopFor({ owner: seconds, holder: seconds + 1, reader: seconds + 2, waiter: seconds });
    await stopFor({ owner: seconds, holder: seconds + 30, reader: seconds + 9, waiter: seconds });
  });

  test(`after ${seconds} s the others continue, and up to 30 s later the owner: nothing changes hands`, async () => {
    await stopFor({ owner: seconds + 1, holder: seconds, reader: seconds + 2, waiter: seconds });
    await stopFor({ owner: seconds + 30, holder: seconds, reader: seconds + 9, waiter: seconds });
  });

  test(`when the owner alone stands still for ${seconds} s, its holders return to what they hold`, () =>
    stopFor({ owner: seconds }));
}

test('when all processes stand still again and again for any time up to a minute, nothing changes hands', async () => {
  for (let second = 2; second <= 60; second += 2) {
    await stopFor({ owner: second, holder: second + 2, reader: second + 1, waiter: second }, 3);
  }
});

test('a holder that alone stands still for a minute loses its message, as one that is gone', async () => {
  const { actors, reading, pass } = await standing();
  actors.holder.process.stop();
  await pass(60_000);
  const [delivery] = await reading;
  assert.equal(delivery?.attempt, 2);
});
