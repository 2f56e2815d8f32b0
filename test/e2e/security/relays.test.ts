// A program without the key that leads from a port on 127.0.0.1 to the same port on 127.0.0.1 of another machine. It
// may be a tunnel that the user made, or a squatter: it forwards, and it learns nothing. The two machines are network
// namespaces.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeHome } from '../../support/places.ts';
import { Relay, twoHosts } from '../../support/processes/network-namespaces.ts';
import { place, Remote } from '../../support/processes/remote.ts';

const body = `a body ${randomBytes(16).toString('hex')} `.repeat(200);

interface Tunnelled {
  readonly owner: Remote;
  readonly relay: Relay;
  /** A session on the machine of the owner. */
  beside(): Remote;
  /** A session on the other machine, with the same key. `host`: how it names the broker. */
  beyond(host?: string): Remote;
  /** What no recording may contain. */
  readonly secrets: readonly (string | Buffer)[];
}

async function tunnelled(
  context: TestContext,
  manner: 'forwards' | 'changes' = 'forwards',
): Promise<Tunnelled | undefined> {
  const hosts = await twoHosts(context);
  if (typeof hosts === 'string') {
    context.skip(`no two hosts here: ${hosts}`);
    return undefined;
  }
  const [one, other] = hosts;
  const { home, port, session } = await place(context);
  const beside = () => session(one.prefix);
  const owner = beside();
  await owner.start();
  const otherHome = await makeHome(context);
  await copyFile(join(home, 'key'), join(otherHome, 'key'));
  const relay = await Relay.tunnel(context, other, one, port, manner);
  const beyond = (host?: string) => {
    const made = new Remote(otherHome, port, other.prefix, host);
    context.after(() => made.kill());
    return made;
  };
  const digits = (await readFile(join(home, 'key'), 'latin1')).trim();
  const key = Buffer.from(digits, 'hex');
  const names = [body.slice(0, 30), 'a-mailbox', 'a-sender', '"session"', '"secret"'];
  const secrets = [...names, key, digits, key.toString('base64').slice(0, 40)];
  return { owner, relay, beside, beyond, secrets };
}

test('a relay on the same port of another machine learns neither body, nor name, nor key, and the mail arrives', async (context) => {
  const apart = await tunnelled(context);
  if (!apart) return;
  const { owner, relay, beyond, secrets } = apart;
  const victim = beyond();
  await victim.post('a-mailbox', body, { from: 'a-sender' });
  assert.equal((await owner.fetch('a-mailbox')).deliveries[0]?.body, body);
  const waiting = victim.wait('other-mailbox');
  await owner.post('other-mailbox', body);
  assert.equal((await waiting)?.body, body);
  const { wire, connections } = await relay.report();
  for (const secret of secrets) assert.equal(wire.includes(secret), false);
  assert.ok(wire.length > 2 * body.length, 'all of it went by');
  assert.equal(connections, 2, 'one in the clear, and one with TLS');
});

test('a session beyond a tunnel cannot open an address of the machine of the broker', async (context) => {
  const apart = await tunnelled(context);
  if (!apart) return;
  const { owner, beyond } = apart;
  await assert.rejects(beyond().start('0.0.0.0'), { code: 'not_owner' });
  assert.deepEqual((await owner.status()).addresses, ['127.0.0.1']);
});

test('through a tunnel, post, wait and settle work, also after a failover', async (context) => {
  const apart = await tunnelled(context);
  if (!apart) return;
  const { owner, relay, beside, beyond, secrets } = apart;
  const standby = beside();
  await standby.status();
  const guest = beyond('127.0.0.1');
  await guest.post('a-mailbox', 'before', { from: 'a-sender' });
  const waiting = guest.wait('answers');
  await guest.status();
  await owner.kill();
  await guest.post('a-mailbox', body);
  assert.equal((await guest.status()).pid, standby.pid);
  await standby.post('answers', 'from the successor');
  const answer = await waiting;
  assert.equal(answer?.body, 'from the successor');
  assert.equal(await guest.settle(answer?.number ?? 0), 0);
  const { deliveries } = await standby.fetch('a-mailbox');
  assert.deepEqual(
    deliveries.map((each) => each.body),
    ['before', body],
  );
  const { wire } = await relay.report();
  for (const secret of secrets) assert.equal(wire.includes(secret), false);
});

test('a bit that a relay on the same port of another machine changes is detected, and the post arrives intact', async (context) => {
  const apart = await tunnelled(context, 'changes');
  if (!apart) return;
  const { owner, relay, beyond } = apart;
  await beyond().post('a-mailbox', body);
  assert.equal((await relay.report()).changed, 1);
  const { deliveries, remaining } = await owner.fetch('a-mailbox');
  assert.deepEqual([deliveries.length, remaining], [1, 0]);
  assert.equal(deliveries[0]?.body, body);
});
