// What hooks that follow each other remember of their notices. Times are given, in milliseconds since 1970.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { identify, type ProcessIdentity } from '../../../src/app/process-identity.ts';
import { HookFile } from '../../../src/cli/hooks/hook-file.ts';
import { parseName } from '../../../src/model/message.ts';
import { makeHome } from '../../support/places.ts';

const minuteMs = 60_000;
const begin = 1_700_000_000_000;
const about = (number: number, attempt = 1) => {
  return { mailbox: parseName('ann'), unread: 1, number, attempt, ageMs: 0 };
};

test('the pauses after notices of one message grow, and a hook has them from the hooks before it', async (context) => {
  const { next } = await place(context);
  assert.equal(next().told(begin), undefined);
  for (const [index, pauseMs] of [30_000, 120_000, 600_000, 1_800_000, 3_600_000].entries()) {
    assert.equal(next().notes(about(7), begin), index + 1);
    assert.deepEqual(next().told(begin), { number: 7, attempt: 1, time: begin, pauseMs });
  }
  assert.equal(next().notes(about(7), begin), 6);
  assert.equal(next().told(begin)?.pauseMs, 3_600_000);
  assert.equal(next().told(begin + 3_599_000)?.pauseMs, 1_000);
  assert.equal(next().told(begin + 3_601_000)?.pauseMs, 0);
});

test('a clock that was set back makes no pause longer', async (context) => {
  const { next } = await place(context);
  next().notes(about(7), begin);
  assert.equal(next().told(begin - 24 * 60 * minuteMs)?.pauseMs, 30_000);
});

test('another message begins the row anew, and so does one that was read and given back', async (context) => {
  const { next } = await place(context);
  next().notes(about(7), begin);
  next().notes(about(7), begin);
  assert.equal(next().told(begin)?.pauseMs, 120_000);
  next().notes(about(8), begin);
  assert.equal(next().told(begin)?.pauseMs, 30_000);
  next().notes(about(8), begin);
  next().notes(about(8, 2), begin);
  assert.equal(next().told(begin)?.pauseMs, 30_000);
});

test('after 20 notices within an hour there is none until the first of them is an hour ago', async (context) => {
  const { next } = await place(context);
  for (let count = 0; count < 20; count++) {
    assert.equal(next().restMs(begin + count * minuteMs), 0);
    next().notes(about(count), begin + count * minuteMs);
  }
  assert.equal(next().restMs(begin + 20 * minuteMs), 40 * minuteMs);
  assert.equal(next().restMs(begin + 60 * minuteMs), 0);
});

test('a file of a host that has ended goes with the next hook of another host', async (context) => {
  const { home, next, host } = await place(context);
  next();
  const ended = new Promise((resolve) => host.child.once('exit', resolve));
  host.child.kill('SIGKILL');
  await ended;
  const own = identify(process.pid) as ProcessIdentity;
  HookFile.take(home, own, false);
  assert.deepEqual(await readdir(join(home, 'wake')), [`${own.pid}.json`]);
});

async function place(context: TestContext) {
  const child = spawn('sleep', ['60']);
  context.after(() => child.kill('SIGKILL'));
  const identity = identify(child.pid as number) as ProcessIdentity;
  const home = join(await makeHome(context), 'home');
  const next = () => {
    // This process plays all of them.
    const file = HookFile.take(home, identity, false);
    assert(file);
    return file;
  };
  return { home, host: { child }, next };
}
