// An owner of a store on a stream: how it begins, and how it ends.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Name } from '../../../src/model/message.ts';
import { FakeServer } from '../../support/nats/fake-stream.ts';
import { FakeTeam } from '../../support/nats/fake-team.ts';
import { makeHome } from '../../support/places.ts';
import { Random } from '../../support/random.ts';

const mailbox = 'box' as Name;

async function makeTeam(context: TestContext) {
  let team: FakeTeam | undefined;
  context.after(() => team?.end());
  const home = await makeHome(context);
  const server = new FakeServer();
  team = new FakeTeam(server, home, new Random(1));
  const mirrors = () => readdirSync(join(home, 'nats'));
  return { team, mirrors };
}

async function until(check: () => boolean): Promise<void> {
  while (!check()) await sleep(5);
}

for (const isBusy of [false, true]) {
  const what = isBusy ? 'that stores a post' : 'that is idle';
  test(`an owner ${what} ends when it finds a newer claim`, async (context) => {
    const { team, mirrors } = await makeTeam(context);
    const { owner, stream, failures } = await team.own();
    const client = team.client('one');
    await client.post(mailbox, Buffer.from('before'));
    const release = stream.hold();
    const posted = isBusy ? client.post(mailbox, Buffer.from('under way')) : undefined;
    if (isBusy) await until(() => owner.broker.sessions > 0);
    const newer = await team.own();
    release();
    await owner.checkClaim();
    await until(() => failures.length > 0);
    assert.equal(failures[0]?.code, 'owner_replaced');
    await posted;
    assert.equal((await client.status()).mailboxes[0]?.ready, isBusy ? 2 : 1);
    await until(() => mirrors().length === 1);
    await newer.owner.close(1_000);
    assert.deepEqual(mirrors(), []);
  });
}

test('an owner that finds itself replaced when it writes ends, and its mirror is removed', async (context) => {
  const { team, mirrors } = await makeTeam(context);
  const { failures } = await team.own();
  const client = team.client('one');
  await client.post(mailbox, Buffer.from('before'));
  await team.own();
  await client.post(mailbox, Buffer.from('after'));
  assert.deepEqual(
    failures.map(({ code }) => code),
    ['owner_replaced'],
  );
  assert.equal((await client.status()).mailboxes[0]?.ready, 2);
  await until(() => mirrors().length === 1);
});

test('an owner that closes leaves no mirror, also when the server does not answer any more', async (context) => {
  const { team, mirrors } = await makeTeam(context);
  const first = await team.own();
  const client = team.client('one');
  await client.post(mailbox, Buffer.from('hello'));
  await first.owner.close(1_000);
  assert.deepEqual(mirrors(), []);
  const second = await team.own();
  assert.equal((await client.fetch(mailbox)).deliveries[0]?.body?.toString(), 'hello');
  second.stream.hold();
  await second.owner.close(50).catch(({ code }) => assert.equal(code, 'storage_failed'));
  assert.deepEqual(mirrors(), []);
});
