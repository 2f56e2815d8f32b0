// When a call is reported because its broker is silent. The clock moves by hand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemRuntime, type Timer } from '../../../src/base/runtime.ts';
import { type OpenCall, PendingCall } from '../../../src/client/pending-call.ts';
import { Watchdog } from '../../../src/client/watchdog.ts';
import type { Connection } from '../../../src/net/connection.ts';

function makeLink(silenceMs = 2_000) {
  let now = 0;
  let timer: { readonly due: number; readonly callback: () => void } | undefined;
  const machine = {
    ...systemRuntime,
    now: () => now,
    setTimer(callback: () => void, ms: number): Timer {
      timer = { due: now + ms, callback };
      return { unref: () => assert.fail('it keeps the process until the call is reported') };
    },
    clearTimer: () => {},
  };
  const calls: OpenCall[] = [];
  const reported: OpenCall[] = [];
  let connection: { lastReceived: number } | undefined = { lastReceived: -1 };
  let pings = 0;
  const watchdog = new Watchdog(machine, {
    silenceMs,
    connection: () => connection as Connection | undefined,
    calls: () => calls,
    ping: () => {
      pings += 1;
    },
    silent: (silent) => reported.push(...silent),
  });
  return {
    reported,
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
      if (connection) connection.lastReceived = now;
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

test('when the broker is silent, a ping is sent after one second, and the call is reported after two', () => {
  const link = makeLink();
  const call = link.ask();
  link.pass(999);
  assert.deepEqual([link.pings(), link.reported], [0, []]);
  link.pass(1);
  assert.deepEqual([link.pings(), link.reported], [1, []]);
  link.pass(999);
  assert.deepEqual(link.reported, []);
  link.pass(1);
  assert.deepEqual(link.reported, [call]);
});

test('a call is reported after the time that the link gives its broker', () => {
  const link = makeLink(15_000);
  const call = link.ask();
  link.pass(14_999);
  assert.deepEqual([link.pings(), link.reported], [1, []]);
  link.pass(1);
  assert.deepEqual(link.reported, [call]);
});

test('a call that begins while others are watched has its own two seconds', () => {
  const link = makeLink();
  const first = link.ask();
  link.pass(700);
  const second = link.ask();
  link.pass(1_300);
  assert.deepEqual(link.reported, [first]);
  link.pass(699);
  assert.deepEqual(link.reported, [first]);
  link.pass(1);
  assert.deepEqual(link.reported, [first, second]);
});

test('any byte of the broker ends the watch, and the silence of the next broker does not end the call', () => {
  const link = makeLink();
  const parked = link.ask();
  link.pass(10);
  link.hear();
  link.pass(1_000);
  assert.equal(link.isWatching(), false);
  link.setConnection({ lastReceived: 0 });
  const asked = link.ask();
  link.pass(5_000);
  assert.deepEqual(link.reported, [asked]);
  assert.equal(parked.hasCaller, true);
});

test('the time begins anew while there is no broker, and after this process was suspended', () => {
  const link = makeLink();
  link.setConnection(undefined);
  const call = link.ask();
  link.pass(60_000);
  link.setConnection({ lastReceived: 0 });
  link.standStill(30_000);
  link.pass(1_999);
  assert.deepEqual(link.reported, []);
  link.pass(1);
  assert.deepEqual(link.reported, [call]);
});

test('a call whose caller is gone is not watched', () => {
  const link = makeLink();
  link.ask().done(undefined);
  link.pass(1_000);
  assert.deepEqual([link.isWatching(), link.pings(), link.reported], [false, 0, []]);
});
