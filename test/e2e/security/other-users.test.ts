// Another user of the same machine, who may have bound the port first or want it for mail of their own.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { loadKeys } from '../../../src/net/keys.ts';
import { ServerHandshake } from '../../../src/protocol/handshake.ts';
import { McpHost, program } from '../../support/mcp-host.ts';
import { freePort, makeHome } from '../../support/places.ts';
import { place, Remote } from '../../support/processes/remote.ts';

const nobody = 65_534;
const secret = 'the body that nobody else may read';

/** A program that holds a port and keeps all bytes that it receives. */
async function squat(context: TestContext, port: number, act: (socket: Socket) => void) {
  const received: Buffer[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => {}).on('data', (bytes: Buffer) => received.push(bytes));
    context.after(() => socket.destroy());
    act(socket);
  });
  context.after(() => server.close());
  server.listen({ port, host: '127.0.0.1', exclusive: true });
  await once(server, 'listening');
  return { received: () => Buffer.concat(received) };
}

/** Asserts that the bytes contain neither the key, in any usual encoding, nor the body. */
function assertNoSecrets(received: Buffer, key: Buffer): void {
  for (const form of [key, Buffer.from(key.toString('hex')), Buffer.from(key.toString('base64'))]) {
    assert.equal(received.includes(form), false);
  }
  assert.equal(received.includes(secret.slice(0, 10)), false);
}

const ownNonce = Buffer.alloc(32, 5);
const squatters: Readonly<Record<string, (socket: Socket) => void>> = {
  'is silent': () => {},
  'echoes what it receives': (socket) => void socket.pipe(socket),
  'claims to be a broker': (socket) => {
    const preface = Buffer.from('a9495043730d0a01', 'hex');
    socket.once('data', () => socket.write(Buffer.concat([preface, ownNonce, ownNonce])));
  },
  'has a key of its own': (socket) => {
    const handshake = new ServerHandshake({ keys: [Buffer.alloc(32, 6)], nonce: ownNonce });
    socket.once('data', (bytes) => {
      if (bytes[0] === 0xa9) socket.write(handshake.push(bytes).send);
      else socket.destroy();
    });
  },
};

for (const [what, act] of Object.entries(squatters)) {
  test(`a squatter on the port that ${what} learns neither key nor body`, async (context) => {
    const { home, port, session } = await place(context);
    const { received } = await squat(context, port, act);
    const code = /^(key_mismatch|port_taken|unreachable)$/;
    await assert.rejects(session().post('box', secret), { code });
    const [key] = await loadKeys(home, {});
    assert.ok(received().length > 0);
    assertNoSecrets(received(), key);
  });
}

test('a squatter that relays to another broker with the same key learns neither key nor body', async (context) => {
  const { home, port, session } = await place(context);
  const owner = session();
  await owner.start();
  const [key] = await loadKeys(home, {});
  const squatted = await freePort();
  const back: Buffer[] = [];
  const { received } = await squat(context, squatted, (socket) => {
    const onward = connect(port, '127.0.0.1');
    onward.on('error', () => socket.destroy()).on('data', (bytes: Buffer) => back.push(bytes));
    socket.pipe(onward).pipe(socket);
  });
  const victim = new Remote(home, squatted);
  context.after(() => victim.kill());
  await assert.rejects(victim.post('box', secret), { code: 'key_mismatch' });
  assertNoSecrets(Buffer.concat([received(), ...back]), key);
  assert.equal((await owner.status()).messages, 0);
});

interface User {
  readonly home: string;
  ipc(port: number, ...args: string[]): Promise<{ code: number; out: string; errors: string }>;
}

/**
 * Two users, each with a home that the other cannot enter; with different uids where this process may
 * set them.
 */
async function user(context: TestContext, uid: number | undefined): Promise<User> {
  const home = await mkdtemp(join(tmpdir(), 'ipc-user-'));
  context.after(() => rm(home, { recursive: true, force: true }));
  if (uid !== undefined) await chown(home, uid, uid);
  const ipc = async (port: number, ...args: string[]) => {
    const child = spawn(process.execPath, [program, ...args], {
      env: { PATH: process.env.PATH, IPC_HOME: home, IPC_PORT: `${port}` },
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: '/',
      ...(uid === undefined ? {} : { uid, gid: uid }),
    });
    context.after(() => child.kill('SIGKILL'));
    const ended = once(child, 'exit');
    const [out, errors] = await Promise.all([buffer(child.stdout), buffer(child.stderr)]);
    await ended;
    return { code: child.exitCode ?? 1, out: out.toString(), errors: errors.toString() };
  };
  return { home, ipc };
}

test('the second of two users with different keys gets an error that names the owner of the port and a remedy, which works', async (context) => {
  const { port, home, session } = await place(context);
  const owner = session();
  await owner.post('box', secret);
  const waiting = owner.wait('parked', 60_000);
  await owner.status();

  const isRoot = process.getuid?.() === 0 && (await mayRun(context));
  if (!isRoot) context.diagnostic('both are the same user here: no right to become another one');
  const other = await user(context, isRoot ? nobody : undefined);
  for (const args of [
    ['post', 'box', 'from another user'],
    ['wait', 'box', '--timeout', '2'],
    ['fetch', 'box'],
    ['status'],
    ['broker'],
  ]) {
    const { code, out, errors } = await other.ipc(port, ...args);
    assert.deepEqual([code, out], [1, '']);
    assert.match(errors, new RegExp(`^ipc: key_mismatch: port ${port} is held.* with another key`));
    assert.match(errors, /or another port/);
    assert.equal(errors.includes(home), false);
  }
  const free = await freePort();
  assert.equal((await other.ipc(free, 'post', 'box', 'on a port of my own')).code, 0);
  assert.equal((await other.ipc(free, 'wait', 'box')).out, 'on a port of my own');

  await owner.post('parked', 'still here');
  assert.equal((await waiting)?.body, 'still here');
  const { messages, sessions } = await owner.status();
  assert.deepEqual([messages, sessions], [2, 1]);
});

/** The program may be in a folder that only its owner can read. */
test('doctor reports a folder that its user may not write to', async (context) => {
  const isRoot = process.getuid?.() === 0;
  if (isRoot && !(await mayRun(context)))
    return context.diagnostic('no other user can run the program here');
  const { home, ipc } = await user(context, isRoot ? nobody : undefined);
  const port = await freePort();
  const store = join(home, `broker-${port}`);
  await mkdir(store, { mode: 0o500 });
  if (isRoot) await chown(store, nobody, nobody);
  const { code, out } = await ipc(port, 'doctor');
  assert.equal(code, 1);
  assert.match(
    out,
    /\nBAD {2}store: home_unusable: \S*broker-\d+ does not let its own user in \(EACCES\)\. To do: chmod u\+rwX \S*broker-\d+\./,
  );
});

async function mayRun(context: TestContext): Promise<boolean> {
  const { ipc } = await user(context, nobody);
  return (await ipc(1, '--version')).code === 0;
}

/** Paths whose modes let other users in; links and sockets are judged by their own mode. */
async function looseFiles(folder: string): Promise<string[]> {
  const loose: string[] = [];
  for (const name of ['', ...(await readdir(folder, { recursive: true }))]) {
    const path = join(folder, name);
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) loose.push(`${(mode & 0o777).toString(8)} ${name}`);
  }
  return loose;
}

test('under umask 0 every file and folder is accessible to its user alone, and no name given by a peer names a file', async (context) => {
  const parent = await makeHome(context);
  const home = join(parent, 'home');
  const port = await freePort();
  const before = process.umask(0);
  context.after(() => process.umask(before));
  const owner = new Remote(home, port);
  context.after(() => owner.kill());
  await owner.post('box', secret);
  // Too large for a result, so it is kept in a file.
  await owner.post('../../large', 'x'.repeat(60_000));
  const host = await McpHost.start({ home, port });
  context.after(() => host.destroy());
  await host.call({ operation: 'wait', mailbox: '../../large' });
  await run(home, port, 'key', 'new');
  process.umask(before);

  const names = (await readdir(home, { recursive: true })).map((name) =>
    name.replace(/^bodies.\d+-.*$/, 'bodies/one').replace(`broker-${port}`, 'broker'),
  );
  const expected = ['bodies', 'bodies/one', 'broker', 'broker/epochs', 'broker/owner.sock'];
  for (const name of [...expected, 'key', 'key.old']) assert.ok(names.includes(name), name);
  assert.ok(names.some((name) => name.endsWith('owner.json')));
  assert.ok(names.some((name) => /seg-\d+\.log$/.test(name)));
  assert.deepEqual(await looseFiles(home), []);
  assert.deepEqual(await readdir(parent), ['home']);
  assert.ok(!names.some((name) => name.includes('large')));
});

async function run(home: string, port: number, ...args: string[]): Promise<void> {
  const env = { PATH: process.env.PATH, IPC_HOME: home, IPC_PORT: `${port}` };
  const child = spawn(process.execPath, [program, ...args], { env, stdio: 'ignore' });
  const [code] = await once(child, 'exit');
  assert.equal(code, 0);
}
