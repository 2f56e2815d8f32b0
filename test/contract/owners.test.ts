// The contract of the session that keeps the broker: start, stop, and its end, in order or by a kill. Each session is a
// process of its own.
import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Remote } from '../support/processes/remote.ts';
import {
  addressesOfTheOwner,
  fieldsOfStart,
  stopOfAnother,
  stopOfTheOwner,
} from './differences.ts';
import { engines } from './engines.ts';
import { assertWarnings, team, untilWaiting } from './team.ts';

/** What a stop leads to: an error's code, or that the mail is handed over. */
async function outcomeOfStop(session: Remote): Promise<string> {
  try {
    await session.stop();
    return 'handed over';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

for (const engine of engines) {
  const { name } = engine;

  test(`${name}: when five sessions start at once, one owns the broker and four join it`, async (context) => {
    const { child } = await team(context, engine);
    const sessions = Array.from({ length: 5 }, () => child());
    const started = await Promise.all(sessions.map((each) => each.start()));
    assert.equal(new Set(started.map(({ pid }) => pid)).size, 1);
    assert.equal(started.filter(({ role }) => role === 'owner').length, 1);
    for (const result of started) {
      const { epoch, messages, addresses, warnings } = result;
      assert.deepEqual(Object.keys(result), fieldsOfStart[name]);
      assert.deepEqual([epoch, messages, addresses], [1, 0, addressesOfTheOwner[name]]);
      assertWarnings(warnings, name);
    }
  });

  test(`${name}: a start that is repeated says how many messages there are now`, async (context) => {
    const { session } = await team(context, engine);
    const mail = await session();
    assert.equal((await mail.start()).messages, 0);
    await mail.post('box', 'mail');
    assert.equal((await mail.start()).messages, 1);
  });

  test(`${name}: a stop is for the owner alone, and does what its engine says`, async (context) => {
    const { child } = await team(context, engine);
    const owner = child();
    await owner.post('box', 'mail');
    const other = child();
    await other.start();
    assert.equal(await outcomeOfStop(other), stopOfAnother[name]);
    assert.equal(await outcomeOfStop(owner), stopOfTheOwner[name]);
    assert.equal((await other.status()).messages, 1);
    assert.equal((await other.fetch('box')).deliveries[0]?.body, 'mail');
  });

  test(`${name}: an owner that closes hands the mail over at once, and the next one has all of it`, async (context) => {
    const { child } = await team(context, engine);
    const owner = child();
    const other = child();
    await owner.post('box', 'mail');
    await other.status();
    await owner.close();
    const status = await other.status();
    assert.deepEqual([status.pid, status.epoch, status.messages], [other.pid, 2, 1]);
    assert.equal((await other.fetch('box')).deliveries[0]?.attempt, 1);
  });

  test(`${name}: the last session leaves the mail behind, and a later one finds it`, async (context) => {
    const { session } = await team(context, engine);
    const first = await session();
    await first.post('box', 'kept', { id: 'job-7' });
    await first.close();
    const later = await session();
    assert.equal((await later.post('box', 'kept', { id: 'job-7' })).duplicate, true);
    assert.equal((await later.wait('box'))?.text, 'kept');
  });

  test(`${name}: a wait that is parked when the owner is killed goes on with what is left of its time, and gets mail`, async (context) => {
    const { child } = await team(context, engine);
    const owner = child();
    await owner.start();
    const [reader, late, poster] = [child(), child(), child()];
    await reader.started();
    await late.started();
    const began = performance.now();
    const waiting = reader.wait(['first', 'box'], 60_000);
    const timed = late.wait('nothing', 6_000);
    await untilWaiting(owner, 'box');
    await untilWaiting(owner, 'nothing');
    await sleep(4_000);
    await owner.kill();
    await poster.post('box', 'after the kill');
    // The parked wait has 2 s left; if it began anew it would have 6 s.
    const between = poster.wait('nothing', 4_000);
    const first = Promise.race([timed.then(() => 'parked'), between.then(() => 'between')]);
    assert.equal((await waiting)?.body, 'after the kill');
    assert.equal(await first, 'parked');
    assert.equal(await timed, undefined);
    const ms = performance.now() - began;
    assert.ok(ms > 5_900, `${ms} ms`);
  });

  test(`${name}: a hundred posts in flight when the owner is killed are stored once each and in order`, async (context) => {
    const { child } = await team(context, engine);
    const owner = child();
    await owner.start();
    const [poster, standby] = [child(), child()];
    await poster.status();
    await standby.status();
    const bodies = Array.from({ length: 100 }, (_, index) => `post ${index}`);
    const posts = bodies.map((body) => poster.post('box', body));
    await posts[10];
    await owner.kill();
    const results = await Promise.all(posts);
    assert.equal(new Set(results.map(({ number }) => number)).size, 100);
    const { deliveries } = await standby.fetch('box', 1_000);
    assert.deepEqual(
      deliveries.map(({ body }) => body),
      bodies,
    );
  });

  test(`${name}: a message in hand stays in hand when the owner is killed, and its holder settles it`, async (context) => {
    const { child } = await team(context, engine);
    const owner = child();
    await owner.post('box', 'one');
    const [holder, other] = [child(), child()];
    const held = await holder.wait('box', 20_000);
    await other.status();
    await owner.kill();
    assert.deepEqual(await other.fetch('box'), { deliveries: [], remaining: 0 });
    assert.equal(await holder.settle(held?.number ?? 0), 0);
    assert.equal((await other.status()).messages, 0);
  });

  test(`${name}: three owners are killed one after the other, and nothing that was stored is lost`, async (context) => {
    const { child } = await team(context, engine);
    const last = child();
    for (let round = 1; round <= 3; round++) {
      const owner = child();
      await owner.post('box', `round ${round}`, { id: `job-${round}` });
      await owner.kill();
    }
    const { deliveries } = await last.fetch('box');
    assert.deepEqual(
      deliveries.map(({ body, attempt }) => [body, attempt]),
      [
        ['round 1', 1],
        ['round 2', 1],
        ['round 3', 1],
      ],
    );
    assert.equal((await last.post('box', 'round 1', { id: 'job-1' })).duplicate, true);
  });
}
