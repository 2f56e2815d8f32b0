// Key rotation while everything runs. No output but that of `ipc key show` contains a key.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { type TestContext, test } from 'node:test';
import { heartbeatMs, keyReadMs } from '../../../src/base/limits.ts';
import { dial } from '../../../src/net/connect.ts';
import { importKey, newKey, retireKey } from '../../../src/net/key-rotation.ts';
import { encodeRequest } from '../../../src/protocol/codec.ts';
import { Session } from '../../../src/session/session.ts';
import { startBroker } from '../../support/brokers.ts';
import { program } from '../../support/mcp-host.ts';
import { freePort, makeHome } from '../../support/places.ts';
import { Remote } from '../../support/processes/remote.ts';
import { hello } from '../../support/proven-socket.ts';
import { FrameCollector } from '../../support/sockets.ts';

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}

function ipc(
  home: string,
  port: number,
  args: readonly string[],
  more: { readonly input?: string; readonly env?: Record<string, string> } = {},
): Promise<Ended> {
  const env = { PATH: process.env.PATH, IPC_HOME: home, IPC_PORT: `${port}`, ...more.env };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [program, ...args], { env }, (error, out, errors) =>
      resolve({ code: Number(error?.code ?? 0), out, errors }),
    );
    child.stdin?.end(more.input);
  });
}

/** A session in its own process, with its own home. */
function session(context: TestContext, home: string, port: number): Remote {
  const remote = new Remote(home, port);
  context.after(() => remote.kill());
  return remote;
}

/**
 * Repeats a command until it exits with `code`. A command that begins after two seconds must do so; an
 * earlier one may take any time, so a busy machine does not matter.
 */
async function exitsWithinTwoSeconds(code: 0 | 1, run: () => Promise<Ended>): Promise<void> {
  const since = performance.now();
  for (;;) {
    const beganMs = performance.now() - since;
    const ended = await run();
    if (ended.code === code) return;
    assert.ok(beganMs < 2_000, `${ended.errors} after ${beganMs} ms`);
  }
}

test('a key is replaced while the broker and its sessions run, and the old key is valid until it is retired', async (context) => {
  const folder = await makeHome(context);
  const port = await freePort();
  const [here, there] = [join(folder, 'here'), join(folder, 'there')];
  const owner = session(context, here, port);
  await owner.start();
  await cp(join(here, 'key'), join(there, 'key'));

  assert.equal((await ipc(here, port, ['key', 'new'])).code, 0);
  const fresh = join(folder, 'fresh');
  await cp(join(here, 'key'), join(fresh, 'key'));
  await exitsWithinTwoSeconds(0, () =>
    ipc(fresh, port, ['post', 'fresh', 'with the new key alone']),
  );
  // The broker knows both keys, so a machine that has only the old one keeps working.
  assert.equal((await ipc(there, port, ['post', 'box', 'with the old key'])).code, 0);
  const { out: shown } = await ipc(here, port, ['key', 'show']);
  const imported = await ipc(there, port, ['key', 'import'], { input: shown });
  assert.equal(imported.code, 0, imported.errors);
  assert.equal((await ipc(there, port, ['post', 'box', 'with both'])).code, 0);
  assert.equal((await ipc(here, port, ['key', 'retire'])).code, 0);
  assert.equal((await ipc(there, port, ['key', 'retire'])).code, 0);
  assert.equal((await ipc(there, port, ['post', 'box', 'with the new key'])).code, 0);

  const behind = join(folder, 'behind');
  await cp(join(here, 'key'), join(behind, 'key'));
  assert.equal((await ipc(behind, port, ['key', 'new'])).code, 0);
  assert.equal((await ipc(behind, port, ['key', 'retire'])).code, 0);
  const refused = await ipc(behind, port, ['post', 'box', 'with a key that is not ours']);
  assert.equal(refused.code, 1);
  assert.match(refused.errors, /^ipc: key_mismatch: /);
  const { deliveries } = await owner.fetch('box');
  assert.deepEqual(
    deliveries.map(({ body }) => body),
    ['with the old key', 'with both', 'with the new key'],
  );
});

test('a running broker refuses a retired key within two seconds', async (context) => {
  const folder = await makeHome(context);
  const port = await freePort();
  const [here, there] = [join(folder, 'here'), join(folder, 'there')];
  const owner = session(context, here, port);
  await owner.start();
  await cp(join(here, 'key'), join(there, 'key'));
  await ipc(here, port, ['key', 'new']);
  await ipc(here, port, ['key', 'retire']);
  await exitsWithinTwoSeconds(1, () => ipc(there, port, ['post', 'box', 'late']));
  assert.equal((await ipc(here, port, ['post', 'box', 'with the new key'])).code, 0);
});

/** A non-loopback address of this machine: connections to it are treated as between machines. */
function outerAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return all.find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
}

for (const where of ['on loopback', 'between machines']) {
  test(`a connection opened with a key that is now retired is closed at the next heartbeat, ${where}`, async (context) => {
    const host = where === 'on loopback' ? '127.0.0.1' : outerAddress();
    if (host === undefined) return context.skip('this machine has no address but loopback');
    context.mock.timers.enable({ apis: ['setInterval'] });
    let retired = false;
    const broker = await startBroker(context, {
      goodKeys: () => [retired ? Buffer.alloc(32, 9) : broker.keys[0]],
    });
    await broker.broker.listenOn([host]);
    const { port, keys } = broker;
    const frames = new FrameCollector(await dial({ host, port }, keys));
    for (const bytes of hello('guest')) frames.connection.send([bytes]);
    await frames.next();
    context.mock.timers.tick(heartbeatMs);
    frames.connection.send(encodeRequest({ kind: 'status', request: 2 }));
    await frames.next();
    retired = true;
    context.mock.timers.tick(heartbeatMs);
    await frames.closed;
    await assert.rejects(dial({ host, port }, keys), { code: 'key_mismatch' });
  });
}

test('a session closes its connection when its own side retires the key that opened it', async (context) => {
  context.mock.timers.enable({ apis: ['setInterval'] });
  const broker = await startBroker(context);
  const home = join(await makeHome(context), 'home');
  await importKey(home, {}, broker.keys[0].toString('hex'));
  const origin = { program: 'test', pid: process.pid, machine: 'here' };
  const session = new Session({ home, port: broker.port, origin, env: {} });
  context.after(() => session.close());
  await session.status();
  await newKey(home, {});
  context.mock.timers.tick(heartbeatMs);
  assert.equal((await session.status()).sessions, 1, 'both are good');
  await retireKey(home, {});
  // The key files are read again after a second.
  await new Promise((resolve) => setTimeout(resolve, keyReadMs));
  context.mock.timers.tick(heartbeatMs);
  await assert.rejects(session.status(), { code: 'key_mismatch' });
});

test('a running receive accepts the new key, and refuses the old one once it is retired', async (context) => {
  const folder = await makeHome(context);
  const port = await freePort();
  const [here, there] = [join(folder, 'here'), join(folder, 'there')];
  const receiving = ipc(here, port, ['receive', '--port', `${port}`, '--timeout', '60']);
  const to = `127.0.0.1:${port}`;
  assert.equal((await ipc(here, port, ['ping', to])).code, 0);
  await cp(join(here, 'key'), join(there, 'key'));
  await ipc(here, port, ['key', 'new']);
  await ipc(here, port, ['key', 'retire']);
  await exitsWithinTwoSeconds(1, () => ipc(there, port, ['ping', to]));
  assert.equal((await ipc(here, port, ['send', to, 'with the new key'])).code, 0);
  assert.equal((await receiving).out, 'with the new key');
});

test('a client refuses a broker that proves the old key after it has proved the new one', async (context) => {
  const folder = await makeHome(context);
  const port = await freePort();
  const [older, newer, both] = ['older', 'newer', 'both'].map((name) => join(folder, name));
  assert(older && newer && both);
  await importKey(older, {}, '0f'.repeat(32));
  await importKey(newer, {}, 'f0'.repeat(32));
  await importKey(both, {}, '0f'.repeat(32));
  await importKey(both, {}, 'f0'.repeat(32));
  const guest = session(context, both, port);
  const first = session(context, newer, port);
  await first.start();
  assert.equal((await guest.status()).pid, first.pid);
  await first.kill();
  const second = session(context, older, port);
  await second.start();
  await assert.rejects(guest.post('box', 'a body'), { code: 'key_mismatch' });
  const beginner = session(context, both, port);
  assert.equal((await beginner.status()).messages, 0);
});

test('no output but that of `ipc key show` contains the key', async (context) => {
  const folder = await makeHome(context);
  const port = await freePort();
  const home = join(folder, 'home');
  const owner = session(context, home, port);
  await owner.start();
  const hex = (await readFile(join(home, 'key'), 'latin1')).trim();
  const base64 = Buffer.from(hex, 'hex').toString('base64');
  const show = await ipc(home, port, ['key', 'show']);
  assert.equal(show.out, `${hex}\n`);

  const elsewhere = join(folder, 'elsewhere');
  const outputs = [
    show.errors,
    ...(await Promise.all([
      ipc(home, port, ['status']),
      ipc(home, port, ['status', '--json']),
      ipc(home, port, ['broker', '--once', '--json']),
      ipc(home, port, ['store', 'check']),
      ipc(home, port, ['post', 'box', 'hello', '--json']),
      ipc(home, port, ['key', '--help']),
      ipc(elsewhere, port, ['status']),
      ipc(elsewhere, port, ['status'], { env: { IPC_KEY: hex } }),
      ipc(elsewhere, port, ['status'], { env: { IPC_KEY: `${hex}0` } }),
      ipc(elsewhere, port, ['key', 'import'], { input: `${hex}0` }),
      ipc(elsewhere, port, ['key', 'import', hex]),
      ipc(elsewhere, port, ['key', 'import', '--json'], { input: hex }),
      ipc(join(home, 'key'), port, ['status']),
    ])),
    await ipc(home, port, ['key', 'new', '--json']),
    await ipc(home, port, ['key', 'new']),
    await ipc(home, port, ['key', 'retire']),
  ];
  const shown = JSON.stringify(outputs);
  assert.ok(!shown.includes(hex.slice(0, 16)) && !shown.includes(base64.slice(0, 16)), shown);
});
