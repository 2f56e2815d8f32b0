// When a call is told that its broker is silent. The clock moves by hand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemRuntime, type Timer } from '../../../src/base/runtime.ts';
import { type OpenCall, PendingCall } from '../../../src/client/pending-call.ts';
import { Watchdog } from '../../../src/client/watchdog.ts';
import type { Connection } from '../../../src/net/connection.ts';

function makeLink() {
  let now = 0;
  let timer: { readonly due: number; readonly callback: () => void } | undefined;
  const machine = {
    ...systemRuntime,
    now: () => now,
    setTimer(callback: () => void, ms: number): Timer {
      timer = { due: now + ms, callback };
      return { unref: () => assert.fail('it keeps the process until the caller is told') };
    },
    clearTimer: () => {},
  };
  const calls: OpenCall[] = [];
  const told: OpenCall[] = [];
  let connection: { lastHeard: number } | undefined = { lastHeard: -1 };
  let pings = 0;
  const watchdog = new Watchdog(machine, {
    connection: () => connection as Connection | undefined,
    calls: () => calls,
    ping: () => {
      pings += 1;
    },
    silent: (silent) => told.push(...silent),
  });
  return {
    told,
    pings: () => pings,
    isWatching: () => timer !== undefined,
    ask() {
      const call = new PendingCall(
        calls.length + 1,
        { kind: 'wait', request: () => assert.fail('it is not sent'), take() {} },
        () => {},
      );
      call.attach(() => {}).catch(() => {});
      calls.push(call);
      watchdog.watch(call);
      return call;
    },
    hear() {
      if (connection) connection.lastHeard = now;
    },
    setConnection(next: typeof connection) {
      connection = next;
    },
    /** Time goes by; timers fire when they are due. */
    pass(ms: number) {
      const end = now + ms;
      while (timer && timer.due <= end) {
        now = Math.max(now, timer.due);
        const { callback } = timer;
        timer = undefined;
        callback();
      }
      now = end;
    },
    /** Time goes by without this process. */
    standStill(ms: number) {
      now += ms;
    },
  };
}

test('a call that hears nothing has a ping sent after a second, and is told after two', () => {
  const link = makeLink();
  const call = link.ask();
  link.pass(999);
  assert.deepEqual([link.pings(), link.told], [0, []]);
  link.pass(1);
  assert.deepEqual([link.pings(), link.told], [1, []]);
  link.pass(999);
  assert.deepEqual(link.told, []);
  link.pass(1);
  assert.deepEqual(link.told, [call]);
});

test('a call that begins while others are watched has two seconds of its own', () => {
  const link = makeLink();
  const first = link.ask();
  link.pass(700);
  const second = link.ask();
  link.pass(1_300);
  assert.deepEqual(link.told, [first]);
  link.pass(699);
  assert.deepEqual(link.told, [first]);
  link.pass(1);
  assert.deepEqual(link.told, [first, second]);
});

test('whatever a call hears ends the watch, and the silence of the next broker is not its concern', () => {
  const link = makeLink();
  const parked = link.ask();
  link.pass(10);
  link.hear();
  link.pass(1_000);
  assert.equal(link.isWatching(), false);
  link.setConnection({ lastHeard: 0 });
  const asked = link.ask();
  link.pass(5_000);
  assert.deepEqual(link.told, [asked]);
  assert.equal(parked.hasCaller, true);
});

test('while there is no broker, and after this process stood still, the time begins anew', () => {
  const link = makeLink();
  link.setConnection(undefined);
  const call = link.ask();
  link.pass(60_000);
  link.setConnection({ lastHeard: 0 });
  link.standStill(30_000);
  link.pass(1_999);
  assert.deepEqual(link.told, []);
  link.pass(1);
  assert.deepEqual(link.told, [call]);
});

test('a call whose caller is gone is not watched', () => {
  const link = makeLink();
  link.ask().done(undefined);
  link.pass(1_000);
  assert.deepEqual([link.isWatching(), link.pings(), link.told], [false, 0, []]);
});
