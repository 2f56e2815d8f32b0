// The rate limit against agents that answer each other for ever.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSendsPerHour } from '../../../src/app/parameters.ts';
import { RateLimiter } from '../../../src/app/rate-limit.ts';
import { IpcError } from '../../../src/base/errors.ts';
import { open } from '../../../src/index.ts';
import { freePort, makeHome } from '../../support/places.ts';

const done = async () => 'done';

test('the messages of an hour may be sent at once, then one after the other', async () => {
  let now = 0;
  const limiter = new RateLimiter(60, () => now);
  for (let count = 0; count < 60; count++) await limiter.run('A', ['B'], done);
  await assert.rejects(limiter.run('A', ['B'], done), {
    code: 'too_many_posts',
    message: '"A" has sent "B" its limit of 60 messages an hour; the next one may be sent in 60 s',
  });
  now = 59_999;
  await assert.rejects(limiter.run('A', ['B'], done), /may be sent in 1 s$/);
  now = 60_000;
  assert.equal(await limiter.run('A', ['B'], done), 'done');
  await assert.rejects(limiter.run('A', ['B'], done), { code: 'too_many_posts' });
  now += 3_600_000 * 5;
  for (let count = 0; count < 60; count++) await limiter.run('A', ['B'], done);
  await assert.rejects(limiter.run('A', ['B'], done), { code: 'too_many_posts' });
});

test('the time until the next message may be sent is what the pair has yet to earn, and asking for it counts nothing', async () => {
  let now = 0;
  const limiter = new RateLimiter(2, () => now);
  await limiter.run('A', ['B'], done);
  assert.equal(limiter.msUntilReady('A', 'B'), 0);
  await limiter.run('A', ['B'], done);
  assert.equal(limiter.msUntilReady('A', 'B'), 1_800_000);
  now = 1_350_000;
  assert.equal(limiter.msUntilReady('A', 'B'), 450_000);
  assert.equal(limiter.msUntilReady('A', 'C'), 0);
});

test('each sender has its own count for each mailbox', async () => {
  const limiter = new RateLimiter(1, () => 0);
  await limiter.run('A', ['B'], done);
  await limiter.run('A', ['C'], done);
  await limiter.run('B', ['A'], done);
  await limiter.run('', ['B'], done);
  await assert.rejects(limiter.run('', ['B'], done), /^IpcError: this session has sent "B"/);
});

test('a post to several mailboxes counts for each of them, or for none', async () => {
  const limiter = new RateLimiter(1, () => 0);
  await limiter.run('A', ['C'], done);
  await assert.rejects(limiter.run('A', ['B', 'C'], done), /^IpcError: "A" has sent "C" its limit/);
  const refused = async () => {
    throw new IpcError('mailbox_full', 'no');
  };
  await assert.rejects(limiter.run('A', ['B', 'D'], refused), { code: 'mailbox_full' });
  await limiter.run('A', ['B', 'D'], done);
  for (const name of ['B', 'D']) {
    await assert.rejects(limiter.run('A', [name], done), { code: 'too_many_posts' });
  }
});

test('a refused post does not count, one that may have been stored does', async () => {
  const limiter = new RateLimiter(1, () => 0);
  const fail = (code: 'store_full' | 'owner_silent') => async () => {
    throw new IpcError(code, 'no');
  };
  await assert.rejects(limiter.run('A', ['B'], fail('store_full')), { code: 'store_full' });
  await assert.rejects(limiter.run('A', ['B'], fail('owner_silent')), { code: 'owner_silent' });
  await assert.rejects(limiter.run('A', ['B'], done), { code: 'too_many_posts' });
  const cancelled = async () => {
    throw new IpcError('cancelled', 'after it was sent', { maybeStored: true });
  };
  await assert.rejects(limiter.run('A', ['C'], cancelled), { code: 'cancelled' });
  await assert.rejects(limiter.run('A', ['C'], done), { code: 'too_many_posts' });
});

test('the newest 10,000 pairs are remembered', async () => {
  const limiter = new RateLimiter(1, () => 0);
  for (let count = 0; count <= 10_000; count++) await limiter.run('A', [`${count}`], done);
  await limiter.run('A', ['0'], done);
  await assert.rejects(limiter.run('A', ['10000'], done), { code: 'too_many_posts' });
});

test('the library has the limit that open() gets, and none by default', async (context) => {
  const [home, port] = [await makeHome(context), await freePort()];
  const guarded = await open({ home, port, sendsPerHour: 2, env: {} });
  const free = await open({ home, port, env: {} });
  context.after(() => Promise.all([guarded.close(), free.close()]));
  await guarded.post('B', '1');
  await guarded.post('B', '2');
  await assert.rejects(guarded.post('B', '3'), { code: 'too_many_posts' });
  for (let count = 0; count < 130; count++) await free.post('B', 'x');
});

test('a limit that is not a whole number is refused', () => {
  assert.equal(parseSendsPerHour('0'), 0);
  assert.throws(() => parseSendsPerHour('many'), {
    message: 'sendsPerHour is "many"; it must be a whole number from 0 (no limit) to 1000000',
  });
});
