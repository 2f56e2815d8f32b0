import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CostlyRequests } from '../../../src/broker/costly-requests.ts';

/** Turns and time pass only when a test says so. */
class TestRuntime {
  time = 0;
  readonly #turns: (() => void)[] = [];
  readonly #timers: { readonly due: number; readonly callback: () => void }[] = [];

  now = () => this.time;

  defer = (callback: () => void) => void this.#turns.push(callback);

  setTimer = (callback: () => void, ms: number) => {
    this.#timers.push({ due: this.time + ms, callback });
    const timer = { unref: () => timer };
    return timer;
  };

  endTurn(): void {
    for (const callback of this.#turns.splice(0)) callback();
  }

  pass(ms: number): void {
    this.time += ms;
    const due = this.#timers.filter((timer) => timer.due <= this.time);
    for (const timer of due) this.#timers.splice(this.#timers.indexOf(timer), 1);
    for (const { callback } of due) callback();
  }
}

test('a costly request that finds no other runs at once', () => {
  const runtime = new TestRuntime();
  const costly = new CostlyRequests(runtime);
  const ran: string[] = [];
  void costly.run(() => ran.push('one'));
  assert.deepEqual(ran, ['one']);
  runtime.endTurn();
  void costly.run(() => ran.push('two'));
  assert.deepEqual(ran, ['one', 'two']);
});

test('of many costly requests one runs, and then others have the event loop three times as long', async () => {
  const runtime = new TestRuntime();
  const costly = new CostlyRequests(runtime);
  const ran: number[] = [];
  const work = (peer: number) => () => {
    runtime.time += 2;
    ran.push(peer);
  };
  const done = Array.from({ length: 100 }, (_, peer) => costly.run(work(peer)));
  assert.deepEqual(ran, [0]);
  await done[0];
  runtime.endTurn();
  runtime.pass(5);
  assert.deepEqual(ran, [0]);
  runtime.pass(1);
  assert.deepEqual(ran, [0, 1]);
  for (let peer = 2; peer < 100; peer++) {
    runtime.endTurn();
    runtime.pass(6);
  }
  await Promise.all(done);
  assert.deepEqual(
    ran,
    Array.from({ length: 100 }, (_, peer) => peer),
  );
});

test('a process that stood still during a costly request does not hold the next one up for long', () => {
  const runtime = new TestRuntime();
  const costly = new CostlyRequests(runtime);
  const ran: string[] = [];
  void costly.run(() => {
    runtime.time += 60_000;
  });
  void costly.run(() => ran.push('next'));
  runtime.endTurn();
  runtime.pass(25);
  assert.deepEqual(ran, ['next']);
});

test('costly requests that take no time follow each other turn by turn', () => {
  const runtime = new TestRuntime();
  const costly = new CostlyRequests(runtime);
  const ran: number[] = [];
  for (const peer of [0, 1, 2]) void costly.run(() => ran.push(peer));
  runtime.endTurn();
  assert.deepEqual(ran, [0, 1]);
  runtime.endTurn();
  assert.deepEqual(ran, [0, 1, 2]);
});
