import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bell, busyMsAfterCall, Doorbell, type Ring } from '../../../src/app/doorbell.ts';
import { IpcError } from '../../../src/base/errors.ts';
import type { Notice } from '../../../src/model/mail-ahead.ts';
import type { WatchArguments } from '../../../src/model/mail-service.ts';
import type { MailboxList, Name } from '../../../src/model/message.ts';
import { ManualRuntime } from '../../support/manual-runtime.ts';

const ann: MailboxList = ['ann' as Name];

/** A broker that has the unread messages of a test, and a bell that notes when it was rung. */
class Scene implements Bell {
  readonly runtime = new ManualRuntime();
  readonly doorbell = new Doorbell(this, this, this.runtime);
  /** The first unread message. */
  unread: Pick<Notice, 'number' | 'attempt'> | undefined;
  readonly rings: { atMs: number; ring: Ring; number: number }[] = [];
  readonly watched: MailboxList[] = [];
  path: string | undefined = 'inbox';
  pauseMsMin = 0;
  ageMs = 0;

  async ring({ number }: Notice, ring: Ring): Promise<number> {
    this.rings.push({ atMs: this.runtime.now(), ring, number });
    return this.pauseMsMin;
  }

  /** Looks every 100 ms whether there is mail that the session was not told of, or whose pause is over. */
  watch(mailboxes: MailboxList, { told, signal }: WatchArguments): Promise<Notice | undefined> {
    this.watched.push(mailboxes);
    const restsUntil = this.runtime.now() + (told?.pauseMs ?? 0);
    return new Promise((resolve, reject) => {
      const look = () => {
        const { unread } = this;
        const isTold = unread?.number === told?.number && unread?.attempt === told?.attempt;
        const isDue = unread && (!isTold || this.runtime.now() >= restsUntil);
        if (signal?.aborted) reject(new IpcError('cancelled', 'the call was cancelled'));
        else if (isDue)
          resolve({ mailbox: 'ann' as Name, unread: 1, ageMs: this.ageMs, ...unread });
        else this.runtime.setTimer(look, 100);
      };
      look();
    });
  }

  /** When it was rung, in seconds. */
  get times(): number[] {
    return this.rings.map(({ atMs }) => Math.round(atMs / 1_000));
  }
}

function scene(): Scene {
  const made = new Scene();
  made.doorbell.watch(ann);
  return made;
}

const minuteMs = 60_000;

test('a message that stays unread rings at once, and again after 30 s, 2, 10 and 30 minutes, then hourly', async () => {
  const it = scene();
  it.unread = { number: 7, attempt: 1 };
  await it.runtime.pass(170 * minuteMs);
  assert.deepEqual(it.times, [0, 30, 150, 750, 2_550, 6_150, 9_750]);
  assert.deepEqual(
    it.rings.map(({ ring }) => ring),
    [0, 1, 2, 3, 4, 5, 6].map((unread) => ({ count: unread + 1, unread })),
  );
});

test('another message, or the same one after a reader gave it back, rings at once', async () => {
  const it = scene();
  it.unread = { number: 7, attempt: 1 };
  await it.runtime.pass(10_000);
  it.unread = { number: 8, attempt: 1 };
  await it.runtime.pass(10_000);
  it.unread = { number: 8, attempt: 2 };
  await it.runtime.pass(5_000);
  assert.deepEqual(it.times, [0, 10, 20]);
  assert.deepEqual(
    it.rings.map(({ ring }) => ring.unread),
    [0, 0, 0],
  );
});

test('a session in a call is not rung until the call is over, and two seconds more', async () => {
  const it = scene();
  it.doorbell.callBegan();
  it.unread = { number: 7, attempt: 1 };
  await it.runtime.pass(minuteMs);
  assert.deepEqual(it.times, []);
  it.doorbell.callEnded(false);
  await it.runtime.pass(10_000);
  assert.equal(it.rings.length, 1);
  const [{ atMs } = { atMs: 0 }] = it.rings;
  assert(atMs >= minuteMs + busyMsAfterCall && atMs <= minuteMs + 10_000, `${atMs} ms`);
});

test('mail that was unread when a call ended was named in its result, and rings when it was left for 30 s', async () => {
  const it = scene();
  it.unread = { number: 7, attempt: 1 };
  await it.runtime.pass(1_000);
  it.doorbell.callBegan();
  it.unread = { number: 8, attempt: 1 };
  it.ageMs = 2_000;
  it.doorbell.callEnded(true);
  await it.runtime.pass(20_000);
  assert.deepEqual(it.times, [0]);
  it.ageMs = 30_000;
  await it.runtime.pass(11_000);
  assert.deepEqual(it.times, [0, 31]);
});

test('a read begins the row anew: mail that it left unread rings after 30 s, not after an hour', async () => {
  const it = scene();
  it.unread = { number: 7, attempt: 1 };
  await it.runtime.pass(20 * minuteMs);
  assert.deepEqual(it.times, [0, 30, 150, 750]);
  it.doorbell.callBegan();
  it.doorbell.callEnded(true);
  await it.runtime.pass(40_000);
  assert.deepEqual(it.times.slice(4), [1_230]);
  assert.equal(it.rings.at(-1)?.ring.unread, 0);
});

test('a session gets at most 20 rings in an hour, and the next one when the first is an hour old', async () => {
  const it = scene();
  for (let number = 1; number <= 30; number++) {
    it.unread = { number, attempt: 1 };
    await it.runtime.pass(10_000);
  }
  assert.equal(it.rings.length, 20);
  await it.runtime.pass(60 * minuteMs - 300_000 + 1_000);
  assert.equal(it.times[20], 3_600);
  assert.equal(it.rings[20]?.number, 30);
});

test('a path whose queue does not merge rings gets the second one after its own pause', async () => {
  const it = scene();
  it.pauseMsMin = 600_000;
  it.unread = { number: 7, attempt: 1 };
  await it.runtime.pass(25 * minuteMs);
  assert.deepEqual(it.times, [0, 600, 1_200]);
});

test('a session that has no way left to be woken watches no longer, and begins again with the next watch', async () => {
  const it = scene();
  it.path = undefined;
  it.unread = { number: 7, attempt: 1 };
  await it.runtime.pass(1_000);
  assert.equal(it.rings.length, 1);
  it.unread = { number: 8, attempt: 1 };
  await it.runtime.pass(10 * minuteMs);
  assert.equal(it.rings.length, 1);
  assert.equal(it.watched.length, 1);
  it.path = 'inbox';
  it.doorbell.watch(ann);
  await it.runtime.pass(1_000);
  assert.equal(it.rings.length, 2);
});

test('a watch that was ended and begun again at once rings once', async () => {
  const it = scene();
  it.doorbell.watch(undefined);
  it.doorbell.watch(ann);
  await it.runtime.pass(1_000);
  it.unread = { number: 7, attempt: 1 };
  await it.runtime.pass(10_000);
  assert.deepEqual(
    it.rings.map(({ ring }) => ring.count),
    [1],
  );
});
